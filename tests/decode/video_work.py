"""What the tests of videos have a locked-down child do. Loaded in the child."""

from collections.abc import Iterator
from typing import Any

from safelight.decode import video, video_av
from safelight.decode.video_rules import VideoLimits
from safelight.errors import CouldNotCheck
from safelight.hashing.perceptual import hash_pixels
from safelight.model import FrameSampling
from safelight.source import Source


def prepare() -> None:
    video.prepare()


def work(fd: int, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    source = Source(fd)
    if request.get("unsniffed"):
        return {"opened": _opens(source)}
    count = 0
    try:
        found = video.open_video(source, VideoLimits(), FrameSampling(request["sampling"]))
        for frame in found.frames:
            hashed = hash_pixels(frame.pixels, width=frame.width, height=frame.height)
            count += 1
            yield {"number": frame.number, "time": frame.time, "pdq": hashed.dihedral[0]}
    except CouldNotCheck as exc:
        return {"code": exc.code, "frames": count}
    return {"flags": sorted(found.flags)}


def _opens(source: Source) -> bool:
    """Whether FFmpeg opens it, whatever we take it for."""
    try:
        video_av.open_container(source, VideoLimits())
    except Exception:  # noqa: BLE001  the test asks for that only
        return False
    return True
