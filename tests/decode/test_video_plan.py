"""Frames left out of decoding: what is hashed is the same, bit for bit, as without."""

import os
from fractions import Fraction
from itertools import chain

import pytest

pytest.importorskip("av")

from videos import clip, opened, scene, still

from safelight.decode import video_av, video_plan
from safelight.decode.video_rules import RegularPicker, VideoLimits
from safelight.examine import memory_file
from safelight.source import Source

B_FRAMES = "bframes=4:b-pyramid=normal:keyint=40"


def movie(container: str = "mp4", params: str = B_FRAMES, times: list[int] | None = None) -> bytes:
    frames = chain(scene(1, 250, 64, 48), still(5, 150, 64, 48), scene(2, 250, 64, 48))
    return clip(
        frames,
        container=container,
        rate=Fraction(30000, 1001),
        times=times,
        options={"x264-params": params, "preset": "veryfast"},
    )


def plan_of(data: bytes) -> video_plan.Plan | None:
    fd = memory_file(data)
    try:
        return video_plan.find_plan(
            lambda: video_av.open_container(Source(fd), VideoLimits()),
            lambda container: container.streams.video[0],
            RegularPicker(30000 / 1001),
            30000 / 1001,
        )
    finally:
        os.close(fd)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
@pytest.mark.parametrize(
    "params",
    [
        B_FRAMES,
        "bframes=0",
        "bframes=8:b-pyramid=strict:open-gop=1:keyint=25:ref=5",
        "bframes=3:direct=temporal:weightp=2:slices=3",
    ],
)
def test_what_is_hashed_is_the_same(
    container: str, params: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = movie(container, params)
    assert plan_of(data) is not None
    planned, frames = opened(data)
    monkeypatch.setattr(video_plan, "_LEAST_PACKETS", 1_000)
    whole, every = opened(data)
    assert frames == every
    assert (planned.flags, planned.duration) == (whole.flags, whole.duration)


def test_what_is_hashed_is_the_same_where_frames_come_irregularly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times, at = [], 0
    for number in range(650):
        times.append(at)
        at += 100 if number % 90 == 0 else 1 + number % 3
    data = movie(times=times)
    assert plan_of(data) is not None
    frames = opened(data)[1]
    monkeypatch.setattr(video_plan, "_LEAST_PACKETS", 1_000)
    assert frames == opened(data)[1]


def test_fewer_frames_are_decoded() -> None:
    data = movie()
    plan = plan_of(data)
    assert plan is not None
    assert sorted(frame.number for frame in plan.shown.values()) == list(range(0, 650, 29))


@pytest.mark.parametrize(
    "data",
    [
        # fields have time stamps of their own
        movie(params="interlaced=1"),
        # two in a row: the time stamps begin anew
        movie("mpegts") * 2,
        # so few that it is not worth the while
        clip(scene(1, 100, 96, 72)),
    ],
)
def test_whatever_is_out_of_the_ordinary_is_decoded_frame_by_frame(data: bytes) -> None:
    assert plan_of(data) is None
    assert opened(data)[1]


def test_a_frame_of_the_plan_that_does_not_come_out_is_said() -> None:
    data = bytearray(movie(params="bframes=0:keyint=250"))
    start, end = data.index(b"mdat") + 4, data.rindex(b"moov") - 4
    for at in range((start + end) // 2, end, 20):
        data[at] ^= 0xFF
    assert "damaged" in opened(bytes(data))[0].flags
