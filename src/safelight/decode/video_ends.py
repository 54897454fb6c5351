"""Where a video file ends by what it says itself, to tell a cut one and one with something behind.

Formats made for streaming (MPEG, FLV, Ogg, live Matroska) do not say.
"""

from typing import BinaryIO

from safelight.source import Source

_MOST_BOXES = 1_000_000
_SEGMENT = b"\x18\x53\x80\x67"


def announced_end(source: Source, name: str) -> int | None:
    """Where the file of the format `name` ends by its own account; None where it gives none."""
    find_end = {"mp4": _boxes_end, "m4a": _boxes_end, "matroska": _segment_end, "avi": _riff_end}
    if name not in find_end:
        return None
    with source.stream() as stream:
        return find_end[name](stream, source.size)


def _boxes_end(stream: BinaryIO, size: int) -> int:
    """The end of the last box; what does not look like one is taken for something else."""
    at = 0
    for _ in range(_MOST_BOXES):
        stream.seek(at)
        head = stream.read(16)
        if len(head) < 8 or not _is_name(head[4:8]):
            break
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:
            return size
        if length < 8:
            break
        at += length
    return at


def _is_name(name: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in name)


def _segment_end(stream: BinaryIO, size: int) -> int | None:  # noqa: ARG001  as the others
    """The end of the first segment, which holds everything."""
    head = stream.read(64)
    length, at = _vint(head, 4)
    at += length or 0
    stream.seek(at)
    head = stream.read(12)
    if head[:4] != _SEGMENT:
        return None
    length, after = _vint(head, 4)
    return None if length is None else at + after + length


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """A length of EBML (None: unknown), and where it ends."""
    first = data[at] if at < len(data) else 0
    width = 9 - first.bit_length()
    ones = (1 << 7 * width) - 1
    value = int.from_bytes(data[at : at + width], "big") & ones
    return (None if value == ones or width > 8 else value), at + width


def _riff_end(stream: BinaryIO, size: int) -> int:
    """The end of the last RIFF chunk: files over a gigabyte have several."""
    at = 0
    while at < size:
        stream.seek(at)
        head = stream.read(8)
        if head[:4] != b"RIFF":
            break
        at += 8 + int.from_bytes(head[4:], "little")
        at += at % 2
    return at
