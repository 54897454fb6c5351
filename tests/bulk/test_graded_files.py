"""Which rows of an earlier file stand for a finished look."""

import json
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest

from safelight.bulk.about import about_path
from safelight.bulk.graded_files import Against, is_results_file, load_graded
from safelight.errors import BadHashFile, BadInput, BadPath, CorruptFile
from safelight.matching.graded import Graded
from safelight.matching.rules import MatchPolicy
from safelight.model import Digests, Grade


def digests(sha256: str) -> Digests:
    return Digests(md5="f" * 32, sha1="f" * 40, sha256=sha256, size=1)


def row(number: int, verdict: str, *, checked: bool = True, **more) -> dict:
    return {
        "path": f"/{number}",
        "sha256": f"{number:064x}",
        "kind": "image",
        "verdict": verdict,
        "fully_checked": checked,
        "reasons": [],
        "matches": [{}] if verdict in ("known", "similar") else [],
        **more,
    }


ROWS = [
    row(1, "known", checked=False),  # found, though only in part
    row(2, "similar"),
    row(3, "no_match"),
    row(4, "no_match", checked=False),  # cut off: to be looked at again
    row(5, "unreadable", checked=False, code="timed_out"),  # as is what was not checked
    row(6, "no_match", kind="archive"),  # a container says nothing of what is in it
    row(7, "skipped", checked=False, earlier={"file": "old.csv", "class": "A1"}),
    row(8, "unreadable", checked=False) | {"sha256": None},
    row(9, "skipped", checked=False, earlier={"file": "old.jsonl", "verdict": "no_match"}),
]


AGAINST = Against(fingerprint="f" * 32, policy=MatchPolicy())


def load(paths: list[str], against: Against = AGAINST) -> tuple[Graded | None, list[str]]:
    told: list[str] = []
    return load_graded(paths, against, told.append), told


def write_about(path: Path, **more) -> None:
    """What stands beside the rows of a scan against AGAINST."""
    about = {
        "form": 1,
        "complete": True,
        "asked": {"roots": [], "policy": asdict(MatchPolicy()), "depth": {}},
        "settings": {},
        "matched_against": {"fingerprint": "f" * 32, "files": []},
        "environment": {},
        "results": {"sha256": sha256(path.read_bytes()).hexdigest()},
        "runs": [],
        "left_out": [],
    }
    about_path(path).write_text(json.dumps(about | more))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in ROWS))
    write_about(path)
    return path


def test_only_what_was_finished_counts(results: Path):
    graded, told = load([str(results)])
    assert told == []
    assert grades(graded) == {
        1: Grade(file="a.jsonl", verdict="known"),
        2: Grade(file="a.jsonl", verdict="similar"),
        3: Grade(file="a.jsonl", verdict="no_match"),
        7: Grade(file="a.jsonl", their_class="A1"),
        9: Grade(file="a.jsonl", verdict="no_match"),
    }


def grades(graded: Graded | None) -> dict[int, Grade]:
    assert graded is not None
    found = {n: graded.grade_of(digests(f"{n:064x}")) for n in range(1, 10)}
    return {n: grade for n, grade in found.items() if grade}


def test_that_nothing_matched_says_nothing_about_other_lists(results: Path):
    other = replace(AGAINST, fingerprint="0" * 32)
    nearer = replace(AGAINST, policy=replace(MatchPolicy(), radius=10))
    for against in (other, nearer):
        graded, (told,) = load([str(results)], against)
        assert grades(graded).keys() == {1, 2, 7}
        assert "2 items that matched nothing are not left out" in told


@pytest.mark.parametrize("more", [{"complete": False}, {"results": {"sha256": "0" * 64}}])
def test_nor_where_what_it_was_against_is_not_sure(results: Path, more):
    write_about(results, **more)
    assert grades(load([str(results)])[0]).keys() == {1, 2, 7}
    about_path(results).unlink()
    assert grades(load([str(results)])[0]).keys() == {1, 2, 7}


def test_an_earlier_scan_of_other_lists_that_found_nothing_grades_nothing(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(row(3, "no_match")) + "\n")
    with pytest.raises(BadInput, match="no digest of a graded file"):
        load([str(path)])


def test_a_hash_file_counts_by_its_digests_and_never_by_pdq(tmp_path: Path):
    path = tmp_path / "known.csv"
    path.write_text(f"pdq,sha256,class\n{'ab' * 32},{'cd' * 32},B2\n")
    graded, _ = load([str(path)])
    assert graded is not None
    assert graded.grade_of(digests("cd" * 32)) == Grade(file="known.csv", their_class="B2")
    assert graded.grade_of(digests("ab" * 32)) is None


def test_64_digits_of_no_name_may_be_sha256(tmp_path: Path):
    path = tmp_path / "lines.txt"
    path.write_text("cd" * 32 + "\n")
    graded, _ = load([str(path)])
    assert graded is not None
    assert graded.grade_of(digests("cd" * 32)) == Grade(file="lines.txt")


def test_of_two_files_the_first_counts(results: Path, tmp_path: Path):
    path = tmp_path / "known.csv"
    path.write_text(f"sha256,class\n{1:064x},B2\n")
    both, _ = load([str(path), str(results)])
    assert both is not None
    assert both.grade_of(digests(f"{1:064x}")) == Grade(file="known.csv", their_class="B2")


def test_no_files_are_nothing_graded():
    assert load([]) == (None, [])


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("nowhere.csv", None, BadPath),
        ("empty.txt", "# nothing\n", BadHashFile),
        ("pdq.csv", f"pdq\n{'ab' * 32}\n", BadInput),  # nothing to recognise a file by
        ("rows.jsonl", json.dumps(ROWS[4]) + "\n", BadInput),
        ("bad.jsonl", json.dumps(ROWS[0]) + "\nnonsense\n", CorruptFile),
    ],
)
def test_files_that_grade_nothing_are_refused(tmp_path: Path, name, text, error):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(error):
        load([str(tmp_path / name)])


def test_results_are_told_from_hash_files(results: Path, tmp_path: Path):
    hashed = tmp_path / "hashed.jsonl"
    hashed.write_text('{"path": "/a", "md5": "00"}\n')
    assert is_results_file(results)
    assert not is_results_file(hashed)
    assert not is_results_file(tmp_path)
