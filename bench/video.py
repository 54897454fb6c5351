"""How fast videos are hashed, how near to vpdq, and in how much memory.

    python bench/video.py                    all parts
    python bench/video.py speed keys memory  only these

`speed`: 1080p H.264 against the package `vpdq`, in one process, by processor time: every frame
hashed, and one a second; and the distance of all hashes. `vpdq` has to be built (Debian:
libavcodec-dev libavdevice-dev libavfilter-dev libavformat-dev libswresample-dev libswscale-dev).
`keys`: key frames for triage, in times real time. `memory`: over ten minutes and over two hours.

The videos are scikit-image's photographs, panned and zoomed; the long ones repeat a short one.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import av
from av.video.frame import VideoFrame
from PIL import Image
from skimage import data

from safelight.decode import video_av
from safelight.decode.video_rules import VideoLimits
from safelight.hashing.perceptual import hash_pixels
from safelight.model import FrameSampling
from safelight.source import Source

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
PARTS = ("speed", "keys", "memory")


def frames(size: tuple[int, int], count: int) -> Iterator[VideoFrame]:
    """The photographs, one after the other, each panned and zoomed."""
    each = count // len(PHOTOGRAPHS)
    for name in PHOTOGRAPHS:
        photo = Image.fromarray(getattr(data, name)())
        for number in range(each):
            moved = number / each
            wide, high = (length * 0.9 * (1 - 0.4 * moved) for length in photo.size)
            left, top = (photo.width - wide) * moved, (photo.height - high) * (1 - moved)
            box = (left, top, left + wide, top + high)
            yield VideoFrame.from_image(photo.resize(size, Image.Resampling.BILINEAR, box=box))


def write(path: Path, size: tuple[int, int], rate: int, seconds: int, crf: int) -> None:
    """Write one clip."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=rate, options={"preset": "fast", "crf": str(crf)})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames(size, rate * seconds)):
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def repeat(clip: Path, path: Path, times: int) -> None:
    """Write the clip so many times in a row, without encoding it anew."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as file:
        stream = source.streams.video[0]
        out = file.add_stream_from_template(stream)
        length = stream.duration
        for turn in range(times):
            source.seek(0)
            for packet in source.demux(stream):
                if packet.size:
                    packet.pts += turn * length
                    packet.dts += turn * length
                    packet.stream = out
                    file.mux(packet)


def hashes(path: Path, sampling: FrameSampling, seconds: float = 1.0) -> list[tuple[int, str]]:
    """Number and hash of each frame that Safelight takes."""
    fd = os.open(path, os.O_RDONLY)
    try:
        video = video_av.open_video(Source(fd), VideoLimits(), sampling, seconds)
        return [
            (one.number, hash_pixels(one.pixels, width=one.width, height=one.height).dihedral[0])
            for one in video.frames
        ]
    finally:
        os.close(fd)


def timed(work: Callable[[], list[tuple[int, str]]]) -> tuple[float, list[tuple[int, str]]]:
    """Processor seconds, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def speed(folder: Path) -> None:
    """Frames a second against vpdq, and the distance to it."""
    path, count = folder / "hd.mp4", 240
    write(path, (1920, 1080), 30, count // 30, 23)
    theirs = None
    if find_spec("vpdq") is None:
        print("vpdq is not installed: no comparison")
    else:
        import vpdq  # noqa: PLC0415  has to be built; optional here

        def theirs(video: Path, seconds: float) -> list[tuple[int, str]]:
            found = vpdq.computeHash(str(video), seconds_per_hash=seconds, thread_count=1)
            return [(one.frame_number, one.hex) for one in found]

    longer, times = folder / "longer.mp4", 6
    repeat(path, longer, times)
    for what, of, seconds, turns in (
        ("every frame hashed", path, 0.0, 1),
        ("one hash a second", longer, 1.0, times),
    ):
        ours = timed(lambda p=of, s=seconds: hashes(p, FrameSampling.SECOND, s))
        line = f"1080p, {what}: {turns * count / ours[0]:.0f} frames/s"
        if theirs is not None:
            other = timed(lambda p=of, s=seconds: theirs(p, s))
            line += f", vpdq {turns * count / other[0]:.0f}: {other[0] / ours[0]:.1f} x"
            line += f"; {distances(ours[1], other[1])}"
        print(line)


def distances(ours: list[tuple[int, str]], theirs: list[tuple[int, str]]) -> str:
    """How far the hashes of the same frames are apart."""
    assert [number for number, _ in ours] == [number for number, _ in theirs]
    bits = [
        (int(one, 16) ^ int(other, 16)).bit_count()
        for (_, one), (_, other) in zip(ours, theirs, strict=True)
    ]
    return f"{len(bits)} hashes, {max(bits)} bits apart at most"


def keys(folder: Path) -> None:
    """Key frames, in times real time."""
    clip = folder / "keys.mp4"
    for size, crf in (((1920, 1080), 23), ((1280, 720), 23), ((640, 360), 23)):
        write(clip, size, 30, 32, crf)
        needed, found = timed(lambda: hashes(clip, FrameSampling.KEY_FRAMES))
        print(f"{size[1]}p, key frames: {len(found)} of 32 s, {32 / needed:.0f} x real time")


def memory(folder: Path) -> None:
    """Most memory that a process takes that hashes a long video, one hash a second."""
    clip, path = folder / "small.mp4", folder / "long.mp4"
    write(clip, (320, 180), 12, 20, 30)
    for minutes in (10, 120):
        repeat(clip, path, 3 * minutes)
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, __file__, "hash", str(path)], check=True, capture_output=True
        )
        size = path.stat().st_size / 1e6
        print(
            f"{minutes} minutes ({size:.0f} MB): {done.stdout.decode().strip()},"
            f" {time.monotonic() - start:.0f} s"
        )


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["hash"]:
        count = len(hashes(Path(sys.argv[2]), FrameSampling.SECOND))
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{count} hashes, {most:.0f} MB at most")
        return
    measures = {"speed": speed, "keys": keys, "memory": memory}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", nargs="*", help=f"any of {', '.join(measures)}; all without")
    wanted = parser.parse_args().part or PARTS
    if unknown := set(wanted) - set(measures):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        for part in wanted:
            measures[part](Path(folder))


if __name__ == "__main__":
    main()
