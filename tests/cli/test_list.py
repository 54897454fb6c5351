"""`safelight list` and `safelight audit`, as a person runs them."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from program import json_rows as _json
from program import safelight as _safelight

M = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    # Not pytest's tmp_path: as root that lies in a folder the server's account cannot pass.
    folder = Path(tempfile.mkdtemp(prefix="safelight-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def test_the_life_of_a_list(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "hashes.csv"
    file.write_text(f"md5,id\n{M},1\n{M[::-1]},2\nzz,3\n")
    (made,) = _json(home, "list", "create", "one", "--source", "Source", "--expires", "2030-01-31")
    assert {made[key] for key in ("name", "source", "meaning")} == {"one", "Source", "unverified"}
    assert made["expires_at"] == "2030-01-31T23:59:59+00:00"

    (first,) = _json(home, "list", "import", "one", file)
    rejects = Path(first.pop("rejects"))
    counts = {"list": "one", "added": 2, "already_there": 0, "rejected": 1, "left_out": {}}
    assert first == counts
    row = {"line": 4, "reason": "not hexadecimal", "text": "zz,3"}
    assert json.loads(rejects.read_text()) == row
    assert rejects.stat().st_mode & 0o777 == 0o600
    assert rejects.parent == home / "rejects"
    chosen = tmp_path / "chosen.jsonl"
    (second,) = _json(home, "list", "import", "one", file, "--rejects", chosen)
    assert second == {
        "list": "one",
        "added": 0,
        "already_there": 2,
        "rejected": 1,
        "rejects": str(chosen),
        "left_out": {},
    }

    (listed,) = _json(home, "list", "ls")
    nothing = dict.fromkeys(("pdq", "sha1", "sha256", "vpdq", "photodna"), 0)
    assert listed["entries"] == {**nothing, "md5": 2}
    (counted,) = _json(home, "list", "count", "one")
    assert counted == {"list": "one", "total": 2, "entries": listed["entries"]}
    shown = _json(home, "list", "show", "one")
    assert [entry["value"] for entry in shown] == ["01234567…", "fedcba98…"]
    (said,) = shown[0]["assertions"]
    assert said.pop("asserted_at")
    told = {"source": "Source", "id": "1", "class": "", "retracted_at": None, "derived_from": ""}
    assert said == {**told, "owner": "", "expires_at": None}
    text = _safelight(home, "list", "show", "one")
    assert "01234567…" in text.stdout
    assert M not in text.stdout
    assert "may not be used to export" in text.stderr

    _safelight(home, "list", "disable", "one")
    assert _json(home, "list", "ls")[0]["state"] == "disabled"
    _safelight(home, "list", "enable", "one")
    assert "--yes" in _safelight(home, "list", "delete", "one", code=2).stderr
    _safelight(home, "list", "delete", "one", "--yes")
    assert _json(home, "list", "ls") == []

    actions = [(event["actor"], event["action"]) for event in _json(home, "audit", "show")]
    done = ("create", "import", "import", "show", "show", "disable", "enable", "delete")
    assert actions == [("alice", f"list.{action}") for action in done]
    (verified,) = _json(home, "audit", "verify")
    assert (verified["events"], verified["faults"]) == (8, [])


def test_whole_values_are_an_export(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "hashes.csv"
    file.write_text(f"md5,id,class\n{M},A-1,B\n{M},A-2,C\n")
    _safelight(home, "list", "create", "open", "--source", "S", "--purpose", "export")
    _safelight(home, "list", "import", "open", file)
    (shown,) = _json(home, "list", "show", "open")
    assert shown["value"] == M
    said = [("S", "A-1", "B"), ("S", "A-2", "C")]
    assert [(one["source"], one["id"], one["class"]) for one in shown["assertions"]] == said
    text = _safelight(home, "list", "show", "open").stdout
    assert all(word in text for word in (M, "A-1", "A-2"))
    old = ("list", "create", "old", "--source", "S", "--purpose", "export")
    _safelight(home, *old, "--expires", "2020-01-31")
    _safelight(home, "list", "import", "old", file)
    assert _json(home, "list", "show", "old")[0]["value"] == "01234567…"
    events = _json(home, "audit", "show")
    looked = [e for e in events if e["action"] in ("list.export", "list.show")][-3:]
    facts = [(e["action"], e["detail"]) for e in looked]
    detail = {"name": "open", "after": 0, "entries": 1}
    assert facts == [("list.export", detail)] * 2 + [("list.show", {**detail, "name": "old"})]
    for name in ("open", "old"):
        _safelight(home, "list", "delete", name, "--yes")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "show", "none"), "There is no list named 'none'"),
        (("list", "import", "none", __file__), "There is no list named 'none'"),
        (("list", "create", "x", "--source", "s", "--meaning", "bad"), "is not a meaning"),
        (("list", "create", "x", "--source", "s", "--expires", "soon"), "YYYY-MM-DD"),
        (("list", "import", "x", "/nowhere"), "there is no such file"),
    ],
)
def test_what_cannot_be_done_is_said(home: Path, words: tuple[str, ...], said: str) -> None:
    done = _safelight(home, *words, code=2)
    assert said in done.stderr
    assert done.stdout == ""


def test_a_file_without_hashes_leaves_nothing(home: Path, tmp_path: Path) -> None:
    _safelight(home, "list", "create", "empty", "--source", "s")
    file, rejects = tmp_path / "words.txt", tmp_path / "rejects.jsonl"
    file.write_text("hello\n")
    done = _safelight(home, "list", "import", "empty", file, "--rejects", rejects, code=2)
    assert "No hash could be read" in done.stderr
    assert not rejects.exists()


def test_a_rejected_row_cut_short_by_a_full_disk_is_an_error(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from safelight.cli.list_import import Rejects\n"
        "from safelight.errors import DiskFull; from safelight.model import RejectedRow\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with Rejects(Path(sys.argv[1])) as rejects:\n"
        "        list(rejects.take([RejectedRow(1, 'reason', 'x' * 1500)]))\n"
        "except DiskFull:\n    print('full')\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "rejects.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "full\n"
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_DATABASE_URL", "postgresql://a:secret@127.0.0.1:1/x")
    done = _safelight(home, "list", "ls", code=2)
    assert done.stderr.startswith("error (database_unavailable): The database does not answer.")
    assert "secret" not in done.stderr
