"""Videos for the tests, made with PyAV from generated patterns; ours to give away."""

import io
import os
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from safelight.decode.pixels import Video
from safelight.decode.video import open_video
from safelight.decode.video_rules import VideoLimits
from safelight.examine import memory_file
from safelight.hashing.perceptual import hash_pixels
from safelight.model import FrameHashes, FrameSampling
from safelight.source import Source


def scene(seed: int, count: int, width: int = 192, height: int = 144) -> Iterator[Image.Image]:
    """Frames that pan over coloured clouds."""
    coarse = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    clouds = Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC)
    for number in range(count):
        across = 300 * number / max(1, count - 1)
        box = (across, across / 2, across + 320, across / 2 + 240)
        yield clouds.resize((width, height), Image.Resampling.BILINEAR, box=box)


def still(seed: int, count: int, width: int = 192, height: int = 144) -> Iterator[Image.Image]:
    """The same frame again and again."""
    (first,) = scene(seed, 1, width, height)
    for _ in range(count):
        yield first


def clip(
    frames: Iterator[Image.Image],
    *,
    container: str = "mp4",
    codec: str = "libx264",
    rate: int | Fraction = 10,
    pixels: str = "yuv420p",
    times: list[int] | None = None,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
) -> bytes:
    """The file; `times` are the time stamps, in frames, where they are not 0, 1, 2, …"""
    with tempfile.NamedTemporaryFile() as out:  # FFmpeg itself reads it again for "faststart"
        _write(out.name, frames, container, codec, rate, pixels, times, options, muxer)
        return Path(out.name).read_bytes()


def _write(
    path: str,
    frames: Iterator[Image.Image],
    container: str,
    codec: str,
    rate: int | Fraction,
    pixels: str,
    times: list[int] | None,
    options: dict[str, str] | None,
    muxer: dict[str, str] | None,
) -> None:
    with av.open(path, "w", format=container, options=muxer or {}) as file:
        stream: Any = None
        for number, image in enumerate(frames):
            if stream is None:
                stream = file.add_stream(codec, rate=rate, options=options or {})
                stream.width, stream.height = image.size
                stream.pix_fmt = pixels
                stream.codec_context.thread_count = 1
            frame = VideoFrame.from_image(image).reformat(format=pixels)
            frame.pts = number if times is None else times[number]
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def sound(container: str = "mp4") -> bytes:
    """A file that holds a second of silence and no picture."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        for packet in _silence(file.add_stream("aac", rate=44100)):
            file.mux(packet)
    return out.getvalue()


def _silence(stream: Any) -> Iterator[Any]:
    for number in range(40):
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.rate, frame.pts = 44100, number * 1024
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        yield from stream.encode(frame)
    yield from stream.encode()


def with_sound_and_titles() -> bytes:
    """Two seconds of video, with sound and subtitles beside it."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as file:
        silence = file.add_stream("aac", rate=44100)
        titles = file.add_mux_stream("subrip")
        picture = file.add_stream("libx264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 192, 144, "yuv420p"
        for packet in _silence(silence):
            file.mux(packet)
        title = av.Packet(b"words")
        title.stream, title.pts, title.dts, title.duration = titles, 0, 0, 1000
        title.time_base = Fraction(1, 1000)
        file.mux(title)
        for image in scene(1, 20):
            file.mux(picture.encode(VideoFrame.from_image(image)))
        file.mux(picture.encode())
    return out.getvalue()


def opened(
    data: bytes, sampling: FrameSampling = FrameSampling.SECOND, **limits: int
) -> tuple[Video, list[FrameHashes]]:
    """What is decoded of a video, hashed, all of it in the test process."""
    fd = memory_file(data)
    try:
        video = open_video(Source(fd), VideoLimits(**limits), sampling)
        return video, list(hashed(video))
    finally:
        os.close(fd)


def hashed(video: Video) -> Iterator[FrameHashes]:
    """The frames as the child hashes them."""
    for frame in video.frames:
        result = hash_pixels(frame.pixels, width=frame.width, height=frame.height)
        yield FrameHashes(
            number=frame.number,
            quality=result.quality,
            dihedral=result.dihedral,
            time=frame.time,
        )
