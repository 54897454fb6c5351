"""Result rows: the documented fields, paths of any bytes, and the exit code they add up to."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.bulk.rows import (
    Tally,
    exhibit_fields,
    hash_row,
    is_member,
    is_skipped,
    is_unchecked,
    path_fields,
    path_of,
    scan_row,
)
from safelight.bulk.stamp import Stamp
from safelight.files import to_line
from safelight.matching.graded import left_out
from safelight.matching.rules import Hit, MatchPolicy, Standing, judge
from safelight.model import (
    Algorithm,
    Container,
    Digests,
    FrameHashes,
    FrameSampling,
    Grade,
    HashMode,
    ImageHashes,
    Item,
    Match,
    Member,
    NotChecked,
    Skipped,
    VideoHashes,
)
from safelight.report.gather import is_found, why_not_checked
from safelight.report.words import code_meaning

DIGESTS = Digests(md5="1" * 32, sha1="2" * 40, sha256="3" * 64, size=9)
FRAME = FrameHashes(number=0, quality=88, dihedral=tuple(f"{n:064x}" for n in range(8)))
PICTURE = ImageHashes(
    digests=DIGESTS,
    format="png",
    width=30,
    height=20,
    mode=HashMode.EXACT,
    frames=(FRAME,),
)
UNREAD = NotChecked(code="empty", message="The file is empty.")
POLICY = MatchPolicy(radius=31, min_quality=50)
NEAR = Hit(
    match=Match(
        list_name="demo",
        entry=7,
        algorithm=Algorithm.PDQ,
        distance=6,
        orientation="rot90",
    )
)


def test_the_row_of_a_similar_picture():
    assert scan_row(b"/a.png", judge(PICTURE, [NEAR], POLICY)) == {
        "path": "/a.png",
        "md5": "1" * 32,
        "sha1": "2" * 40,
        "sha256": "3" * 64,
        "kind": "image",
        "format": "png",
        "verdict": "similar",
        "fully_checked": True,
        "reasons": ["near_pdq: 6 of 256 bits from entry 7 of list demo, turned by 90° (radius 31)"],
        "matches": [
            {
                "list": "demo",
                "entry": 7,
                "class": "",
                "algorithm": "pdq",
                "distance": 6,
                "orientation": "rot90",
                "frame": 0,
            }
        ],
        "pdq": f"{0:064x}",
        "pdq_quality": 88,
        "mode": "exact",
        "flags": [],
    }


def test_the_row_of_a_file_that_was_not_checked():
    assert scan_row(b"/a.png", judge(UNREAD, [], POLICY)) == {
        "path": "/a.png",
        "md5": None,
        "sha1": None,
        "sha256": None,
        "kind": "other",
        "format": "unknown",
        "verdict": "unreadable",
        "fully_checked": False,
        "reasons": ["empty: The file is empty."],
        "matches": [],
        "pdq": None,
        "pdq_quality": None,
        "code": "empty",
    }


def test_what_is_told_from_elsewhere_stands_last():
    plain = scan_row(b"/a.png", judge(UNREAD, [], POLICY))
    row = scan_row(b"/a.png", judge(UNREAD, [], POLICY), more={"exhibit": "A/7", "size": 0})
    assert list(row.items()) == [*plain.items(), ("exhibit", "A/7"), ("size", 0)]


def test_the_row_of_a_hashed_picture():
    assert hash_row(b"/a.png", Item(examined=PICTURE)) == {
        "path": "/a.png",
        "md5": "1" * 32,
        "sha1": "2" * 40,
        "sha256": "3" * 64,
        "kind": "image",
        "format": "png",
        "width": 30,
        "height": 20,
        "pdq": f"{0:064x}",
        "pdq_quality": 88,
        "dihedral": [f"{n:064x}" for n in range(8)],
        "mode": "exact",
        "flags": [],
    }


def test_the_row_of_a_file_that_could_not_be_hashed_has_the_same_fields_and_an_error():
    row = hash_row(b"/a.png", Item(examined=UNREAD))
    assert row.pop("error") == {"code": "empty", "message": "The file is empty."}
    assert {name for name, value in row.items() if value is None} == {
        *("md5", "sha1", "sha256", "width", "height", "pdq", "pdq_quality", "dihedral")
    }


def test_the_row_of_a_member_says_where_it_lies():
    members = (
        Member(name=b"in\xffner.zip", kind="archive_member", modified="2026-01-02T03:04:06"),
        Member(name=b"a.png", kind="archive_member"),
    )
    row = scan_row(b"/a.zip", judge(PICTURE, [], POLICY), members)
    assert (row["path"], is_member(row)) == ("/a.zip", True)
    assert row["derivation"] == [
        {
            "kind": "archive_member",
            "name": "in\ufffdner.zip",
            "name_b64": "aW7/bmVyLnppcA==",
            "modified": "2026-01-02T03:04:06",
        },
        {"kind": "archive_member", "name": "a.png"},
    ]


def test_the_rows_of_a_video_and_of_a_container():
    frame = FrameHashes(number=30, quality=88, dihedral=FRAME.dihedral, time=1.0)
    video = VideoHashes(
        digests=DIGESTS,
        format="mp4",
        width=30,
        height=20,
        duration=2.5,
        sampling=FrameSampling.SECOND,
        frames=(frame,),
    )
    container = Container(digests=DIGESTS, kind="archive", format="zip", members=3)
    row = hash_row(b"/v", Item(examined=video))
    assert (row["frames"], row["duration"], row["video"]) == ([frame.to_json()], 2.5, "second")
    assert (row["width"], row["height"], row["pdq"]) == (30, 20, None)
    row = hash_row(b"/z", Item(examined=container))
    assert (row["members"], row["flags"], row["sha256"]) == (3, [], "3" * 64)


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_any_path_survives_a_line_of_json(path: bytes):
    line = to_line(path_fields(path))
    assert line.count("\n") == 1
    assert path_of(json.loads(line.encode("utf-8"))) == path


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([], 0),
        # nothing found and everything checked
        ([judge(PICTURE, [], POLICY)], 0),
        # something found, whatever else was not checked
        ([judge(PICTURE, [NEAR], POLICY), judge(UNREAD, [], POLICY)], 1),
        # nothing found, but not everything checked: unknown is not clean
        ([judge(PICTURE, [], POLICY), judge(UNREAD, [], POLICY)], 2),
    ],
)
def test_exit_codes(answers, code):
    tally = Tally()
    for answer in answers:
        tally.add(scan_row(b"/x", answer))
    assert tally.exit_code == code
    assert tally.files == len(answers)


def test_a_video_of_which_nothing_was_compared_is_not_checked_everywhere():
    dark = FrameHashes(number=0, quality=3, dihedral=FRAME.dihedral, time=0.0)
    video = VideoHashes(
        digests=DIGESTS,
        format="mp4",
        width=30,
        height=20,
        duration=2.5,
        sampling=FrameSampling.SECOND,
        frames=(dark,),
        flags=("truncated",),
    )
    row = scan_row(b"/v", judge(video, [], POLICY))
    assert (row["verdict"], row["fully_checked"]) == ("no_match", False)
    assert row["flags"] == ["truncated", "nothing_compared"]
    assert [reason.partition(":")[0] for reason in row["reasons"]] == row["flags"]
    assert is_unchecked(row)
    assert not is_found(row)
    assert code_meaning(why_not_checked(row)).endswith("so none was compared.")
    tally = Tally()
    tally.add(row)
    assert (tally.exit_code, tally.partly_checked) == (2, 1)
    assert tally.in_part == {"truncated": 1, "nothing_compared": 1}


GRADED = Skipped(
    digests=DIGESTS, kind="image", format="png", grade=Grade(file="a.jsonl", verdict="known")
)


def test_the_row_of_what_was_left_out():
    row = scan_row(b"/a.png", left_out(GRADED, [], POLICY))
    assert (row["verdict"], row["fully_checked"]) == ("skipped", False)
    assert (row["skipped"], row["earlier"]) == (
        "already_graded",
        {"file": "a.jsonl", "verdict": "known"},
    )
    assert is_skipped(row)
    assert not is_skipped(scan_row(b"/a.png", judge(PICTURE, [], POLICY)))


def test_what_was_left_out_is_neither_found_nor_not_checked():
    tally = Tally()
    tally.add(scan_row(b"/a.png", left_out(GRADED, [NEAR], POLICY)))
    assert (tally.skipped, tally.found, tally.unchecked, tally.exit_code) == (1, 0, 0, 0)
    assert tally.to_json()["skipped"] == 1


def test_what_an_exhibit_adds_to_a_row():
    answer = judge(PICTURE, [], POLICY)
    stamp = Stamp(size=9, modified="m", changed="c", born="b")
    assert exhibit_fields("E/1", answer, stamp) == {
        "exhibit": "E/1",
        "size": 9,
        "times": {"modified": "m", "changed": "c", "born": "b"},
    }
    # of what is inside a file the size is that of its bytes; its time stands in the derivation
    assert exhibit_fields("E/1", answer, None)["size"] == 9
    assert exhibit_fields("E/1", judge(UNREAD, [], POLICY), None) == {
        "exhibit": "E/1",
        "size": None,
    }


def test_items_with_suppressed_matches_are_counted():
    row = {**scan_row(b"a", judge(PICTURE, [], POLICY)), "suppressed": [{}]}
    tally, more = Tally(), Tally()
    tally.add(row)
    more.add(row)
    more.absorb(tally)
    assert (more.suppressed, more.to_json()["suppressed"], more.exit_code) == (2, 2, 0)


def test_items_on_observed_lists_are_counted_apart():
    answer = judge(PICTURE, [replace(NEAR, standing=Standing.OBSERVED)], POLICY)
    seen, plain = scan_row(b"a", answer), scan_row(b"b", judge(PICTURE, [], POLICY))
    tally, more = Tally(), Tally()
    tally.add(seen)
    tally.add(plain)
    more.add(seen)
    more.absorb(tally)
    assert (more.observed, more.to_json()["observed"], more.found, more.exit_code) == (2, 2, 0, 0)
