"""Videos of the pack. Where videos cannot be decoded there is one, and it must be told so."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from safelight.decode.video import installed
from safelight.demo import landscape
from safelight.validation.expect import FOUND
from safelight.validation.pictures import KNOWN, known
from safelight.validation.samples import Sample, sample

_WHAT = "scenes in videos"
_SIZE = (480, 320)
_A_SECOND = 5  # frames
_SECONDS = 4  # of each landscape
_STRANGERS = (220, 221, 222)

# The beginning of an MP4 that goes no further: what a video is told by, and no more.
_HEAD_ONLY = b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + b"\0\0\0\x08mdat"


def videos() -> Iterator[Sample]:
    """Every video."""
    if not installed():
        code = "video_not_installed"
        yield sample(_WHAT, "video.mp4", _HEAD_ONLY, "unreadable", code=code, fully_checked=False)
        return
    first, second, third = _STRANGERS
    long = _video([first, second, KNOWN[0], third])
    at = 2.5 * _SECONDS
    yield sample(_WHAT, "scene.mp4", long, *FOUND, most_bits=31, at=at)
    yield sample(_WHAT, "stranger.mp4", _video(list(_STRANGERS)), "no_match")
    yield sample(_WHAT, "head-only.mp4", _HEAD_ONLY, "unreadable", code="damaged")


def _video(seeds: list[int]) -> bytes:
    import av  # noqa: PLC0415 - optional

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream: Any = container.add_stream("mpeg4", rate=_A_SECOND)
        stream.width, stream.height = _SIZE
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        for seed in seeds:
            picture = known(seed) if seed in KNOWN else landscape(seed)
            pixels = np.asarray(picture.resize(_SIZE))
            for _ in range(_SECONDS * _A_SECOND):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()
