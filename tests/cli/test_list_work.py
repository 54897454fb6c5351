"""`safelight list` beyond the life of one list: edit, merge, diff, stats, export, reject."""

import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safelight.app import open_app
from safelight.settings import Settings

M = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    # Not pytest's tmp_path: as root that lies in a folder the server's account cannot pass.
    folder = Path(tempfile.mkdtemp(prefix="safelight-test-", dir="/tmp"))
    with open_app(Settings(home=folder)):  # kept running: each command would start and stop it
        yield folder
    shutil.rmtree(folder)


def _environ(home: Path) -> dict[str, str]:
    return {**os.environ, "SAFELIGHT_HOME": str(home), "SAFELIGHT_ACTOR": "alice"}


def _safelight(home: Path, *words: object, code: int = 0) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-m", "safelight.cli", *map(str, words)],
        env=_environ(home),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stderr
    return done


def _json(home: Path, *words: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _safelight(home, *words, "-o", "json").stdout.splitlines()]


def _list(
    home: Path, tmp_path: Path, name: str, *lines: str, options: tuple[str, ...] = ()
) -> None:
    file = tmp_path / f"{name}.csv"
    file.write_text("\n".join(("md5,id,class", *lines)) + "\n")
    _safelight(home, "list", "create", name, "--source", name.title(), *options)
    _safelight(home, "list", "import", name, file)


def test_edit_and_describe(home: Path, tmp_path: Path) -> None:
    _list(home, tmp_path, "draft", f"{M},1,A", options=("--expires", "2030-01-31"))
    _safelight(home, "list", "edit", "draft", "--rename", "kept", "--expires", "never",
               "--meaning", "source_term", "--source-term", "B1", "--purpose", "match",
               "--purpose", "statistics", "--permitted-organisation", "other")  # fmt: skip
    (made,) = _json(home, "list", "describe", "kept")
    told = ("name", "expires_at", "meaning", "source_term", "permitted_purposes", "change")
    assert [made[key] for key in told] == [
        "kept", None, "source_term", "B1", ["match", "statistics"], 1,
    ]  # fmt: skip
    assert made["permitted_organisations"] == ["other"]
    assert made["entries"] == {"pdq": 0, "md5": 1, "sha1": 0, "sha256": 0, "vpdq": 0, "photodna": 0}
    source = {"source": "Draft", "assertions": 1, "retracted": 0, "derived": 0}
    assert made["sources"] == [source]
    said = _safelight(home, "list", "edit", "kept", "--meaning", "ignore").stderr
    assert "1 entry had no owner or no end: " in said
    text = _safelight(home, "list", "describe", "kept").stdout
    for said in ("meaning                  ignore", "from Draft", "ever matched", "0 of 1"):
        assert said in text
    assert "Say what to change" in _safelight(home, "list", "edit", "kept", code=2).stderr
    _safelight(home, "list", "delete", "kept", "--yes")


def test_states_and_deletion_as_json(home: Path, tmp_path: Path) -> None:
    _list(home, tmp_path, "told", f"{M},1,A")
    for command, state in (("disable", "disabled"), ("observe", "observe"), ("enable", "enabled")):
        assert _json(home, "list", command, "told") == [{"list": "told", "state": state}]
    gone = {"list": "told", "entries": 1}
    assert _json(home, "list", "delete", "told", "--yes") == [gone]


def test_observe_and_retract(home: Path, tmp_path: Path) -> None:
    _list(home, tmp_path, "watched", f"{M},1,A", f"{M[::-1]},2,A")
    _safelight(home, "list", "observe", "watched")
    assert _json(home, "list", "ls")[0]["state"] == "observe"
    (done,) = _json(home, "list", "retract", "watched", "--source", "Watched", "--id", "1")
    assert done == {"list": "watched", "assertions": 1, "entries": 1}
    (counted,) = _json(home, "list", "count", "watched")
    assert counted["total"] == 1
    first, _ = _json(home, "list", "show", "watched")
    assert first["retracted"] is True
    assert "1 (retracted)" in _safelight(home, "list", "show", "watched").stdout
    for words in ((), ("--id", "2", "--all")):
        done = _safelight(home, "list", "retract", "watched", "--source", "W", *words, code=2)
        assert "Give --id, or --all" in done.stderr
    _safelight(home, "list", "delete", "watched", "--yes")


def test_merge_diff_and_stats(home: Path, tmp_path: Path) -> None:
    _list(home, tmp_path, "one", f"{M},1,A", f"{M[::-1]},2,A")
    purposes = ("export", "match", "statistics")
    options = [word for one in purposes for word in ("--purpose", one)]
    _list(home, tmp_path, "two", f"{M},9,B", options=tuple(options))
    _safelight(home, "list", "create", "all", "--source", "All")
    merged = _json(home, "list", "merge", "all", "one", "two")
    assert merged == [{"list": "all", "added": 2, "already_there": 1, "retracted_here": 0}]
    counts, sided = _json(home, "list", "diff", "one", "two", "--show", "5")
    assert counts == {"algorithm": "md5", "only_first": 1, "only_second": 0, "both": 1}
    assert sided["value"] == f"{M[::-1][:8]}…"  # `one` permits no export
    assert "fedcba98…" in _safelight(home, "list", "diff", "two", "one", "--show", "5").stdout
    figures = {row["list"]: row for row in _json(home, "list", "stats") if "list" in row}
    assert figures["all"]["entries"]["md5"] == 2
    assert figures["all"]["never_matched"] == 2
    assert [one["source"] for one in figures["all"]["sources"]] == ["One", "Two"]
    shared = [row for row in _json(home, "list", "stats", "two") if "lists" in row]
    assert shared == [{"lists": ["all", "two"], "both": 1}, {"lists": ["one", "two"], "both": 1}]
    shown = ("list", "show", "all", "--never-matched", "--limit", "1")
    assert "There are more: safelight list show all --never-matched --after" in (
        _safelight(home, *shown).stderr
    )
    text = _safelight(home, "list", "stats").stdout
    assert "Entries on two lists" in text
    assert "never matched" in text
    done = _safelight(home, "list", "merge", "two", "one", code=2)
    assert "permits more than" in done.stderr
    for name in ("one", "two", "all"):
        _safelight(home, "list", "delete", name, "--yes")


