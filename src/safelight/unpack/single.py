"""One file, compressed: gzip, bzip2, xz, lzma, zstd."""

import re
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from safelight.model import Member
from safelight.source import Source
from safelight.unpack import inflate
from safelight.unpack.packed import Entry, PackedSource, Room, may_hide, pieces

# format: how to unpack one stream, and how each of several begins
_FORMATS: dict[str, tuple[inflate.MakeInflater, re.Pattern[bytes]]] = {
    "gzip": (inflate.gzip_member, re.compile(rb"\x1f\x8b")),
    "bzip2": (inflate.bzip2, re.compile(rb"BZh")),
    "xz": (inflate.xz, re.compile(rb"\xfd7zXZ\0")),
    "lzma": (inflate.xz, re.compile(rb"\]\0\0")),
    # zstd has frames that hold nothing, for other programs to put something in
    "zstd": (inflate.zstandard, re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")),
}
_NAMELESS = b"content"
_HAS_EXTRA, _HAS_NAME, _HAS_COMMENT = 4, 8, 16
_MOST_NOTE = 4000  # bytes, fewer than are looked at of a header


def members(source: Source, room: Room, name: bytes = b"") -> Iterator[Entry]:
    """The one member. `name` is the compressed file's own, where it is known."""
    make, begins = _FORMATS[source.sniffed.format]
    hides = _HIDES.get(source.sniffed.format, lambda _: False)
    is_gzip = source.sniffed.format == "gzip"
    found, modified = _gzip_header(source.head) if is_gzip else (b"", "")
    member = Member(name=found or _stem(name), kind="compressed", modified=modified)

    def unpack() -> Iterator[bytes]:
        return inflate.inflated(pieces(source), make, room, begins=begins, hides=hides)

    yield Entry(member=member, source=PackedSource(unpack, room))


def _stem(name: bytes) -> bytes:
    """photo.jpg.gz holds photo.jpg, photos.tgz holds photos."""
    return name.rpartition(b"/")[2].rpartition(b".")[0] or _NAMELESS


def _gzip_header(head: bytes) -> tuple[bytes, str]:
    """The name and the time that a gzip file gives its content; each may be empty."""
    if len(head) < 10:
        return b"", ""
    flags, seconds = head[3], struct.unpack_from("<L", head, 4)[0]
    at = 10
    if flags & _HAS_EXTRA:
        at += 2 + int.from_bytes(head[10:12], "little")
    name = head[at:].partition(b"\0")[0] if flags & _HAS_NAME else b""
    return name, datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else ""


def _gzip_hides(head: bytes) -> bool:
    """Whether the fields in front of a gzip member may hold a file, or go on past `head`."""
    if len(head) < 12:
        return False
    flags, at = head[3], 10
    if flags & _HAS_EXTRA:
        at += 2 + int.from_bytes(head[10:12], "little")
    for _ in range(bool(flags & _HAS_NAME) + bool(flags & _HAS_COMMENT)):
        at = head.find(b"\0", at) + 1 or len(head)
    return at > min(len(head), _MOST_NOTE) or may_hide(head[10:at])


def _zstd_hides(head: bytes) -> bool:
    """Whether a frame that is skipped is large, or may hold a file."""
    if head[1:4] != b"\x2a\x4d\x18":
        return False
    size = int.from_bytes(head[4:8], "little")
    return size > _MOST_NOTE or may_hide(head[8 : 8 + size])


_HIDES: dict[str, Callable[[bytes], bool]] = {"gzip": _gzip_hides, "zstd": _zstd_hides}
