"""A file that a child may read though there is no descriptor of it: it lies in another place.

The child is given a socket instead, asks for ranges, and the parent reads them for it. One request
is 16 bytes, where from and how many; an answer is 8 bytes, how many there are or -1 for a failure,
and then those. Asked for none, the parent answers with the size of the file. The child's side is
`safelight.source.FarSource`.
"""

import io
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from safelight.errors import CouldNotCheck

REQUEST = struct.Struct("!QQ")
ANSWER = struct.Struct("!q")
MOST_AT_ONCE = 8 << 20  # bytes; who asks for more gets so many


class FarFile:
    """A file of `size` bytes of which `read(start, end)` gives a range, or raises CouldNotCheck.

    `failure` is the first thing it raised.
    """

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self.size = size
        self.failure: CouldNotCheck | None = None
        self._read = read

    def stream(self) -> BinaryIO:
        """The bytes in order, for this process. Reading may raise CouldNotCheck."""
        return io.BufferedReader(_Stream(self.size, self._read), MOST_AT_ONCE)

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        """A descriptor to give to one child, for one task."""
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._serve, args=(ours,), daemon=True, name="far file").start()
        try:
            yield theirs.fileno()
        finally:
            theirs.close()
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)  # ends the thread, which closes it

    def _serve(self, channel: socket.socket) -> None:
        with channel, suppress(OSError):  # the child went away
            while len(request := _received(channel, REQUEST.size)) == REQUEST.size:
                start, length = REQUEST.unpack(request)
                channel.sendall(self._answer(start, length))

    def _answer(self, start: int, length: int) -> bytes:
        if not length:
            return ANSWER.pack(self.size)
        end = min(start + min(length, MOST_AT_ONCE), self.size)
        if start >= end:
            return ANSWER.pack(0)
        try:
            data = self._read(start, end)
        except CouldNotCheck as exc:
            self.failure = self.failure or exc
            return ANSWER.pack(-1)
        return ANSWER.pack(len(data)) + data


class _Stream(io.RawIOBase):
    """A file that lies elsewhere as a raw file, forward only."""

    def __init__(self, size: int, read: Callable[[int, int], bytes]) -> None:
        self._size = size
        self._read = read
        self._at = 0

    def readable(self) -> bool:
        return True

    def readall(self) -> bytes:
        """All that is left, in large pieces: what the base class asks for are small ones."""
        gathered = io.BytesIO()
        while self._at < self._size:
            end = min(self._at + MOST_AT_ONCE, self._size)
            gathered.write(self._read(self._at, end))
            self._at = end
        return gathered.getvalue()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        end = min(self._at + len(buffer), self._size)
        if self._at == end:
            return 0
        data = self._read(self._at, end)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _received(channel: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length and (more := channel.recv(length - len(data))):
        data += more
    return data
