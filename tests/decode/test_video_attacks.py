"""Videos made to do harm: references to other files and addresses, broken bytes, huge claims."""

import os
import random
import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

av = pytest.importorskip("av")

from hypothesis import given  # noqa: E402  after the check that PyAV is there
from hypothesis import strategies as st  # noqa: E402
from videos import clip, opened, scene, with_sound_and_titles  # noqa: E402

from safelight.decode import video_av  # noqa: E402
from safelight.decode.video_ends import announced_end, holds_another  # noqa: E402
from safelight.decode.video_rules import Clock, RegularPicker, VideoLimits  # noqa: E402
from safelight.errors import CouldNotCheck  # noqa: E402
from safelight.examine import memory_file  # noqa: E402
from safelight.model import FrameSampling  # noqa: E402
from safelight.sandbox.limits import Limits  # noqa: E402
from safelight.sandbox.pool import ChildPool  # noqa: E402
from safelight.source import Source  # noqa: E402


class Listener:
    """Counts who connects to a port of this machine."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.visits = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def with_reference(target: bytes) -> bytes:
    """An MP4 whose samples are said to lie at another address."""
    data = clip(scene(1, 10))
    at = data.index(b"url \0\0\0\x01") - 4
    longer = len(target) + 1
    box = (12 + longer).to_bytes(4, "big") + b"url \0\0\0\0" + target + b"\0"
    out = bytearray(data[:at] + box + data[at + 12 :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = out.rindex(name, 0, at + 1) - 4
        size = int.from_bytes(out[start : start + 4], "big") + longer
        out[start : start + 4] = size.to_bytes(4, "big")
    return bytes(out)


def referring_files(listener: Listener, other: Path) -> dict[str, bytes]:
    url = listener.url
    return {
        "m3u8": f"#EXTM3U\n#EXTINF:9,\n{url}/a.ts\n#EXT-X-ENDLIST\n".encode(),
        "m3u8 to a file": f"#EXTM3U\n#EXTINF:9,\nfile://{other}\n#EXT-X-ENDLIST\n".encode(),
        "concat": f"ffconcat version 1.0\nfile {url}/a.mp4\n".encode(),
        "concat to a file": f"ffconcat version 1.0\nfile {other}\n".encode(),
        "dash": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
            f"<Period><BaseURL>{url}/</BaseURL></Period></MPD>"
        ).encode(),
        "sdp": b"v=0\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "asx": f'<asx version="3.0"><entry><ref href="{url}/a.wmv"/></entry></asx>'.encode(),
        "mov reference": with_reference(f"{url}/a.mp4".encode()),
        "mov file reference": with_reference(f"file://{other}".encode()),
    }


def test_no_file_has_another_one_opened(listener: Listener, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(clip(scene(1, 10)))
    before = other.stat().st_atime_ns
    for name, data in referring_files(listener, other).items():
        fd = memory_file(data)
        try:
            container = video_av.open_container(Source(fd), VideoLimits())
            frames = list(container.decode(video=0))
        except Exception:  # noqa: BLE001  that is what should happen to most
            frames = []
        finally:
            os.close(fd)
        if not name.startswith("mov"):
            assert frames == [], name
    assert listener.visits == 0
    assert other.stat().st_atime_ns == before


def test_a_reference_in_a_video_is_not_followed(listener: Listener) -> None:
    # the samples are there as well, and FFmpeg takes them from the file itself
    _, frames = opened(with_reference(f"{listener.url}/a.mp4".encode()))
    assert [frame.number for frame in frames] == [0]
    assert listener.visits == 0


# ---- broken bytes ----

CONTAINERS = ("mp4", "matroska", "avi", "mpegts", "flv", "asf")


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    codecs = {"mpegts": "mpeg2video", "flv": "flv", "asf": "wmv2"}
    return {
        name: clip(scene(1, 25, 64, 48), container=name, codec=codecs.get(name, "libx264"), rate=25)
        for name in CONTAINERS
    }


@pytest.mark.parametrize("sampling", [FrameSampling.SECOND, FrameSampling.KEY_FRAMES])
@pytest.mark.parametrize("name", CONTAINERS)
def test_broken_files_are_hashed_in_part_or_refused(
    name: str, sampling: FrameSampling, whole: dict[str, bytes]
) -> None:
    chance = random.Random(f"{name} {sampling}")
    for _ in range(40):
        data = bytearray(whole[name])
        for _ in range(chance.choice((1, 5, 50))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        try:
            _, frames = opened(bytes(data), sampling)
        except CouldNotCheck:
            continue
        times = [frame.time for frame in frames]
        assert times == sorted(times, key=lambda time: time or 0.0)
        numbers = [frame.number for frame in frames]
        assert numbers == sorted(set(numbers))


HEADS = {
    "mp4": b"\0\0\0\x14ftypisom",
    "matroska": b"\x1aE\xdf\xa3",
    "avi": b"RIFF",
    "asf": b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel",
    "flv": b"FLV\x01",
    "ogg": b"OggS",
    "mpeg": b"\0\0\1\xba",
    "mpegts": b"G",
}


@given(st.binary(max_size=200), st.sampled_from(sorted(HEADS)))
def test_where_any_bytes_end_is_found_or_not(tail: bytes, name: str) -> None:
    fd = memory_file(HEADS[name] + tail)
    try:
        end = announced_end(Source(fd), name)
        assert holds_another(Source(fd), name) in (True, False)
    finally:
        os.close(fd)
    assert end is None or end >= 0


@given(st.lists(st.none() | st.floats(allow_nan=False, min_value=-1e12, max_value=1e12)))
def test_no_time_stamps_make_time_run_backwards(stamps: list[float | None]) -> None:
    clock = Clock(25.0)
    times = [clock.tell(stamp) for stamp in stamps]
    assert times == sorted(times)
    assert all(0 <= time <= 2_000_000 for time in times)


@given(st.floats(min_value=0.001, max_value=1e6), st.integers(1, 200))
def test_no_stretch_of_frames_goes_unseen(rate: float, real: int) -> None:
    """Whatever rate the file claims: of frames that come `real` a second, none is far from one."""
    picker, taken, waiting = RegularPicker(rate), [0.0], None
    for number in range(5 * real):
        time = number / real
        if waiting is not None and picker.is_overdue(time):
            picker.took(waiting)
            taken.append(waiting)
        waiting = time
        if picker.takes(number):
            picker.took(time)
            taken.append(time)
            waiting = None
    gaps = [later - earlier for earlier, later in pairwise(taken)]
    assert max(gaps, default=0) <= 1.5 + 1 / real


def test_a_file_too_large_to_be_read_at_once_is_read_where_it_is_needed() -> None:
    data = clip(scene(1, 25))
    padding = 40 << 20
    found, frames = opened(data + padding.to_bytes(4, "big") + b"free" + bytes(padding - 8))
    assert found.flags == set()
    assert [frame.pdq for frame in frames] == [frame.pdq for frame in opened(data)[1]]


# ---- in a child that may do nothing ----


@pytest.fixture(scope="module")
def pool() -> Iterator[ChildPool]:
    limits = Limits(memory_mb=256, cpu_seconds=20, wall_seconds=30.0)
    here = str(Path(__file__).parent)
    with ChildPool("video_work:work", children=1, limits=limits, search_path=[here]) as pool:
        yield pool


def asked(pool: ChildPool, data: bytes, **request: Any) -> tuple[list[dict[str, Any]], Any]:
    fd = memory_file(data)
    parts, answers = [], pool.stream(fd, request)
    try:
        while True:
            parts.append(next(answers))
    except StopIteration as stop:
        return parts, stop.value
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "libx264"),
        ("mp4", "libx265"),
        ("mp4", "libsvtav1"),
        ("webm", "libvpx-vp9"),
        ("avi", "mpeg4"),
        ("mpegts", "mpeg2video"),
        ("asf", "wmv2"),
    ],
)
def test_a_locked_down_child_decodes(pool: ChildPool, container: str, codec: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    data = clip(scene(1, 75), container=container, codec=codec, rate=25, options=options)
    parts, last = asked(pool, data, sampling="second")
    _, frames = opened(data)
    assert [(part["number"], part["pdq"]) for part in parts] == [
        (frame.number, frame.pdq) for frame in frames
    ]
    assert last == {"flags": []}


def test_a_locked_down_child_passes_over_other_streams(pool: ChildPool) -> None:
    parts, last = asked(pool, with_sound_and_titles(), sampling="second")
    assert [part["number"] for part in parts] == [0, 10]
    assert last == {"flags": []}


def test_a_locked_down_child_opens_no_playlist(
    pool: ChildPool, listener: Listener, tmp_path: Path
) -> None:
    for name, data in referring_files(listener, tmp_path / "other").items():
        if not name.startswith("mov"):
            _, last = asked(pool, data, unsniffed=True)
            assert last == {"opened": False}, name
    assert listener.visits == 0
