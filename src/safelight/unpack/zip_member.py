"""One member of a zip, from its packed bytes to a source."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator

import inflate64

from safelight.source import MemorySource, Source
from safelight.unpack.inflate import Deflate, Inflater, inflated, xz, zstandard
from safelight.unpack.packed import PackedSource, Room, pieces
from safelight.unpack.rules import DICTIONARY_BYTES, could_not_check
from safelight.unpack.zip_directory import Listed

ENCRYPTED = 1
AES = 99
UNKNOWN_SIZE = -1
_STORED = 0


class Deflate64:
    """Deflate64, with the face of the others."""

    _STEP = 4096  # it gives all that it can at once, up to a thousand times as much

    def __init__(self) -> None:
        self._inner = inflate64.Inflater()
        self._packed = b""
        self._unpacked = b""
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        """Whether the packed stream has ended."""
        return bool(self._inner.eof) and not self._unpacked

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without further packed bytes."""
        return not self._packed and not self._unpacked

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take packed bytes, give up to `max_length` of what they unpack to."""
        self._packed += data
        if not self._unpacked:
            step, self._packed = self._packed[: self._STEP], self._packed[self._STEP :]
            self._unpacked = self._inner.inflate(step)
        out, self._unpacked = self._unpacked[:max_length], self._unpacked[max_length:]
        return out


class _Lzma:
    """LZMA as zip has it: its properties in front, and often no mark at its end."""

    def __init__(self, size: int) -> None:
        self._header = b""
        self._inner: lzma.LZMADecompressor | None = None
        self._left = size
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        """Whether the packed stream has ended."""
        return self._left == 0 or (self._inner is not None and self._inner.eof)

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
            self._inner, data = _raw_lzma(self._header[4:end]), self._header[end:]
        out = self._inner.decompress(data, max_length)
        self._left -= len(out)
        return out


def _raw_lzma(properties: bytes) -> lzma.LZMADecompressor:
    if len(properties) != 5 or properties[0] >= 225:
        raise ValueError("properties")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    size = int.from_bytes(properties[1:], "little")
    if size > DICTIONARY_BYTES:
        raise could_not_check("out_of_memory")
    only = {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[only])


_METHODS: dict[int, Callable[[int], Inflater]] = {
    8: lambda _: Deflate(),
    9: lambda _: Deflate64(),
    12: lambda _: bz2.BZ2Decompressor(),
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
        return found if listed.size == UNKNOWN_SIZE else _checked(found, listed)

    size = None if listed.size == UNKNOWN_SIZE else listed.size
    return PackedSource(unpack, room, size=size)


def _checked(unpacked: Iterator[bytes], listed: Listed) -> Iterator[bytes]:
    """The same; raises CouldNotCheck at the end where length or checksum are not as listed."""
    size, crc = 0, 0
    for piece in unpacked:
        size, crc = size + len(piece), zlib.crc32(piece, crc)
        yield piece
    if (size, crc) != (listed.size, listed.crc):
        raise could_not_check("member_damaged")
