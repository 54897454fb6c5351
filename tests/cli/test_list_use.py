"""Lists in the database as scans use them: classes, counts of matches, observing, ignoring."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from safelight.demo import landscape

Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    # Not pytest's tmp_path: as root that lies in a folder the server's account cannot pass.
    folder = Path(tempfile.mkdtemp(prefix="safelight-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def run(home: Path) -> Run:
    """Run a command that must end with a code; return its rows."""

    def run(*words: object, code: int = 0, talks: bool = True) -> list[dict[str, Any]]:
        output = ("-o", "json") if talks else ()
        done = subprocess.run(
            [sys.executable, "-m", "safelight.cli", *map(str, words), *output],
            env={**os.environ, "SAFELIGHT_HOME": str(home), "SAFELIGHT_ACTOR": "alice"},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The picture that is on the lists, as it is and smaller."""
    tree = tmp_path_factory.mktemp("tree")
    picture = landscape(0)
    picture.save(tree / "a.png")
    picture.resize((480, 320), Image.Resampling.LANCZOS).save(tree / "b.jpg", quality=70)
    return tree


@pytest.fixture(scope="module")
def listed(tree: Path, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hash file of the picture, with the class its source gives it."""
    (row,) = run("hash", tree / "a.png")
    file = tmp_path_factory.mktemp("hashes") / "known.csv"
    file.write_text(f"pdq,quality,sha256,id,class\n{row['pdq']},90,{row['sha256']},A-1,B2\n")
    return file


def verdicts(rows: list[dict[str, Any]]) -> list[str]:
    return [row["verdict"] for row in rows]


def test_a_match_names_the_class_and_is_counted(run: Run, tree: Path, listed: Path) -> None:
    run("list", "create", "known", "--source", "Source", "--purpose", "match",
        "--purpose", "statistics")  # fmt: skip
    run("list", "import", "known", listed)
    first, second = run("scan", tree, "--list", "known", code=1)
    assert (first["verdict"], second["verdict"]) == ("known", "similar")
    assert {match["class"] for row in (first, second) for match in row["matches"]} == {"B2"}
    (stats,) = run("list", "stats", "known")
    found = {one["algorithm"]: one["matches"] for one in stats["most_matched"]}
    assert found == {"pdq": 2, "sha256": 1}
    assert stats["never_matched"] == 0


def test_a_list_that_is_observed_changes_no_verdict(run: Run, tree: Path, listed: Path) -> None:
    run("list", "create", "new", "--source", "Source")
    run("list", "import", "new", listed)
    run("list", "observe", "new", talks=False)
    rows = run("scan", tree, "--list", "new")
    assert verdicts(rows) == ["no_match", "no_match"]
    assert [row["matches"] for row in rows] == [[], []]
    assert [{match["algorithm"] for match in row["observed"]} for row in rows] == [
        {"pdq", "sha256"},
        {"pdq"},
    ]
    assert {match["list"] for row in rows for match in row["observed"]} == {"new"}


def test_an_audit_of_a_data_set_counts_matches_once(
    run: Run, tree: Path, listed: Path, tmp_path: Path
) -> None:
    run("list", "create", "mt", "--source", "Source", "--purpose", "match",
        "--purpose", "statistics")  # fmt: skip
    run("list", "import", "mt", listed)
    words = ("scan", tree, "--dataset", "--list", "mt", "--result", tmp_path / "audit")
    for _ in range(2):  # the second run finds every shard whole: a match is counted once
        (summary,) = run(*words, code=1)
        assert (summary["known"], summary["similar"], summary["observed"]) == (1, 1, 0)
        stats, *_shared = run("list", "stats", "mt")
        found = {one["algorithm"]: one["matches"] for one in stats["most_matched"]}
        assert found == {"pdq": 2, "sha256": 1}
        assert stats["never_matched"] == 0


def test_an_audit_tells_of_lists_that_are_observed(
    run: Run, home: Path, tree: Path, listed: Path, tmp_path: Path
) -> None:
    run("list", "create", "watched", "--source", "Source")
    run("list", "import", "watched", listed)
    run("list", "observe", "watched", talks=False)
    words = ("scan", tree, "--list", "watched")
    (summary,) = run(*words, "--dataset", "--result", tmp_path / "audit")
    assert (summary["no_match"], summary["observed"]) == (2, 2)
    assert json.loads((tmp_path / "audit" / "summary.json").read_text())["observed"] == 2
    stats, *_shared = run("list", "stats", "watched")
    assert stats["never_matched"] == 0
    for more in (("--dataset", "--result", tmp_path / "audit"), ()):
        done = subprocess.run(
            [sys.executable, "-m", "safelight.cli", *map(str, (*words, *more))],
            env={**os.environ, "SAFELIGHT_HOME": str(home)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "2 items match lists in observe mode; they change no verdict" in done.stderr


def test_a_list_of_files_to_ignore_hides_near_matches_and_no_exact_ones(
    run: Run, tree: Path, listed: Path, tmp_path: Path
) -> None:
    _, small = run("hash", tree)
    ignored = tmp_path / "ignore.csv"
    ignored.write_text(f"sha256\n{small['sha256']}\n")
    run("list", "create", "ordinary", "--source", "Source", "--meaning", "ignore")
    run("list", "import", "ordinary", ignored)
    rows = run("scan", tree, "--list", "known", "--list", "ordinary", code=1)
    assert verdicts(rows) == ["known", "no_match"]
    words = [reason.partition(":")[0] for reason in rows[1]["reasons"]]
    assert words == ["on_ignore_list", "ignored_near"]
    both = tmp_path / "both.csv"
    both.write_text(f"sha256\n{rows[0]['sha256']}\n")
    run("list", "import", "ordinary", both)
    rows = run("scan", tree, "--list", "known", "--list", "ordinary", code=1)
    assert verdicts(rows) == ["known", "no_match"]


def test_a_hash_on_an_observed_list_is_told_apart(run: Run, listed: Path) -> None:
    pdq = listed.read_text().splitlines()[1].split(",")[0]
    (row,) = run("match", f"pdq:{pdq}", "--list", "new")
    assert (row["matches"], [match["list"] for match in row["observed"]]) == ([], ["new"])
    (row,) = run("match", f"pdq:{pdq}", "--list", "new", "--list", "known", code=1)
    assert [match["list"] for match in row["matches"]] == ["known"]


def test_a_list_that_asks_for_less_is_told_and_compares_as_it_says(
    run: Run, tree: Path, listed: Path, home: Path
) -> None:
    run("list", "create", "narrow", "--source", "Source", "--radius", "0")
    run("list", "import", "narrow", listed)
    first, second = run("scan", tree, "--list", "narrow", "--radius", "31", code=1)
    assert (first["verdict"], second["verdict"]) == ("known", "no_match")


def test_an_entry_that_floods_is_marked_where_it_is_near_and_raises_an_alarm(
    run: Run, tree: Path, listed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def alarms() -> list[dict[str, Any]]:
        return sorted(run("list", "alarms"), key=lambda one: str(one["kind"]))

    run("list", "create", "busy", "--source", "Source")
    run("list", "import", "busy", listed)
    monkeypatch.setenv("SAFELIGHT_FLOOD_LEAST", "1")  # of a new entry five are nothing unusual
    for _ in range(3):  # of earlier runs both kinds count for each
        first, second = run("scan", tree, "--list", "busy", code=1)
        assert not [one for one in (*first["matches"], *second["matches"]) if "flood" in one]
    first, second = run("scan", tree, "--list", "busy", code=1)
    assert (first["verdict"], second["verdict"]) == ("known", "similar")
    assert not [one for one in first["matches"] if "flood" in one]
    assert [one["flood"] for one in second["matches"]] == [True]
    assert second["reasons"][-1].startswith("flood: entry ")
    told = [[one[name] for name in ("list", "matches", "expected")] for one in alarms()]
    assert told == [["busy", 7, 5]] * 2
    assert [one["kind"] for one in alarms()] == ["exact", "near"]


def test_hashes_from_standard_input_are_counted_and_those_looked_up_are_not(
    home: Path, run: Run, tree: Path, listed: Path
) -> None:
    run("list", "create", "lines", "--source", "Source")
    run("list", "import", "lines", listed)
    (row,) = run("hash", tree / "a.png")

    def counted() -> dict[str, int]:
        stats, *_ = run("list", "stats", "lines")
        return {one["algorithm"]: one["matches"] for one in stats["most_matched"]}

    run("match", row["pdq"], "--list", "lines", code=1)
    assert counted() == {}
    subprocess.run(
        [sys.executable, "-m", "safelight.cli", "match", "-", "--list", "lines"],
        env={**os.environ, "SAFELIGHT_HOME": str(home)},
        input=f"{row['pdq']}\n{'0f' * 32}\n{row['pdq']}\nmd5:{'0f' * 16}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert counted() == {"pdq": 2}


def test_an_entry_added_later_is_found_in_kept_rows_and_not_counted_again(
    run: Run, tree: Path, listed: Path, tmp_path: Path
) -> None:
    run("list", "create", "grows", "--source", "Source")
    other = tmp_path / "other.csv"
    other.write_text(f"pdq\n{'0f' * 32}\n")
    run("list", "import", "grows", other)
    kept = tmp_path / "kept.jsonl"
    run("scan", tree, "--list", "grows", "--result", kept)
    run("list", "import", "grows", listed)
    first, second = run("rematch", kept, "--list", "grows", code=1)
    assert (first["verdict"], second["verdict"]) == ("known", "similar")
    assert {match["class"] for row in (first, second) for match in row["matches"]} == {"B2"}
    stats, *_ = run("list", "stats", "grows")
    assert stats["most_matched"] == []


def test_lines_are_matched_against_the_lists_as_they_are_then(home: Path, run: Run) -> None:
    run("list", "create", "follow", "--source", "Source")
    process = subprocess.Popen(
        [sys.executable, "-m", "safelight.cli", "match", "-", "--follow", "-o", "json"],
        env={**os.environ, "SAFELIGHT_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def lists_of(digits: str) -> set[str]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"md5:{digits}\n")
        process.stdin.flush()
        return {match["list"] for match in json.loads(process.stdout.readline())["matches"]}

    def soon(digits: str, wanted: set[str]) -> None:
        until = time.monotonic() + 10
        while lists_of(digits) != wanted:
            assert time.monotonic() < until
            time.sleep(0.01)

    new = "ab" * 16
    file = home / "new.csv"
    with process:
        assert lists_of(new) == set()
        file.write_text(f"md5\n{new}\n")
        run("list", "import", "follow", file)
        soon(new, {"follow"})
        run("list", "disable", "follow")
        soon(new, set())
        out, err = process.communicate()
    assert (process.returncode, out, err) == (1, "", "")
    run("match", "md5:" + new, "--follow", code=2, talks=False)
