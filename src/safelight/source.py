"""The bytes of a file, or of a part of one, read through a descriptor that others opened."""

import errno
import io
import os
import stat
import struct
from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO

from safelight.sniff import HEAD_BYTES, ISO_BYTES, Sniffed, is_disc_image, sniff

# Up to this size a file is read once, whole: its digests and its pixels are then of the same bytes
# even when somebody writes to it meanwhile, and nothing is mapped that could be cut off under us.
_WHOLE_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 20
_BUFFER_BYTES = 64 << 10


class Source:
    """`size` bytes of a file: those of the descriptor `fd`, from `offset` to `offset + size`.

    Without a size, all up to the end that the file has now. Its position is neither used nor
    moved. Reading raises OSError where the disk fails, and CouldNotCheck where bytes must be
    unpacked first and cannot be.
    """

    def __init__(self, fd: int, offset: int = 0, size: int | None = None) -> None:
        self._fd = fd
        self._offset = offset
        self._size = max(0, os.fstat(fd).st_size - offset) if size is None else size

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self._size

    def read_at(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from `at`, fewer at the end; the system may give fewer as well."""
        length = min(length, self._size - at)
        return os.pread(self._fd, length, self._offset + at) if length > 0 else b""

    def window(self, offset: int, size: int) -> "Source":
        """`size` bytes of this, from `offset`, as a source of their own; nothing is read."""
        return Source(self._fd, self._offset + offset, size)

    @cached_property
    def whole(self) -> bytes:
        """Every byte."""
        parts = list(self._read(self.size))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @cached_property
    def sniffed(self) -> Sniffed:
        """Kind and format."""
        found = sniff(self.head)
        if found.format == "unknown" and is_disc_image(self.read_at(*ISO_BYTES)):
            return Sniffed("archive", "iso")
        return found

    @property
    def head(self) -> bytes:
        """The first bytes, enough to tell the format."""
        if "whole" in self.__dict__:
            return self.whole[:HEAD_BYTES]
        return self.read_at(0, HEAD_BYTES)

    @property
    def _small(self) -> bool:
        return self.size <= _WHOLE_BYTES

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order, never all at once unless they are few."""
        if not self._small:
            yield from self._read(_CHUNK_BYTES)
        elif self.whole:
            yield self.whole

    def _read(self, chunk: int) -> Iterator[bytes]:
        at = 0
        while data := self.read_at(at, chunk):
            yield data
            at += len(data)

    def stream(self) -> BinaryIO:
        """The bytes for a decoder that reads and seeks."""
        if self._small:
            return io.BytesIO(self.whole)
        return io.BufferedReader(_Stream(self), _BUFFER_BYTES)


class MemorySource(Source):
    """Bytes that are in memory already. A window of them is no copy."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._view = memoryview(data)
        if isinstance(data, bytes):
            self.__dict__["whole"] = data

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self._view)

    def read_at(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from `at`, fewer at the end."""
        return bytes(self._view[at : at + length])

    def window(self, offset: int, size: int) -> Source:
        """`size` bytes of this, from `offset`, as a source of their own."""
        return MemorySource(self._view[offset : offset + size])


class FarSource(Source):
    """A file that is read through a socket, as safelight.sandbox.far has it."""

    def __init__(self, channel: "_FarChannel", offset: int, size: int) -> None:
        self._channel = channel
        self._offset = offset
        self._size = size

    @classmethod
    def of(cls, fd: int) -> "FarSource":
        """The whole file behind the socket `fd`."""
        channel = _FarChannel(fd)
        return cls(channel, 0, channel.size)

    def read_at(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from `at`, fewer at the end or where that is very many."""
        length = min(length, self._size - at)
        return self._channel.read_at(self._offset + at, length) if length > 0 else b""

    def window(self, offset: int, size: int) -> Source:
        """`size` bytes of this, from `offset`, as a source of their own; nothing is read."""
        return FarSource(self._channel, self._offset + offset, size)


class _FarChannel:
    """Asks for ranges, of 4 MiB at least, and keeps the last: most reads go on where one ended."""

    _REQUEST = struct.Struct("!QQ")
    _ANSWER = struct.Struct("!q")
    _LEAST_BYTES = 4 << 20

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._start = 0
        self._kept = memoryview(b"")
        self.size = self._ask(0, 0)

    def read_at(self, at: int, length: int) -> bytes:
        begin = at - self._start
        if not 0 <= begin < len(self._kept):
            count = self._ask(at, max(length, self._LEAST_BYTES))
            self._start, self._kept, begin = at, memoryview(self._received(count)), 0
        return bytes(self._kept[begin : begin + length])

    def _ask(self, at: int, length: int) -> int:
        os.write(self._fd, self._REQUEST.pack(at, length))
        count: int = self._ANSWER.unpack(self._received(self._ANSWER.size))[0]
        if count < 0:
            raise OSError(errno.EIO, "the file cannot be read where it lies")
        return count

    def _received(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            more = os.read(self._fd, length - len(data))
            if not more:
                raise OSError(errno.EIO, "nobody reads the file for us any more")
            data += more
        return bytes(data)


def open_source(fd: int) -> Source:
    """The bytes behind a descriptor, of a file or of a file that is elsewhere."""
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        return FarSource.of(fd)
    return Source(fd)


class _Stream(io.RawIOBase):
    """A source as a raw file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size}[whence]
        if base + offset < 0:
            raise OSError(22, "a position before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._source.read_at(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
