"""Counts over rows, and the first of them that people must see."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results import about, known, match, row, similar, unchecked, write

from safelight.errors import CorruptFile
from safelight.report.gather import gather


def test_everything_is_counted_once(tmp_path: Path):
    both = row(
        b"/m/sub/b.png",
        "known",
        match(algorithm="md5", distance=0, **{"class": "A1"}),
        match(list="partner", distance=9, **{"class": "B"}),
    )
    skipped = row(
        b"/m/g.png", "skipped", match(), skipped="already_graded",
        earlier={"file": "old.jsonl", "verdict": "known"},
    )  # fmt: skip
    in_part = row(b"/m/p.png", fully_checked=False, flags=["truncated"])
    rows = [known(), both, similar(distance=30), unchecked(), skipped, in_part, row(observed=[1])]
    found = gather(write(tmp_path, *rows), about())
    assert (found.tally.found, found.tally.unchecked, found.tally.skipped) == (3, 2, 1)
    assert dict(found.lists) == {
        ("hotline", "known"): 2,
        ("hotline", "similar"): 1,
        ("partner", "known"): 1,
    }
    assert dict(found.classes) == {("hotline", "A1"): 2, ("partner", "B"): 1, ("hotline", ""): 1}
    assert dict(found.algorithms) == {"sha256": 1, "md5": 1, "pdq": 1}
    assert dict(found.distances) == {16: 1, 31: 1}
    assert dict(found.folders) == {b"/m": 2, b"/m/sub": 1}
    assert dict(found.skipped) == {("old.jsonl", "known"): 1}
    assert (found.skipped_on_lists, found.observed) == (1, 1)


def test_known_comes_first_then_the_nearest(tmp_path: Path):
    equal = row(b"/m/pdq.png", "known", match(distance=0))
    rows = [similar(b"/m/1", 20), similar(b"/m/2", 4), equal, known(), similar(b"/m/3", 4)]
    found = gather(write(tmp_path, *rows), about())
    assert [one["path"] for one in found.found] == [
        "/m/k.png",
        "/m/pdq.png",
        "/m/2",
        "/m/3",
        "/m/1",
    ]


def test_what_is_not_shown_is_counted(tmp_path: Path):
    rows = [similar(b"/m/%d" % n, 1 + n) for n in range(9)]
    rows += [unchecked(b"/m/u%d" % n, "empty") for n in range(4)]
    found = gather(write(tmp_path, *rows), about(), most=3)
    assert [one["path"] for one in found.found] == ["/m/0", "/m/1", "/m/2"]
    assert (found.found_left_away, len(found.unchecked), found.unchecked_left_away) == (6, 3, 1)


@given(st.lists(st.integers(1, 31), max_size=30), st.integers(1, 10))
@settings(max_examples=40, deadline=None)
def test_the_first_are_those_that_sorting_gives(tmp_path_factory, distances, most):
    rows = [similar(b"/m/%03d" % n, distance) for n, distance in enumerate(distances)]
    found = gather(write(tmp_path_factory.mktemp("g"), *rows), about(), most=most)
    expected = sorted(rows, key=lambda one: one["matches"][0]["distance"])[:most]
    assert found.found == expected


@pytest.mark.parametrize(
    "broken",
    [
        {"matches": [{"list": 1}]},
        {"matches": [7]},
        {"kind": None, "matches": [{}]},
        {"matches": [match(distance=99)]},
    ],
)
def test_rows_of_no_scan_are_refused(tmp_path: Path, broken):
    with pytest.raises(CorruptFile):
        gather(write(tmp_path, {**similar(), **broken}), about())
