"""Members that have to be unpacked before anybody can read them."""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from safelight.errors import CouldNotCheck
from safelight.model import Member
from safelight.sniff import HEAD_BYTES, Sniffed, sniff
from safelight.source import MemorySource, Source
from safelight.unpack.rules import UnpackLimits, could_not_check

SMALL_BYTES = 1 << 20
_NOTE_BYTES = 4096
_SEARCH_BYTES = 1 << 30
_READ_BYTES = 1 << 20
_SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF.{4}WEBP|ftyp(?:avi|hei|mif)|%PDF-"
    rb"|PK\x03\x04|7z\xbc\xaf\x27\x1c|Rar!\x1a|\x1f\x8b\x08|BZh[1-9]1AY|\xfd7zXZ",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A member as a reader finds it. Without a source there is a code, with one there may be.

    `sniffed` is what it is where the container says so, not its first bytes.
    """

    member: Member
    source: Source | None = None
    code: str | None = None
    sniffed: Sniffed | None = None


class Room:
    """What a reader may still use: bytes unpacked in this walk, and bytes of a member in memory.

    `held`: what the containers around it keep in memory; twice the largest member is the most that
    a walk keeps. `notes` collects the flags of the container that is being read.
    """

    def __init__(self, limits: UnpackLimits, held: int = 0, meter: list[int] | None = None) -> None:
        self.limits = limits
        self.most = max(0, min(limits.max_member_bytes, 2 * limits.max_member_bytes - held))
        self.notes: set[str] = set()
        self._held = held
        self._meter = [0] if meter is None else meter

    def inside(self, held: int) -> "Room":
        """The room for the members of a container that keeps `held` bytes in memory itself."""
        return Room(self.limits, self._held + held, self._meter)

    def took(self, count: int) -> None:
        """Count bytes that were unpacked. Raises CouldNotCheck past the limit of the walk."""
        self._meter[0] += count
        if self._meter[0] > self.limits.max_total_bytes:
            raise could_not_check("too_much_data")


class PackedSource(Source):
    """Bytes that `unpack` gives in pieces when they are first asked for.

    `size` is what the container says, None where it does not. More than `room.most` bytes are not
    kept: they can be gone through with `chunks`, but not read at will, which raises CouldNotCheck
    with `member_too_large`. A source that can be unpacked only `once` must be touched before its
    container is read on.
    """

    def __init__(
        self,
        unpack: Callable[[], Iterator[bytes]],
        room: Room,
        *,
        size: int | None = None,
        once: bool = False,
    ) -> None:
        self._unpack = unpack
        self._most = room.most
        self.known_size = size
        self.once = once
        self._begun: Iterator[bytes] | None = None
        self._first = b""
        self._used = False
        self._failure: CouldNotCheck | None = None

    @property
    def size(self) -> int:
        """How many bytes there are; unpacks them where only that can tell."""
        if self.known_size is None:
            self.known_size = sum(map(len, self.chunks()))
        return self.known_size

    @property
    def held(self) -> int:
        """How many bytes this keeps in memory."""
        return len(self.whole) if "whole" in self.__dict__ else 0

    @cached_property
    def whole(self) -> bytes:
        """Every byte."""
        if self.known_size is not None and self.known_size > self._most:
            raise could_not_check("member_too_large")
        gathered = io.BytesIO()
        for piece in self.pieces():
            if gathered.tell() + len(piece) > self._most:
                raise could_not_check("member_too_large")
            gathered.write(piece)
        return gathered.getvalue()

    @cached_property
    def sniffed(self) -> Sniffed:
        """Kind and format."""
        return sniff(self.head)

    @property
    def head(self) -> bytes:
        """The first bytes, enough to tell the format."""
        small = self.known_size is not None and self.known_size <= min(SMALL_BYTES, self._most)
        if small or "whole" in self.__dict__:
            return self.whole[:HEAD_BYTES]
        if self._begun is None:
            self._begun = self._unpacked()
            while len(self._first) < HEAD_BYTES and (piece := next(self._begun, b"")):
                self._first += piece
        return self._first[:HEAD_BYTES]

    def _unpacked(self) -> Iterator[bytes]:
        """What `unpack` gives; once that failed, nobody is given less instead."""
        if self._failure is not None:
            raise self._failure
        try:
            yield from self._unpack()
        except CouldNotCheck as exc:
            self._failure = exc
            raise
        except (MemoryError, OSError):
            raise
        except Exception as exc:
            self._failure = could_not_check("member_damaged")
            raise self._failure from exc

    def pieces(self) -> Iterator[bytes]:
        """The bytes in order, kept nowhere."""
        if "whole" in self.__dict__:
            yield self.whole
            return
        count = 0
        for piece in self._run():
            count += len(piece)
            yield piece
        self.known_size = count

    def _run(self) -> Iterator[bytes]:
        if self.once and self._used:
            raise self._failure or could_not_check("member_too_large")
        self._used = True
        first, begun = self._first, self._begun
        self._first, self._begun = b"", None
        if begun is None or self._failure is not None:
            yield from self._unpacked()
        else:
            yield first
            yield from begun

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order, not kept where they are too many."""
        if self._fits():
            if self.whole:
                yield self.whole
        else:
            yield from self.pieces()

    def _fits(self) -> bool:
        if self.known_size is not None:
            return self.known_size <= self._most
        try:
            return len(self.whole) <= self._most
        except CouldNotCheck as exc:
            if exc.code != "member_too_large":
                raise
            return False

    def read_at(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from `at`, fewer at the end."""
        return self.whole[at : at + length]

    def window(self, offset: int, size: int) -> Source:
        """`size` bytes of this, from `offset`, as a source of their own."""
        return MemorySource(memoryview(self.whole)[offset : offset + size])

    def stream(self) -> BinaryIO:
        """The bytes for a decoder that reads and seeks."""
        return io.BytesIO(self.whole)


def pieces(source: Source) -> Iterator[bytes]:
    """The bytes of any source in order, without keeping more of them than need be."""
    return source.pieces() if isinstance(source, PackedSource) else source.chunks()


def read_exactly(source: Source, at: int, length: int) -> bytes:
    """`length` bytes from `at`. Raises CouldNotCheck with `archive_damaged` where they are not."""
    parts = []
    while length > 0:
        data = source.read_at(at, length)
        if not data:
            raise could_not_check("archive_damaged")
        parts.append(data)
        at, length = at + len(data), length - len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def only_zeros(source: Source, begin: int, end: int) -> bool:
    """Whether nothing but zeros lies there; False as well where that is too much to look at."""
    if end - begin > _SEARCH_BYTES:
        return False
    while begin < end and (data := source.read_at(begin, min(_READ_BYTES, end - begin))):
        if data.strip(b"\0"):
            return False
        begin += len(data)
    return True


def may_hide(note: bytes) -> bool:
    """Whether a comment, or another field that is not looked at, may be or hold a file."""
    return len(note.strip(b"\0")) > _NOTE_BYTES or _SIGNATURES.search(note) is not None
