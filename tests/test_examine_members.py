"""Containers and videos through real children: every member is hashed as a file would be."""

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pictures import photo, saved
from videos import clip, scene

from safelight.examine import ExamineLimits, Examiner, make_pool, memory_file
from safelight.model import Container, Depth, FrameSampling, Item, NotChecked, VideoHashes
from safelight.settings import Settings
from safelight.unpack.rules import UnpackLimits

PNG = saved(photo().resize((90, 60)), "PNG")
JPEG = saved(photo().resize((120, 80)), "JPEG")
DEPTH = Depth(archives=True)


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    with make_pool(Settings(), children=1) as pool:
        yield Examiner(pool)


def walked(examiner: Examiner, data: bytes, depth: Depth = DEPTH) -> list[Item]:
    fd = memory_file(data)
    try:
        return list(examiner.walk(fd, depth))
    finally:
        os.close(fd)


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def names(item: Item) -> list[str]:
    return [member.name.decode() for member in item.members]


def test_a_member_is_hashed_as_the_file_would_be(examiner: Examiner) -> None:
    data = zipped({"a/1.png": PNG, "2.jpg": JPEG, "3.txt": b"words\n"})
    items = walked(examiner, data)
    assert [names(item) for item in items] == [["a/1.png"], ["2.jpg"], ["3.txt"], []]
    for item, alone in zip(items, (PNG, JPEG, b"words\n"), strict=False):
        assert [item.examined] == [one.examined for one in walked(examiner, alone)]
    last = items[-1].examined
    assert isinstance(last, Container)
    assert (last.kind, last.format, last.members, last.flags) == ("archive", "zip", 3, ())
    (whole,) = walked(examiner, data, Depth())  # its digests are those of the file itself
    assert last.digests == whole.examined.digests


def test_containers_in_containers(examiner: Examiner) -> None:
    data = tarred({"in.zip": zipped({"p.png": PNG}), "q.jpg": JPEG}, "w:gz")
    assert [names(item) for item in walked(examiner, data)] == [
        ["content", "in.zip", "p.png"],
        ["content", "in.zip"],
        ["content", "q.jpg"],
        ["content"],
        [],
    ]


def test_a_video_in_an_archive_has_its_frames(examiner: Examiner, tmp_path: Path) -> None:
    video = clip(scene(1, 25))
    alone = walked(examiner, video)[-1].examined
    inside, _archive = walked(examiner, zipped({"v.mp4": video}))
    assert isinstance(alone, VideoHashes)
    assert inside.examined == alone
    assert len(alone.frames) >= 2
    key = walked(examiner, video, Depth(video=FrameSampling.KEY_FRAMES))[-1].examined
    assert isinstance(key, VideoHashes)
    assert "key_frames_only" in key.flags
    none = walked(examiner, video, Depth(video=FrameSampling.NONE))[-1].examined
    assert isinstance(none, NotChecked)
    assert (none.code, none.digests) == ("video_not_asked", alone.digests)


def test_limits_reach_the_child(tmp_path: Path) -> None:
    limits = ExamineLimits(unpack=UnpackLimits(max_members=2, max_depth=1))
    with make_pool(Settings(), children=1) as pool:
        examiner = Examiner(pool, limits)
        items = walked(examiner, zipped({"1": b"1", "2": b"2", "3": b"3"}))
        last = items[-1].examined
        assert isinstance(last, Container)
        assert (len(items), last.members, last.flags) == (3, 2, ("too_many_members",))
        inner = walked(examiner, zipped({"in.zip": zipped({"1": b"1"})}))[0].examined
        assert isinstance(inner, NotChecked)
        assert (inner.code, inner.format) == ("too_deep", "zip")
        assert inner.digests is not None
