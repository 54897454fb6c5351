"""The walk through one file over as many children as its members cost."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight import examine
from safelight.examine import MOST_CRASHES, ExamineLimits, Examiner, memory_file
from safelight.examine_answers import (
    LONGEST_NAME,
    pack_frame,
    pack_member,
    parse_answer,
    parse_frames,
    parse_members,
)
from safelight.model import (
    Container,
    Depth,
    FrameHashes,
    FrameSampling,
    Item,
    Member,
    NotChecked,
    VideoHashes,
)
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildFailed, ChildPool
from safelight.unpack.rules import UnpackLimits

DEPTH = Depth(archives=True)


@pytest.fixture(scope="module")
def hostile() -> Iterator[Examiner]:
    """An examiner whose children do what the file says."""
    limits = Limits(memory_mb=1024, wall_seconds=5.0)
    here = [str(Path(__file__).parent)]
    with ChildPool("examine_attacks:work", children=1, limits=limits, search_path=here) as pool:
        yield Examiner(pool)


def walked(examiner: Examiner, *acts: str, depth: Depth = DEPTH) -> list[Item]:
    fd = memory_file(b"walk\n" + " ".join(acts).encode())
    try:
        return list(examiner.walk(fd, depth))
    finally:
        os.close(fd)


def told(items: list[Item]) -> list[tuple[str, str, bool]]:
    """Name, code and whether there are digests, of every item."""
    out = []
    for item in items:
        name = "/".join(member.name.decode() for member in item.members)
        code = getattr(item.examined, "code", "container")
        out.append((name, code, item.examined.digests is not None))
    return out


def test_members_come_before_their_container(hostile: Examiner) -> None:
    items = walked(hostile, "a", "b")
    assert told(items) == [
        ("a", "not_a_picture", True),
        ("b", "not_a_picture", True),
        ("", "container", True),
    ]
    assert isinstance(items[-1].examined, Container)
    assert items[-1].examined.members == 2


def test_a_member_that_ends_the_child_is_digested_and_passed(hostile: Examiner) -> None:
    assert told(walked(hostile, "a", "crash", "b", "always-crash", "lie", "c")) == [
        ("a", "not_a_picture", True),
        ("crash", "crashed", True),
        ("b", "not_a_picture", True),
        ("always-crash", "crashed", False),
        ("lie", "crashed", True),
        ("c", "not_a_picture", True),
        ("", "container", True),
    ]


def test_a_member_does_not_come_twice(hostile: Examiner) -> None:
    assert told(walked(hostile, "a", "back", "b")) == [
        ("a", "not_a_picture", True),
        ("back", "crashed", True),
        ("b", "not_a_picture", True),
        ("", "container", True),
    ]


@pytest.mark.parametrize(
    ("act", "code"),
    [
        # signs of life are believed for as long as the bytes last
        ("alive", "timed_out"),
        # more frames than any video has, and parts without any
        ("frames", "crashed"),
        ("no frames", "crashed"),
    ],
)
def test_a_child_that_talks_for_ever_is_ended(
    hostile: Examiner, monkeypatch: pytest.MonkeyPatch, act: str, code: str
) -> None:
    monkeypatch.setattr(examine, "MOST_VIDEO_FRAMES", 1000)
    fd = memory_file(f"{act}\n".encode())
    try:
        result = hostile.examine(fd)
    finally:
        os.close(fd)
    assert isinstance(result, NotChecked)
    assert (result.code, result.digests) == (code, None)


def test_a_member_whose_child_talks_for_ever_is_passed() -> None:
    limits = ExamineLimits(unpack=UnpackLimits(max_total_bytes=1 << 30))
    here = [str(Path(__file__).parent)]
    with ChildPool("examine_attacks:work", children=1, search_path=here) as pool:
        items = walked(Examiner(pool, limits), "alive", "a", "begin")
    assert told(items) == [
        ("alive", "timed_out", True),
        ("a", "not_a_picture", True),
        ("begin", "crashed", True),
        ("", "container", True),
    ]


def test_a_crash_outside_of_any_member_is_the_file_s(hostile: Examiner) -> None:
    items = walked(hostile, "a", "crash-unannounced", "b")
    assert told(items) == [("a", "not_a_picture", True), ("", "crashed", True)]


def test_a_file_made_to_end_children_is_given_up(hostile: Examiner) -> None:
    items = walked(hostile, *["always-crash"] * (MOST_CRASHES + 5))
    assert told(items)[-1] == ("", "crashed", True)
    assert {code for _, code, _ in told(items)} == {"crashed"}
    assert len(items) == MOST_CRASHES // 2 + 1  # each takes two children


def test_a_container_is_one_item_unless_its_members_are_asked_for(hostile: Examiner) -> None:
    assert told(walked(hostile, "a", depth=Depth())) == [("", "not_a_picture", True)]


FRAME = FrameHashes(number=3, quality=77, dihedral=tuple(f"{n:064x}" for n in range(8)), time=1.25)


def test_a_frame_survives_the_socket() -> None:
    assert parse_frames([pack_frame(FRAME)]) == [FRAME]


@given(st.binary(max_size=2 * LONGEST_NAME), st.sampled_from(["", "2026-01-02 03:04:05", "\0"]))
def test_a_member_survives_the_socket(name: bytes, modified: str) -> None:
    member = Member(name=name, kind="archive_member", modified=modified)
    told = "" if modified == "\0" else modified
    assert parse_members([pack_member(member)]) == (
        Member(name=name[:LONGEST_NAME], kind="archive_member", modified=told),
    )


def video_answer() -> dict[str, Any]:
    digests = {"md5": "0" * 32, "sha1": "0" * 40, "sha256": "0" * 64, "size": 1}
    video = {
        "format": "mp4",
        "width": 8,
        "height": 6,
        "duration": 2.0,
        "frames": 1,
        "flags": ["damaged"],
    }
    return {"digests": digests, "kind": "video", "format": "mp4", "video": video}


def test_a_video_is_put_together() -> None:
    result = parse_answer(video_answer(), Depth(video=FrameSampling.KEY_FRAMES), [FRAME])
    assert isinstance(result, VideoHashes)
    assert (result.frames, result.duration, result.sampling) == ((FRAME,), 2.0, "key_frames")
    assert result.flags == ("damaged",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(["format", "width", "duration", "frames", "flags"]), JSON)
def test_whatever_a_child_says_of_a_video_is_an_answer_or_a_failure(key: str, value: Any) -> None:
    answer = video_answer()
    answer["video"][key] = value
    try:
        result = parse_answer(answer, Depth(), [FRAME])
    except ChildFailed:
        return
    assert isinstance(result, VideoHashes | NotChecked)


@given(JSON)
def test_frames_and_members_of_any_shape_are_refused(value: Any) -> None:
    for parse in (parse_frames, parse_members):
        try:
            parsed = parse([value])
        except ChildFailed:
            continue
        assert parsed == ()
