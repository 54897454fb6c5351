"""Where a video file ends by what it says itself, to tell a cut one and one with something behind.

Formats made for streaming (MPEG, FLV, Ogg, live Matroska) do not say; most of them are made of
pieces, and end where there is none.
"""

import re
from collections.abc import Callable
from typing import BinaryIO

from safelight.source import Source

_MOST_BOXES = 1_000_000
_SEGMENT = b"\x18\x53\x80\x67"
_ONCE = {b"ftyp", b"moov"}  # twice, and another file begins
_READ = {b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"ssix", b"styp", b"meta"}
_FILES = re.compile(
    rb"\xff\xd8\xff[\xc0-\xfe]|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....(?:WEBP|AVI )|PK\x03\x04"
    rb"|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|ftyp|moov|\x1aE\xdf\xa3|%PDF-|FLV\x01|0&\xb2u\x8ef\xcf\x11",
    re.DOTALL,
)
_LONGEST_MAGIC = 16
_CHUNK_BYTES = 1 << 20
_NOTES_BYTES = 4096  # so much between two packets is taken for damage

_ASF_HEADER, _ASF_DATA = "3026b2758e66cf11a6d900aa0062ce6c", "3626b2758e66cf11a6d900aa0062ce6c"
_ASF_INDEXES = (
    *("90080033b1e5cf1189f400a0c90349cb", "d329e2d6da35d111903400a0c90349be"),
    *("f803b1fead12644c840f2a1d2f7ad48c", "d03fb73c4a0c0348953dedf7b6228f0c"),
)
_FLV_TAGS = {8, 9, 18}  # sound, picture, data
_FLV_FILTERED = 0x20
_SYNC = b"G"
_STRIDES = ((188, 0), (192, 4), (204, 0))  # bytes of a packet, and where in it its first is


def announced_end(source: Source, name: str) -> int | None:
    """Where the file of the format `name` ends by its own account; None where it gives none."""
    find_end = _FIND_END.get(name)
    if find_end is None:
        return None
    with source.stream() as stream:
        return find_end(stream, source.size)


def holds_another(source: Source, name: str) -> bool:
    """Whether there is a second file within what the first one takes for itself.

    A second header and index in an MP4, or a file in a box that players pass over; in a transport
    stream a long stretch that is no packets.
    """
    with source.stream() as stream:
        if name in ("mp4", "m4a"):
            return _boxes_hold_another(stream, source.size)
        return name == "mpegts" and _packets_stop(stream)


def _boxes_hold_another(stream: BinaryIO, size: int) -> bool:
    at = 0
    met: set[bytes] = set()
    for _ in range(_MOST_BOXES):
        name, length = _box(stream, at, size)
        if not length or name in met & _ONCE:
            return length > 0
        if name not in _READ and _holds_file(stream, at + 8, min(at + length, size)):
            return True
        met.add(name)
        at += length
    return True


def _box(stream: BinaryIO, at: int, size: int) -> tuple[bytes, int]:
    """The name of the box at `at`, and its length; 0 where there is none."""
    if at >= size:
        return b"", 0
    stream.seek(at)
    head = stream.read(16)
    if len(head) < 8 or not _is_name(head[4:8]):
        return b"", 0
    length = int.from_bytes(head[:4], "big")
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    if length == 0:
        length = size - at
    return head[4:8], length if length >= 8 else 0


def _holds_file(stream: BinaryIO, at: int, end: int) -> bool:
    stream.seek(at)
    kept = b""
    while at < end and (data := stream.read(min(_CHUNK_BYTES, end - at))):
        if _FILES.search(kept + data):
            return True
        at, kept = at + len(data), data[-_LONGEST_MAGIC:]
    return False


def _boxes_end(stream: BinaryIO, size: int) -> int:
    """The end of the last box; what does not look like one is taken for something else."""
    at = 0
    for _ in range(_MOST_BOXES):
        _name, length = _box(stream, at, size)
        if not length:
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


def _asf_end(stream: BinaryIO, size: int) -> int:
    """The end of the header, the data and their indexes; data of no told length end at once."""
    at = 0
    while at < size:
        stream.seek(at)
        head = stream.read(24)
        name, length = head[:16].hex(), int.from_bytes(head[16:], "little")
        if name not in (_ASF_DATA, *_ASF_INDEXES) and (at or name != _ASF_HEADER):
            break
        if length < 24:
            break
        at += length
    return at


def _flv_end(stream: BinaryIO, size: int) -> int:
    """The end of the last tag."""
    at = int.from_bytes(stream.read(9)[5:], "big") + 4
    while at < size:
        stream.seek(at)
        head = stream.read(11)
        if head[0] & ~_FLV_FILTERED not in _FLV_TAGS or any(head[8:]):  # of no stream but 0
            break
        at += 11 + int.from_bytes(head[1:4], "big") + 4
    return size if size < at <= size + 4 else at


def _ogg_end(stream: BinaryIO, size: int) -> int:
    """The end of the last page before streams begin anew."""
    at, has_begun = 0, False
    while at < size:
        stream.seek(at)
        head = stream.read(27)
        if head[:4] != b"OggS" or len(head) < 27:
            break
        begins = bool(head[5] & 2)
        if begins and has_begun:
            break
        has_begun = not begins
        at += 27 + head[26] + sum(stream.read(head[26]))
    return at


def _pack_end(stream: BinaryIO, size: int) -> int:
    """The end of the last packet of a program stream; a little damage is passed over."""
    at = 0
    while at < size:
        stream.seek(at)
        length = _packet_length(stream.read(14))
        if not length:
            stream.seek(at)
            length = stream.read(_NOTES_BYTES).find(b"\0\0\1\xba")
            if length < 1:
                break
        at += length
    return min(at, size)


def _packet_length(head: bytes) -> int:
    """Of a packet of a program stream, from its first 14 bytes; 0 where there is none."""
    if head[:3] != b"\0\0\1" or len(head) < 6:
        return 4 if head == b"\0\0\1\xb9" else 0
    if head[3] == 0xBA:
        return 14 + (head[-1] & 7) if head[4] & 0xC0 == 0x40 else 12
    if head[3] == 0xB9:
        return 4
    return 6 + int.from_bytes(head[4:6], "big") if head[3] > 0xBA else 0


def _packets_stop(stream: BinaryIO) -> bool:
    """Whether a transport stream has a long stretch that is no packets."""
    kept = b""
    while data := stream.read(_CHUNK_BYTES):
        kept += data
        at = 0
        while len(kept) - at > 2 * _NOTES_BYTES:
            found = _next_packets(kept, at)
            if found is None:
                return True
            at = found
        kept = kept[at:]
    return len(kept) > _NOTES_BYTES and _next_packets(kept, 0) is None


def _next_packets(data: bytes, at: int) -> int | None:
    """Where packets go on to, from `at` or soon behind it; None where none begin."""
    for start in range(at, at + _NOTES_BYTES):
        for stride, first in _STRIDES:
            syncs = data[start + first : start + _NOTES_BYTES : stride]
            if len(syncs) >= 4 and syncs == _SYNC * len(syncs):
                return start + len(syncs) * stride
    return None


_FIND_END: dict[str, Callable[[BinaryIO, int], int | None]] = {
    "mp4": _boxes_end,
    "m4a": _boxes_end,
    "matroska": _segment_end,
    "avi": _riff_end,
    "asf": _asf_end,
    "flv": _flv_end,
    "ogg": _ogg_end,
    "mpeg": _pack_end,
}
