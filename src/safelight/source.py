"""The bytes of one file, read through a descriptor that somebody else opened."""

import io
import os
from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO

from safelight.sniff import HEAD_BYTES, Sniffed, sniff

# Up to this size a file is read once, whole: its digests and its pixels are then of the same bytes
# even when somebody writes to it meanwhile, and nothing is mapped that could be cut off under us.
_WHOLE_BYTES = 32 << 20
_CHUNK_BYTES = 1 << 20


class Source:
    """A regular file of `size` bytes behind the descriptor `fd`, whose position may be moved."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.size = os.fstat(fd).st_size

    @cached_property
    def whole(self) -> bytes:
        """Every byte of the file."""
        parts = list(self._read())
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @cached_property
    def sniffed(self) -> Sniffed:
        """Kind and format."""
        return sniff(self.head)

    @property
    def head(self) -> bytes:
        """The first bytes, enough to tell the format."""
        return self.whole[:HEAD_BYTES] if self._small else os.pread(self._fd, HEAD_BYTES, 0)

    @property
    def _small(self) -> bool:
        return self.size <= _WHOLE_BYTES

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes in order, never all at once unless it is small."""
        if not self._small:
            yield from self._read(_CHUNK_BYTES)
        elif self.whole:
            yield self.whole

    def _read(self, chunk: int | None = None) -> Iterator[bytes]:
        at = 0
        while data := os.pread(self._fd, chunk or max(1, self.size - at), at):
            yield data
            at += len(data)
            if chunk is None and at >= self.size:
                return

    def stream(self) -> BinaryIO:
        """The file for a decoder that reads and seeks."""
        if self._small:
            return io.BytesIO(self.whole)
        stream = io.FileIO(self._fd, "rb", closefd=False)
        stream.seek(0)
        return io.BufferedReader(stream)
