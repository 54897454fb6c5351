"""One member of a zip, from its packed bytes to a source."""

from collections.abc import Callable, Iterator

from safelight.source import MemorySource, Source
from safelight.unpack.inflate import (
    Deflate,
    Deflate64,
    Inflater,
    bzip2,
    checked,
    inflated,
    lzma1_filter,
    raw_lzma,
    xz,
    zstandard,
)
from safelight.unpack.packed import PackedSource, Room, pieces
from safelight.unpack.zip_directory import Listed

ENCRYPTED = 1
AES = 99
UNKNOWN_SIZE = 1 << 64
_STORED = 0


class _Lzma:
    """LZMA as zip has it: its properties in front, and often no mark at its end."""

    def __init__(self, size: int) -> None:
        self._header = b""
        self._inner: Inflater | None = None
        self._size = size
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        """Whether the packed stream has ended."""
        return self._inner is not None and self._inner.eof

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without further packed bytes."""
        return self._inner is None or self._inner.needs_input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take packed bytes, give up to `max_length` of what they unpack to."""
        if self._inner is None:
            self._header += data
            end = 4 + int.from_bytes(self._header[2:4], "little")
            if len(self._header) < max(5, end):
                return b""
            only = lzma1_filter(self._header[4:end])
            self._inner, data = raw_lzma([only], self._size), self._header[end:]
        return self._inner.decompress(data, max_length)


_METHODS: dict[int, Callable[[int], Inflater]] = {
    8: lambda _: Deflate(),
    9: lambda _: Deflate64(),
    12: lambda _: bzip2(),
    14: _Lzma,
    20: lambda _: zstandard(),
    93: lambda _: zstandard(),
    95: lambda _: xz(),
}


def member_source(packed: Source, listed: Listed, room: Room) -> Source | None:
    """The member whose packed bytes are given; None for a method that is not read."""
    if listed.method == _STORED:
        return packed
    if listed.method not in _METHODS:
        return None
    if listed.size == 0 and packed.size == 0:
        return MemorySource(b"")
    make = _METHODS[listed.method]

    def unpack() -> Iterator[bytes]:
        found = inflated(pieces(packed), lambda: make(listed.size), room)
        if listed.size == UNKNOWN_SIZE:
            return found
        return checked(found, listed.size, listed.crc)

    size = None if listed.size == UNKNOWN_SIZE else listed.size
    return PackedSource(unpack, room, size=size)
