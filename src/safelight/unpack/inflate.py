"""Decompressors, all with one face, and the loop that drives them within limits."""

import bz2
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import inflate64

from safelight.unpack.packed import Room
from safelight.unpack.rules import DICTIONARY_BYTES, MEMBERS_MISSING, could_not_check

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PIECE_BYTES = 256 << 10
_END_BYTES = 24
_HEADER_BYTES = 4096
_ZSTD_WINDOW_LOG = DICTIONARY_BYTES.bit_length() - 1


class Inflater(Protocol):
    """A decompressor as `bz2` and `lzma` have it."""

    @property
    def eof(self) -> bool:
        """Whether the packed stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without further packed bytes."""

    @property
    def unused_data(self) -> bytes:
        """What lies behind the packed stream, of the bytes given."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take packed bytes, give up to `max_length` of what they unpack to."""


MakeInflater = Callable[[], Inflater]


class Deflate:
    """zlib, with the face of the others. `bits`: -15 for a bare stream, 31 for a gzip member."""

    def __init__(self, bits: int = -zlib.MAX_WBITS) -> None:
        self._inner = zlib.decompressobj(bits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """Whether the packed stream has ended."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What lies behind the packed stream."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take packed bytes, give up to `max_length` of what they unpack to."""
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = len(out) < max_length and not self._inner.unconsumed_tail
        return out


class Bounded:
    """A decompressor for a stream that has no mark at its end, but a known size unpacked."""

    def __init__(self, inner: "Inflater", size: int) -> None:
        self._inner = inner
        self._left = size
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        """Whether the packed stream has ended."""
        return self._left == 0 or self._inner.eof

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without further packed bytes."""
        return self._inner.needs_input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take packed bytes, give up to `max_length` of what they unpack to."""
        out = self._inner.decompress(data, min(max_length, self._left))
        self._left -= len(out)
        return out


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


def raw_lzma(filters: list[dict[str, Any]], size: int) -> Inflater:
    """For a bare LZMA stream that unpacks to `size` bytes."""
    if any(only.get("dict_size", 0) > DICTIONARY_BYTES for only in filters):
        raise could_not_check("out_of_memory")
    return Bounded(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters), size)


def lzma1_filter(properties: bytes) -> dict[str, Any]:
    """What five bytes of properties say. Raises CouldNotCheck for what LZMA cannot be."""
    if len(properties) != 5 or properties[0] >= 225:
        raise could_not_check("member_damaged")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    size = max(4096, int.from_bytes(properties[1:], "little"))
    return {"id": lzma.FILTER_LZMA1, "dict_size": size, "lc": lc, "lp": lp, "pb": pb}


def gzip_member() -> Inflater:
    """For one member of a gzip file, with its header and checksum."""
    return Deflate(31)


def bzip2() -> Inflater:
    """For one bzip2 stream."""
    return bz2.BZ2Decompressor()


def xz() -> Inflater:
    """For one xz stream, or an .lzma file."""
    return lzma.LZMADecompressor(memlimit=DICTIONARY_BYTES)


def zstandard() -> Inflater:
    """For one zstd frame."""
    parameter = zstd.DecompressionParameter.window_log_max
    return zstd.ZstdDecompressor(options={parameter: _ZSTD_WINDOW_LOG})


class _Feed:
    """Packed bytes, with those that a decompressor gave back in front."""

    def __init__(self, packed: Iterable[bytes]) -> None:
        self._packed = iter(packed)
        self._back = b""
        self.taken = 0

    def take(self) -> bytes:
        """The next bytes; none at the end."""
        data, self._back = self._back, b""
        if not data:
            data = next(self._packed, b"")
            self.taken += len(data)
        return data

    def put_back(self, data: bytes) -> None:
        self._back = data

    def holds_more(self) -> bool:
        """Whether more follows than zeros and a mark at the end."""
        rest = b""
        while len(rest) <= _END_BYTES and (data := self.take()):
            rest = (rest + data).lstrip(b"\0")
        return len(rest) > _END_BYTES

    def peek(self) -> bytes:
        """The next bytes, still to be taken, enough for the header of a stream."""
        while len(self._back) < _HEADER_BYTES and (data := next(self._packed, b"")):
            self.taken += len(data)
            self._back += data
        return self._back[:_HEADER_BYTES]

    def skip_zeros(self) -> bytes:
        """What comes after any padding of zeros: its first bytes, still to be taken."""
        while (data := self.take()) and not (rest := data.lstrip(b"\0")):
            pass
        if data:
            self._back = rest
        return self.peek()


def inflated(
    packed: Iterable[bytes],
    make: MakeInflater,
    room: Room,
    *,
    begins: "re.Pattern[bytes] | None" = None,
    hides: Callable[[bytes], bool] = lambda _: False,
) -> Iterator[bytes]:
    """What packed bytes unpack to, in pieces.

    With `begins`, which fits the beginning of a stream, further streams may follow the first; what
    follows and does not fit is noted as a member that is missing, and so is, without `begins`, all
    that follows. `hides` tells whether the beginning of a stream may hold something that is not
    unpacked. Raises CouldNotCheck.
    """
    feed, given = _Feed(packed), 0
    while True:
        if begins and hides(feed.peek()):
            room.notes.add(MEMBERS_MISSING)
        for piece in _one_stream(make(), feed):
            given += len(piece)
            room.took(len(piece))
            room.limits.check_ratio(feed.taken, given)
            yield piece
        if not begins:
            if feed.holds_more():
                room.notes.add(MEMBERS_MISSING)
            return
        following = feed.skip_zeros()
        if not following:
            return
        if not begins.match(following):
            room.notes.add(MEMBERS_MISSING)
            return


def _one_stream(inflater: Inflater, feed: _Feed) -> Iterator[bytes]:
    while not inflater.eof:
        data = feed.take() if inflater.needs_input else b""
        if not data and inflater.needs_input:
            raise could_not_check("member_damaged")  # it ends too early
        piece = _decompress(inflater, data)
        if piece:
            yield piece
    feed.put_back(inflater.unused_data)


_ERRORS = (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, zstd.ZstdError)


def _decompress(inflater: Inflater, data: bytes) -> bytes:
    try:
        return inflater.decompress(data, _PIECE_BYTES)
    except MemoryError as exc:
        raise could_not_check("out_of_memory") from exc
    except _ERRORS as exc:
        wants_memory = "emory" in str(exc)
        raise could_not_check("out_of_memory" if wants_memory else "member_damaged") from exc


def checked(unpacked: Iterator[bytes], size: int, crc: int | None) -> Iterator[bytes]:
    """The same; raises CouldNotCheck at the end where length or CRC-32 are not as stated."""
    found_size, found_crc = 0, 0
    for piece in unpacked:
        found_size += len(piece)
        found_crc = zlib.crc32(piece, found_crc)
        yield piece
    if found_size != size or crc not in (None, found_crc):
        raise could_not_check("member_damaged")
