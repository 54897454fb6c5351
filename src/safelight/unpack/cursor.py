"""Reading a container from its beginning to its end, by leaps where its bytes lie at hand."""

from collections.abc import Iterator
from typing import Protocol

from safelight.errors import CouldNotCheck
from safelight.source import Source
from safelight.unpack.inflate import checked
from safelight.unpack.packed import PackedSource, Room, pieces
from safelight.unpack.rules import could_not_check

_LEAP_FROM = 32 << 20  # a packed source up to this size is rather unpacked whole


class Cursor(Protocol):
    """A place in a container's bytes that only moves forward."""

    at: int

    def read(self, length: int) -> bytes:
        """The next `length` bytes, fewer at the end."""

    def move_to(self, at: int) -> bool:
        """Go forward to `at`; say whether the bytes reach that far."""

    def is_short_of(self, length: int) -> bool:
        """Whether it is known that fewer than `length` bytes are left."""

    def member(self, length: int) -> Source:
        """The next `length` bytes as a source, without moving."""


class LeapingCursor:
    """Over a source that can be read anywhere: nothing between is read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.at = 0

    def read(self, length: int) -> bytes:
        """The next `length` bytes, fewer at the end."""
        parts = []
        while length > 0 and (data := self._source.read_at(self.at, length)):
            parts.append(data)
            self.at, length = self.at + len(data), length - len(data)
        return b"".join(parts)

    def move_to(self, at: int) -> bool:
        """Go forward to `at`; say whether the bytes reach that far."""
        self.at = at
        return at <= self._source.size

    def is_short_of(self, length: int) -> bool:
        """Whether it is known that fewer than `length` bytes are left."""
        return self.at + length > self._source.size

    def member(self, length: int) -> Source:
        """The next `length` bytes as a source, without moving; those that there are."""
        length = max(0, min(length, self._source.size - self.at))
        return self._source.window(self.at, length)


class FlowingCursor:
    """Over bytes that come once, in order; a member not touched in time flows past."""

    def __init__(self, flow: Iterator[bytes], room: Room) -> None:
        self._flow = flow
        self._room = room
        self._ahead = memoryview(b"")
        self._failure: CouldNotCheck | None = None
        self.at = 0

    def read(self, length: int) -> bytes:
        """The next `length` bytes, fewer at the end."""
        parts = list(self._pieces(length))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def move_to(self, at: int) -> bool:
        """Go forward to `at`; say whether the bytes reach that far."""
        for _ in self._pieces(at - self.at):
            pass
        return self.at == at

    def is_short_of(self, length: int) -> bool:  # noqa: ARG002
        """Whether it is known that fewer than `length` bytes are left: it never is."""
        return False

    def member(self, length: int, crc: int | None = None) -> Source:
        """The next `length` bytes as a source, to be touched before the cursor moves.

        With `crc`, their CRC-32, they are checked.
        """
        start = self.at

        def unpack() -> Iterator[bytes]:
            return checked(self._from(start, start + length), length, crc)

        return PackedSource(unpack, self._room, size=length, once=True)

    def _from(self, at: int, end: int) -> Iterator[bytes]:
        while at < end:
            if self.at != at:  # it has flown past
                raise could_not_check("member_too_large")
            piece = next(self._pieces(end - at), b"")
            if not piece:
                return
            at += len(piece)
            yield piece

    def _pieces(self, length: int) -> Iterator[bytes]:
        while length > 0:
            view = self._ahead or memoryview(self._next())
            if not view:
                return
            piece, self._ahead = bytes(view[:length]), view[length:]
            self.at, length = self.at + len(piece), length - len(piece)
            yield piece

    def _next(self) -> bytes:
        """What comes next; where the flow failed, it fails again instead of just ending."""
        if self._failure is not None:
            raise self._failure
        try:
            return next(self._flow, b"")
        except CouldNotCheck as exc:
            self._failure = exc
            raise


def cursor_over(source: Source, room: Room) -> Cursor:
    """The cursor that keeps least in memory, and leaps where it can."""
    if isinstance(source, PackedSource) and not source.once and not source.held:
        known = source.known_size
        if known is None or known > _LEAP_FROM:
            return FlowingCursor(pieces(source), room)
    return LeapingCursor(source)