def test_figures_of_lists_that_permit_none(home: Path, tmp_path: Path) -> None:
    _list(home, tmp_path, "free", f"{M},1,A")
    _list(home, tmp_path, "shut", f"{M},9,B", options=("--purpose", "match"))
    said = "The list 'shut' may not be used for statistics; it permits: match."
    done = _safelight(home, "list", "stats", "-o", "json")
    assert [json.loads(line)["list"] for line in done.stdout.splitlines()] == ["free"]
    assert f"left out: {said}" in done.stderr
    assert _json(home, "list", "stats", "free")[0]["list"] == "free"  # asks for no other list
    assert said in _safelight(home, "list", "stats", "shut", code=2).stderr
    assert said in _safelight(home, "list", "diff", "free", "shut", code=2).stderr
    done = _safelight(home, "list", "describe", "shut", "-o", "json")
    assert said in done.stderr
    assert "entries" not in json.loads(done.stdout)
    _safelight(home, "list", "describe", "free")
    actions = [event["action"] for event in _json(home, "audit", "show")][-7:]
    once = ["list.stats", "list.refuse", "list.stats"]
    assert actions == [*once, *["list.refuse"] * 3, "list.describe"]
    for name in ("free", "shut"):
        _safelight(home, "list", "delete", name, "--yes")


def test_export(home: Path, tmp_path: Path) -> None:
    _list(home, tmp_path, "own", f"{M},1,A", options=("--purpose", "export"))
    file = tmp_path / "own.jsonl"
    done = _safelight(home, "list", "export", "own", file, "--format", "jsonl", code=2)
    assert "Nobody noted whether the list 'own' may be given away" in done.stderr
    assert not file.exists()
    may = ("--i-may", "our own hashes")
    (told,) = _json(home, "list", "export", "own", file, "--format", "jsonl", *may)
    assert told == {"list": "own", "file": str(file), "entries": 1, "left_out": 0}
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["hash"] == M
    done = _safelight(home, "list", "export", "own", file, *may, code=2)
    assert "exists already" in done.stderr
    _safelight(home, "list", "edit", "own", "--redistribution", "forbidden")
    other = tmp_path / "other.csv"
    done = _safelight(home, "list", "export", "own", other, *may, code=2)
    assert "redistribution is forbidden" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if "other" in path.name] == []
    events = _json(home, "audit", "show")
    exported = [one["detail"] for one in events if one["action"] == "list.export"]
    assert exported == [
        {"name": "own", "format": "jsonl", "entries": 1, "left_out": 0, "reason": may[1]}
    ]
    assert sum(one["action"] == "list.refuse" for one in events) >= 2
    _safelight(home, "list", "delete", "own", "--yes")


def test_what_imports_set_aside_can_be_seen(home: Path, tmp_path: Path) -> None:
    assert "No import has set rows aside" in _safelight(home, "list", "reject", "show").stderr
    file = tmp_path / "vics.json"
    others = [{"HashName": "F1", "HashValue": "A"}]
    media = [{"MediaID": 1, "MD5": M, "Category": 1, "AlternativeHashes": others}]
    media += [{"MediaID": 2, "MD5": "zz"}, {"MediaID": 3, "MD5": "yy"}]
    file.write_text(json.dumps({"value": media}))
    _safelight(home, "list", "create", "bad/name", "--source", "S")
    (told,) = _json(home, "list", "import", "bad/name", file, "--categories", "us")
    assert (told["added"], told["rejected"], told["left_out"]) == (1, 2, {"F1": 1})
    (entry,) = _json(home, "list", "show", "bad/name")
    said = "category 1 of us: Child Abuse Material (CAM)"
    assert entry["assertions"][0]["class"] == said
    (found,) = _json(home, "list", "reject", "show")
    assert found["rows"] == 2
    assert found["file"].endswith("-bad_name")
    (row,) = _json(home, "list", "reject", "show", found["file"], "--limit", "1")
    assert row["line"] == 2
    assert "not hexadecimal (the medium at byte" in row["reason"]
    text = _safelight(home, "list", "reject", "show", told["rejects"]).stdout
    assert "MediaID 2: md5 zz" in text
    assert "There is no file" in _safelight(home, "list", "reject", "show", "x", code=2).stderr
    _safelight(home, "list", "delete", "bad/name", "--yes")


def test_an_import_shows_how_far_it_is(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("".join(f"md5:{number + 1:032x}\n" for number in range(30_000)))
    _safelight(home, "list", "create", "many", "--source", "S")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "safelight.cli", "list", "import", "many", str(file)]
    with subprocess.Popen(
        command, env={**_environ(home), "TERM": "xterm"}, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # the terminal is gone with its last user
            pass
    os.close(ours)
    assert process.returncode == 0
    text = shown.decode()
    for said in ("Reading", "100%", "rows/s", "30,000 hashes added to 'many'"):
        assert said in text, text
    _safelight(home, "list", "delete", "many", "--yes")
