"""The face of decoding videos. PyAV, which decodes them, need not be installed.

A video is read as it is asked for, frame after frame, so that its length costs no memory.
"""

from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from types import ModuleType

from safelight.decode.pixels import Video
from safelight.decode.rules import could_not_check
from safelight.decode.tail import goes_on
from safelight.decode.video_ends import announced_end, holds_another
from safelight.decode.video_rules import VideoLimits
from safelight.model import FrameSampling
from safelight.source import Source


def installed() -> bool:
    """Whether videos can be decoded here."""
    return find_spec("av") is not None


def open_video(source: Source, limits: VideoLimits, sampling: FrameSampling) -> Video:
    """Open a video and decode its first frame; the others are decoded as they are taken.

    With SECOND the frames are those vPDQ hashes (docs/explanation/video.md says where there are
    more), in full RGB; with KEY_FRAMES those that stand alone in the stream, at most one in two
    seconds, mostly luma only.

    Raises CouldNotCheck for what is refused or cannot be decoded, and MemoryError; taking a frame
    may raise them too. Once it has been raised no more frames come; those taken were good.
    """
    if sampling is FrameSampling.NONE:
        raise could_not_check("video_not_asked")
    if source.size == 0:
        raise could_not_check("empty")
    if not source.sniffed.may_be_video:
        raise could_not_check("unknown_format")
    video: Video = _decoder().open_video(source, limits, sampling)
    format_name = source.sniffed.format
    end = announced_end(source, format_name)
    if end is not None and end > source.size:
        video.flags.add("truncated")
    elif (end is not None and goes_on(source, end)) or holds_another(source, format_name):
        video.flags.add("trailing_data")
    return video


def prepare() -> None:
    """Load the decoders, where they are installed, while files may still be opened."""
    if installed():
        _decoder().load_all()
        samples()


@cache
def samples() -> dict[str, bytes]:
    """A tiny video for the children's self-test, made by tests/decode/make_samples.py.

    Empty where videos cannot be decoded.
    """
    if not installed():
        return {}
    folder = files("safelight.decode") / "video_samples"
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


@cache
def _decoder() -> ModuleType:
    try:
        # here, not above: PyAV is optional, and loading it takes a while
        from safelight.decode import video_av  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        if exc.name != "av":
            raise
        raise could_not_check("video_not_installed") from exc
    return video_av
