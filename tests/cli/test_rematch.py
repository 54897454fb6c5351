"""`safelight rematch`: rows of earlier scans against what lists hold now, without the media."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def first(tmp_path: Path, known_lines: list[str]) -> Path:
    """A hash file that knows nothing of what is in the tree."""
    path = tmp_path / "first.csv"
    path.write_text("pdq\n" + "0f" * 32 + "\n")
    return path


@pytest.fixture
def kept(safelight: Run, tree: Path, first: Path, tmp_path: Path) -> Path:
    """The rows of a scan that found nothing; the media is gone since."""
    path = tmp_path / "kept.jsonl"
    assert safelight("scan", tree, "--hashes", first, "--result", path).code == 2
    shutil.rmtree(tree)
    return path


def told(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["path"].rpartition("/")[2]: row["verdict"] for row in rows}


def test_what_is_listed_since_is_found_without_the_media(
    safelight: Run, kept: Path, known: Path, tmp_path: Path
) -> None:
    result = tmp_path / "new.jsonl"
    ran = safelight("rematch", kept, "--hashes", known, "--result", result, "-o", "json")
    assert ran.code == 1
    # changed.jpg is mirrored: its row has no hash of that
    assert told(ran.rows) == {"same.png": "known"}
    assert [json.loads(line) for line in result.read_text().splitlines()] == ran.rows
    (row,) = ran.rows
    before = json.loads(kept.read_text().splitlines()[row["rematch_of"]["row"] - 1])
    changed = {name for name in row if row[name] != before.get(name)}
    assert changed == {"verdict", "fully_checked", "reasons", "matches", "rematch_of"}
    assert row["rematch_of"] == {
        "file": str(kept), "row": row["rematch_of"]["row"], "verdict": "no_match",
    }  # fmt: skip
    assert [match["algorithm"] for match in row["matches"]] == ["sha256", "pdq"]
    assert "1  known now, and not before" in ran.err
    assert oct(result.stat().st_mode)[-3:] == "600"


def test_rows_that_hold_no_hash_are_said_not_to_be_checked(
    safelight: Run, kept: Path, first: Path
) -> None:
    ran = safelight("rematch", kept, "--hashes", first)
    assert (ran.code, ran.out) == (2, "")
    # empty.jpg and text.jpg have digests, and nothing that they show
    assert "2  compared in part: no hash of what they show was kept" in ran.err


def test_where_every_row_could_be_compared_it_ends_with_0(
    safelight: Run, kept: Path, first: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.jsonl"
    lines = [line for line in kept.read_text().splitlines() if '"code"' not in line]
    whole.write_text("".join(f"{line}\n" for line in lines))
    assert safelight("rematch", whole, "--hashes", first).code == 0


def test_an_md5_is_found_and_a_row_without_one_is_told(
    safelight: Run, kept: Path, first: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in kept.read_text().splitlines() if '"code"' not in line]
    listed, old = tmp_path / "md5.txt", tmp_path / "old.jsonl"
    listed.write_text(f"{rows[0]['md5']}\n")
    new = tmp_path / "new.jsonl"
    new.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    ran = safelight("rematch", new, "--hashes", listed, "-o", "json")
    assert (ran.code, [row["path"] for row in ran.rows]) == (1, [rows[0]["path"]])
    for row in rows:
        del row["md5"]
    old.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    ran = safelight("rematch", old, "--hashes", listed)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count(f"{len(rows)} × without MD5, which the lists hold") == 1


def test_what_was_told_before_is_not_told_again(
    safelight: Run, kept: Path, known: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    result = tmp_path / "one.jsonl"
    safelight("rematch", kept, "--hashes", known, "--result", result)
    (found,) = [json.loads(line) for line in result.read_text().splitlines()]
    now = tmp_path / "now.jsonl"
    again = [found if row["path"] == found["path"] else row for row in rows]
    now.write_text("".join(json.dumps(row) + "\n" for row in again))
    assert safelight("rematch", now, "--hashes", known, "-o", "json").rows == []


def test_parts_of_a_data_set_are_read(
    safelight: Run, tree: Path, first: Path, known: Path, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    folder = tmp_path / "audit"
    safelight("scan", tree, "--dataset", "--hashes", first, "--result", folder)
    assert list(folder.glob("part-*.parquet"))
    ran = safelight("rematch", folder, "--hashes", known, "-o", "json")
    assert (ran.code, told(ran.rows)) == (1, {"same.png": "known"})


def test_a_stopped_job_goes_on_where_it_was(
    safelight: Run, kept: Path, known: Path, tmp_path: Path, home: Path
) -> None:
    """As if it had been killed: the note on disk is older than the rows."""
    result = tmp_path / "new.jsonl"
    safelight("rematch", kept, "--hashes", known, "--result", result)
    (job,) = (home / "rematches").glob("*/job.json")
    data = json.loads(job.read_text())
    whole = result.read_bytes()
    data["progress"] = {
        "file": 0, "rows": 1, "written": 0, "compared": 1, "in_part": 0, "unchecked": 0,
        "found": {}, "ended": False,
    }  # fmt: skip
    job.write_text(json.dumps(data))
    result.write_bytes(whole + b'{"half a ro')
    ran = safelight("rematch", "--resume", "last", "-o", "json")
    assert (ran.code, result.read_bytes()) == (1, whole)
    ran = safelight("rematch", "--resume", job.parent.name)
    assert (ran.code, "has ended" in " ".join(ran.err.split())) == (2, True)
    assert safelight("rematch", "--resume", "last").code == 2


def test_results_that_changed_meanwhile_are_refused(
    safelight: Run, kept: Path, known: Path, home: Path
) -> None:
    safelight("rematch", kept, "--hashes", known)
    (job,) = (home / "rematches").glob("*/job.json")
    data = json.loads(job.read_text())
    data["progress"]["ended"] = False
    job.write_text(json.dumps(data))
    kept.write_text(kept.read_text() * 2)
    ran = safelight("rematch", "--resume", "last")
    assert (ran.code, "was changed since this began" in " ".join(ran.err.split())) == (2, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "bad_input"),
        (("{kept}", "--resume", "last"), "bad_input"),
        (("nowhere.jsonl",), "bad_path"),
        (("{first}",), "corrupt_file"),
        (("{kept}", "--result", "{kept}"), "bad_path"),
        (("{empty}",), "bad_input"),
    ],
)
def test_what_cannot_work_is_refused(
    safelight: Run, kept: Path, first: Path, tmp_path: Path, words: tuple[str, ...], code: str
) -> None:
    (tmp_path / "empty").mkdir()
    names = {"kept": kept, "first": first, "empty": tmp_path / "empty"}
    ran = safelight("rematch", *(word.format(**names) for word in words), "--hashes", first)
    assert (ran.code, f"error ({code}):" in ran.err) == (2, True), ran.err
    assert kept.exists()
