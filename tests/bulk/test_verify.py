"""Two results side by side: whatever differs is told, in whatever order it comes."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.bulk.verify import (
    compare_rows,
    differing_conditions,
    differing_fields,
    lists_in_common,
)
from safelight.errors import CorruptFile


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"path": name, "verdict": "no_match", "fully_checked": True, "matches": [], **more}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.fixture
def compare(tmp_path: Path):
    def run(first, second):
        return compare_rows(write(tmp_path / "1", first), write(tmp_path / "2", second))

    return run


def test_the_same_rows_are_identical(compare):
    rows = [row("/a"), row("/b", derivation=[{"name": "x"}]), row("/b")]
    found = compare(rows, rows)
    assert (found.same, found.identical) == (True, 3)


def test_rows_that_differ_are_missing_or_new_are_named(compare):
    first = [row("/a"), row("/b", pdq="1", times={"born": "1", "modified": "2"}), row("/c")]
    second = [row("/0"), row("/a"), row("/b", pdq="2", times={"born": "3", "modified": "2"})]
    found = compare(first, second)
    assert not found.same
    assert found.identical == 1
    ((_one, _other, fields),) = found.differing.first
    assert fields == ("pdq", "times.born")
    assert [one["path"] for one in found.missing.first] == ["/c"]
    assert [one["path"] for one in found.new.first] == ["/0"]


@pytest.mark.parametrize(
    ("mine", "theirs", "fields"),
    [
        ({"fully_checked": True}, {"fully_checked": 1}, ("fully_checked",)),
        ({"flags": [False]}, {"flags": [0]}, ("flags",)),
        ({"inside": {"items": 1}}, {"inside": {"items": 1.0}}, ("inside.items",)),
    ],
)
def test_what_is_equal_to_python_only_differs(compare, mine, theirs, fields):
    found = compare([row("/a", **mine)], [row("/a", **theirs)])
    assert (found.same, found.identical) == (False, 0)
    assert found.differing.first[0][2] == fields


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    first = write(tmp_path / "1", [row("/a")])
    forged = tmp_path / "2"
    text = first.read_text()
    forged.write_text(text.replace('"verdict"', '"verdict": "known", "verdict"'))
    with pytest.raises(CorruptFile, match="line 1 is not a result row"):
        compare_rows(forged, first)


def test_a_last_line_that_is_cut_off_is_refused(tmp_path):
    first = write(tmp_path / "1", [row("/a")])
    for rest in ("{", json.dumps(row("/b"))):
        cut = tmp_path / "2"
        cut.write_text(first.read_text() + rest)
        with pytest.raises(CorruptFile, match="the last line is cut off"):
            compare_rows(cut, first)


def test_members_of_one_name_are_compared_in_their_order(compare):
    inside = [{"kind": "archive_member", "name": "same"}]
    first = [row("/z", derivation=inside, sha256="1"), row("/z", derivation=inside, sha256="2")]
    assert compare(first, first).same
    assert compare(first, first[::-1]).differing.total == 2


def test_what_hangs_on_the_machine_or_the_copy_is_counted(compare):
    first = [row("/a"), row("/b", times={"changed": "1"})]
    second = [
        row("/a", code="timed_out", verdict="unreadable", fully_checked=False),
        row("/b", times={"changed": "2"}),
    ]
    found = compare(first, second)
    assert (found.differing.total, found.of_the_machine, found.only_times) == (2, 1, 1)


def similar(name: str, *matches: tuple[int, str, int], list_name: str = "lab") -> dict[str, Any]:
    told = [
        {"list": list_name, "entry": number, "algorithm": algorithm, "distance": distance}
        for number, algorithm, distance in matches
    ]
    reasons = [f"near_{one['algorithm']}: entry {one['entry']} of list lab" for one in told]
    return row(name, verdict="similar", matches=told, reasons=reasons)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ([(1, "md5", 0), (1, "pdq", 4)], [(7, "md5", 0), (7, "pdq", 4)], True),
        ([(1, "pdq", 4), (2, "pdq", 4)], [(9, "pdq", 4), (3, "pdq", 4)], True),
        # by both hashes the same entry is not two entries
        ([(1, "md5", 0), (1, "pdq", 4)], [(7, "md5", 0), (8, "pdq", 4)], False),
        ([(1, "pdq", 4)], [(1, "pdq", 5)], False),
        ([(1, "pdq", 4)], [(1, "pdq", 4), (2, "pdq", 4)], False),
    ],
)
def test_numbers_that_a_database_gives_are_no_difference(tmp_path, first, second, same):
    paths = [
        write(tmp_path / str(place), [similar("/a", *some)])
        for place, some in enumerate((first, second))
    ]
    comparison = compare_rows(*paths, ("lab",))
    assert comparison.same is same
    assert (comparison.identical, comparison.renumbered) == ((1, 1) if same else (0, 0))
    if first != second:
        assert not compare_rows(*paths).same  # unless the lists are the same


def test_numbers_of_a_list_that_is_not_the_same_are_a_difference(tmp_path):
    paths = [
        write(tmp_path / str(number), [similar("/a", (number, "pdq", 4), list_name="other")])
        for number in (1, 2)
    ]
    ((_first, _second, fields),) = compare_rows(*paths, ("lab",)).differing.first
    assert fields == ("matches",)


def test_rows_that_no_scan_wrote_are_compared_all_the_same(tmp_path):
    odd = [
        row("/a", verdict="known", matches=[1], reasons=[{}]),
        row("/b", verdict="known", matches={"list": 1}, reasons=None),
    ]
    paths = [write(tmp_path / "1", odd), write(tmp_path / "2", [row("/a"), row("/b")])]
    assert compare_rows(*paths, ("lab",)).differing.total == 2


def test_lists_are_the_same_by_name_and_digest_and_only_in_databases():
    def against(digest: str, *files: Any) -> dict[str, Any]:
        facts = [{"name": "lab", "digest": digest, "entries": 3, "change": 1}]
        return about(matched_against={"files": [*files], "facts": facts})

    assert lists_in_common(against("1"), against("1")) == ("lab",)
    assert lists_in_common(against("1"), against("2")) == ()
    file = {"path": "/x/lab", "sha256": "1"}
    assert lists_in_common(against("1", file), against("1", file)) == ()


names = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1)), max_size=12)


@given(names, names)
@settings(max_examples=60, deadline=None)
def test_counts_agree_with_a_plain_count(tmp_path_factory, first, second):
    folder = tmp_path_factory.mktemp("verify")
    mine = [row(name, pdq=str(number)) for name, number in first]
    theirs = [row(name, pdq=str(number)) for name, number in second]
    found = compare_rows(write(folder / "1", mine), write(folder / "2", theirs))
    left, right = Counter(n for n, _ in first), Counter(n for n, _ in second)
    assert found.missing.total == (left - right).total()
    assert found.new.total == (right - left).total()
    assert found.identical + found.differing.total == (left & right).total()


def test_a_long_shift_costs_little_and_is_found(compare):
    first = [row(f"/{number:05}") for number in range(3000)]
    found = compare(first, first[1:])
    assert (found.identical, found.missing.total, found.new.total) == (2999, 1, 0)


@pytest.mark.parametrize(
    ("one", "other", "fields"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {}, ["a"]),
        ({}, {"a": None}, []),  # a field that says nothing is none
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a.c"]),
        ({"a": [1]}, {"a": [2]}, ["a"]),
    ],
)
def test_fields(one, other, fields):
    assert list(differing_fields(one, other)) == fields


def about(**more: Any) -> dict[str, Any]:
    told = {
        "asked": {
            "roots": [{"path": "/m", "mount": {"options": "ro,noatime"}}],
            "policy": {"radius": 31},
            "depth": {"archives": False},
        },
        "settings": {"max_pixels": 1},
        "matched_against": {"fingerprint": "f", "entries": 1, "files": []},
        "environment": {"version": "1", "packages": {"pillow": "1"}},
        "left_out": [],
        "runs": [{}],
    }
    return told | more


def test_conditions_that_are_the_same_are_not_spoken_of():
    elsewhere = about(
        asked=about()["asked"]
        | {"roots": [{"path": "/m", "at": {"path": "/n"}, "mount": {"options": "ro"}}]}
    )
    assert list(differing_conditions(about(), elsewhere)) == []


def test_lists_of_the_database_are_named_one_by_one():
    def matched(fingerprint: str, *facts: tuple[str, str, int]) -> dict[str, Any]:
        told = [dict(zip(("name", "digest", "entries"), one, strict=True)) for one in facts]
        return {"fingerprint": fingerprint, "entries": 3, "files": [], "facts": told}

    first = about(
        matched_against=matched("f", ("same", "1", 1), ("grew", "2", 2), ("gone", "3", 3))
    )
    second = about(
        matched_against=matched("g", ("same", "1", 1), ("grew", "4", 5), ("new", "5", 6))
    )
    told = list(differing_conditions(first, second))
    assert [one.partition(":")[0] for one in told] == [
        *("the lists or hash files are not the same", "list grew", "list gone", "list new")
    ]
    assert told[2].endswith("not used now")


def test_conditions_that_differ_are_named_lists_first():
    file = {"path": "/x/known.csv", "sha256": "1"}
    first = about(matched_against={"fingerprint": "f", "entries": 1, "files": [file]})
    second = about(
        matched_against={"fingerprint": "g", "entries": 2, "files": [file | {"sha256": "2"}]},
        asked=about()["asked"] | {"roots": [{"path": "/m", "mount": {"options": "rw"}}]},
        settings={"max_pixels": 2},
        environment={"version": "1", "packages": {"pillow": "2"}},
        left_out=[file],
        runs=[{}, {"environment": {}}],
    )
    told = list(differing_conditions(first, second))
    assert [one.partition(":")[0] for one in told] == [
        "the lists or hash files are not the same",
        "hash file known.csv",
        "what is already graded and left out is not the same (--skip-known)",
        "asked",
        "setting",
        "version or machine",
        "the second result was gone on with under other versions than it was begun with",
    ]
    assert "pillow: 1 then, 2 now" in told[5]


def test_marks_of_floods_hang_on_the_day_and_not_on_the_file(compare):
    match = {"list": "a", "entry": 1, "distance": 4}
    plain = row("/a", verdict="similar", matches=[match], reasons=["near_pdq: 4 bits"])
    told = ["near_pdq: 4 bits", "flood: entry 1 of list a matched 300 times today"]
    marked = row("/a", verdict="similar", matches=[{**match, "flood": True}], reasons=told)
    for first, second in ((plain, marked), (marked, plain)):
        found = compare([first], [second])
        assert (found.same, found.identical, found.marked) == (True, 1, 1)
    other = row(
        "/a", verdict="similar", matches=[{**match, "flood": True, "distance": 6}], reasons=told
    )
    found = compare([plain], [other])
    assert (found.same, found.marked) == (False, 0)
