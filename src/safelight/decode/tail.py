"""What lies behind the end of a picture: another file there is shown by some programs, not by most.

A second JPEG, an archive, the video of a "motion photo": none of it is decoded here, so a file with
such a tail must not count as examined in full. Padding and short notes of cameras do not matter.
Every end is found by the format's own structure, since its end marker may also lie in its data.
"""

import re
from collections.abc import Callable, Iterable
from typing import BinaryIO

from safelight.decode.ends import bmp_end, boxes_end, tiff_end
from safelight.decode.jpeg_header import pictures_listed
from safelight.source import Source

# Behind the end, so many bytes of a kind that is not known are taken for a camera's notes.
_NOTES_BYTES = 4096
_FILES = re.compile(
    rb"\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|BM.{12}[\x0c\x28\x6c\x7c]\0\0\0"
    rb"|PK\x03\x04|PK\x05\x06|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|\xfd7zXZ\0|\x1f\x8b\x08[\0-\x1f]|BZh[1-9]1AY&SY"
    rb"|ftyp|\x1aE\xdf\xa3|%PDF-",
    re.DOTALL,
)
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # but for restarts: those are in the data
_WITHOUT_LENGTH = {0x01, 0xD8}
_END_OF_JPEG = 0xD9
_READ_BYTES = 1 << 20
_MOST_ZEROS = 1 << 30  # read through to see whether anything follows them


def has_tail(source: Source, name: str) -> bool:
    """Whether a file of the format `name` goes on, behind its end, with what may be another file.

    False where no end is found: the decoder says that. Between the pictures that a JPEG lists
    there may be no other file either.
    """
    if name == "jpeg":
        return _jpeg_has_tail(source.whole, pictures_listed(source.whole))
    with source.stream() as stream:
        end = _FIND_END[name](stream)
    return end is not None and goes_on(source, end)


def goes_on(source: Source, end: int) -> bool:
    """Whether what the file holds from `end` on may be another file."""
    if end >= source.size:
        return False
    with source.stream() as stream:
        stream.seek(end)
        return _is_worth_a_look(iter(lambda: stream.read(_READ_BYTES), b""))


def _is_worth_a_look(tail: Iterable[bytes]) -> bool:
    """Whether anything but zeros, notes and padding is in the pieces of a tail.

    A tail that is all zeros for longer than is read is not padding either.
    """
    noted, zeros = b"", 0
    for piece in tail:
        content = piece.lstrip(b"\0")
        zeros += len(piece) - len(content)
        if content:
            kept = content.rstrip(b"\0")
            noted += bytes(min(zeros, _NOTES_BYTES) if noted else 0) + kept
            zeros = len(content) - len(kept)
        if len(noted) > _NOTES_BYTES or zeros > _MOST_ZEROS:
            return True
    return _FILES.search(noted) is not None


def _jpeg_has_tail(data: bytes, pictures: Iterable[int]) -> bool:
    starts = sorted({0, *(start for start in pictures if start < len(data))})
    for start, following in zip(starts, [*starts[1:], len(data)], strict=True):
        end = _jpeg_end(data, start)
        if end is not None and _is_worth_a_look([data[end:following]]):
            return True
    return False


def _jpeg_end(data: bytes, start: int) -> int | None:
    """Where the JPEG that starts at `start` ends; pictures inside its segments do not count."""
    at = start + 2
    while found := _JPEG_MARKER.search(data, at):
        at, marker = found.end(), data[found.end() - 1]
        if marker == _END_OF_JPEG:
            return at
        if marker not in _WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2], "big")
    return None


def _png_end(stream: BinaryIO) -> int | None:
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        at = stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
        if head[4:] == b"IEND":
            return at
    return None


def _webp_end(stream: BinaryIO) -> int | None:
    size = int.from_bytes(stream.read(8)[4:], "little")
    return 8 + size + size % 2


def _gif_end(stream: BinaryIO) -> int | None:
    _skip_palette(stream, stream.read(13)[10:11])
    while block := stream.read(1):
        if block == b";":
            return stream.tell()
        if block == b",":
            _skip_palette(stream, stream.read(9)[8:])
        stream.seek(1, 1)  # the kind of extension, or the size of the first code
        while length := stream.read(1).strip(b"\0"):
            stream.seek(length[0], 1)
    return None


def _skip_palette(stream: BinaryIO, flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        stream.seek(3 << (flags[0] & 7) + 1, 1)


_FIND_END: dict[str, Callable[[BinaryIO], int | None]] = {
    "png": _png_end,
    "gif": _gif_end,
    "webp": _webp_end,
    "bmp": bmp_end,
    "tiff": tiff_end,
    "avif": boxes_end,
    "heif": boxes_end,
}
