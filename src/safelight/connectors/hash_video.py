"""Videos as vPDQ writes them: the PDQ hash of a frame a second, with quality and time.

Three forms are read: the list of texts `hash,quality,seconds` that python-threatexchange exchanges;
a list of objects, as rows of `safelight hash` have; and the lines `frame,quality,hash,seconds` that
the program `vpdq-hash-video` writes, a file for each video.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from safelight.connectors.hash_text import SHOWN, Row
from safelight.model import PDQ_BYTES, Algorithm, HashRow, RejectedRow, VideoFrame, video_value

LONGEST_VIDEO = 1 << 31  # milliseconds
_LINE = re.compile(r"\s*\d+\s*,\s*\d+\s*,\s*[0-9A-Fa-f]{64}\s*,\s*[0-9.eE+-]+\s*")
_DIGITS = re.compile(r"[0-9A-Fa-f]{64}")

Frames = tuple[VideoFrame, ...]


def is_vpdq_line(line: str) -> bool:
    """Whether the line is one of `vpdq-hash-video`."""
    return _LINE.fullmatch(line) is not None


def parse_frames(untrusted_frames: Any) -> Frames | str:
    """The frames of a video in order of time, or the reason why not. JSON text is read first."""
    if isinstance(untrusted_frames, str):
        try:
            untrusted_frames = json.loads(untrusted_frames)
        except (ValueError, RecursionError):
            return "a video (vpdq) is a JSON list of frames"
    if isinstance(untrusted_frames, dict):  # by number, as it was once
        untrusted_frames = list(untrusted_frames.values())
    if not isinstance(untrusted_frames, list) or not untrusted_frames:
        return "a video (vpdq) is a JSON list of frames"
    frames = []
    for place, untrusted in enumerate(untrusted_frames):
        frame = _frame(untrusted)
        if isinstance(frame, str):
            return f"frame {place} of the video: {frame}"
        frames.append(frame)
    return tuple(sorted(frames))


def vpdq_text_rows(lines: Iterable[str]) -> Iterator[Row]:
    """One video from the lines of `vpdq-hash-video`; each line that is none is rejected."""
    frames, first = [], 0
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] == "#":
            continue
        cells = [cell.strip() for cell in text.split(",")]
        frame = _parsed(cells[2], cells[1], cells[3]) if len(cells) == 4 else "not four fields"
        if isinstance(frame, str):
            yield RejectedRow(number, f"not frame,quality,hash,seconds: {frame}", text[:SHOWN])
            continue
        first = first or number
        frames.append(frame)
    if frames:
        whole = tuple(sorted(frames))
        yield HashRow(first, Algorithm.VPDQ, video_value(whole), frames=whole)


def to_vpdq(frames: Sequence[VideoFrame]) -> list[str]:
    """The frames as python-threatexchange reads them."""
    return [
        f"{frame.value.hex()},{frame.quality},{frame.milliseconds / 1000:.3f}" for frame in frames
    ]


def _frame(untrusted: Any) -> VideoFrame | str:
    if isinstance(untrusted, str):
        cells = [cell.strip() for cell in untrusted.split(",")]
        return _parsed(*cells) if len(cells) == 3 else "not hash,quality,seconds"
    if not isinstance(untrusted, dict):
        return "neither a text nor an object"
    names = (("pdq", "hash"), ("pdq_quality", "quality"), ("time", "timestamp"))
    found = [next((untrusted[key] for key in keys if key in untrusted), "") for keys in names]
    return _parsed(*map(str, found))


def _parsed(digits: str, quality: str, seconds: str) -> VideoFrame | str:
    if not _DIGITS.fullmatch(digits):
        return f"its hash is not {2 * PDQ_BYTES} hexadecimal digits"
    try:
        number, time = int(quality), float(seconds)
    except ValueError:
        return "its quality or time is not a number"
    if not 0 <= number <= 100:
        return "its quality is not from 0 to 100"
    if not math.isfinite(time) or not 0 <= time * 1000 < LONGEST_VIDEO - 1:
        return "its time is not one of a video"
    return VideoFrame(round(time * 1000), number, bytes.fromhex(digits))
