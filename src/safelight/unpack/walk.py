"""The face of unpacking: every member of a container, and of the containers in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from safelight.errors import CouldNotCheck
from safelight.model import Member
from safelight.sniff import Sniffed
from safelight.source import Source
from safelight.unpack import mail, mbox, pdf, seven_zip, single, tar_reader, zip_reader
from safelight.unpack.packed import Entry, PackedSource, Room, pieces
from safelight.unpack.prepare import prepare
from safelight.unpack.rules import (
    TOO_DEEP,
    UnpackLimits,
    could_not_check,
    flag_for,
    is_container,
)

__all__ = ["ContainerFacts", "Item", "UnpackLimits", "is_container", "prepare", "walk"]

Reader = Callable[[Source, Room], Iterator[Entry]]

_READERS: dict[str, Reader] = {
    "zip": zip_reader.members,
    "tar": tar_reader.members,
    "7z": seven_zip.members,
    "mbox": mbox.members,
    "eml": mail.members,
    "emlx": mail.members,
    "mht": mail.members,
    "pdf": pdf.members,
}
_COMPRESSED = frozenset({"gzip", "bzip2", "xz", "lzma", "zstd"})
_READ_FORWARD = _COMPRESSED | {"tar"}
_READ_WHOLE = frozenset({"eml", "emlx", "mht"})
_UNKNOWN = Sniffed("other", "unknown")
_SMALL_BYTES = 32 << 20

# What an Office file with a password calls the one thing in it.
_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFacts:
    """What is said of a container once its members have been given."""

    kind: str  # archive, mail, document
    format: str
    members: int  # directly inside
    flags: tuple[str, ...]  # why some were not reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A member, or a container after its members. The outermost comes last; its chain is empty.

    With a `code`, it could not be examined, or a container not be opened; where there is a `source`
    as well, its bytes, or those of them that are left, can still be digested. Reading a source may
    raise CouldNotCheck too, and must be done before the next item is asked for.
    """

    number: int  # from 0, in the order of the walk, which is the same every time
    chain: tuple[Member, ...]
    source: Source | None
    code: str | None
    kind: str
    format: str
    container: ContainerFacts | None = None


def walk(source: Source, limits: UnpackLimits | None = None, *, start: int = 0) -> Iterator[Item]:
    """Every item in the container `source` from number `start` on; the container itself is last.

    The items before `start` are gone through without reading more of them than is needed to tell
    which are containers. Raises MemoryError, and OSError where the beginning cannot be read.
    """
    limits = limits or UnpackLimits()
    yield from _Walk(limits, start).container(source, source.sniffed, (), 1, Room(limits))


class _Walk:
    """Counts the items of one walk."""

    def __init__(self, limits: UnpackLimits, start: int) -> None:
        self._limits = limits
        self._start = start
        self._next = 0

    def container(
        self,
        source: Source,
        sniffed: Sniffed,
        chain: tuple[Member, ...],
        depth: int,
        around: Room,
    ) -> Iterator[Item]:
        """The items inside, then the container's own."""
        count = 0
        held, code = _hold(source, sniffed)
        room = around.inside(held)
        try:
            for entry in () if code else _entries(source, sniffed, room, chain):
                if self._next >= self._limits.max_members:
                    raise could_not_check("too_many_members")
                count += 1
                yield from self._member(entry, chain, depth, room)
        except CouldNotCheck as exc:
            if count or exc.code == "too_many_members":
                room.notes.add(flag_for(exc.code))
            else:
                code = exc.code
        facts = ContainerFacts(
            kind=sniffed.kind, format=sniffed.format, members=count, flags=tuple(sorted(room.notes))
        )
        yield from self._item(chain, source, code, sniffed, None if code else facts)

    def _member(
        self, entry: Entry, around: tuple[Member, ...], depth: int, room: Room
    ) -> Iterator[Item]:
        chain, source, code = (*around, entry.member), entry.source, entry.code
        sniffed = entry.sniffed or _UNKNOWN
        if source is not None and code is None and entry.sniffed is None:
            sniffed, code = _look_at(source)
            source = None if code else source
        if source is None or code is not None or not is_container(sniffed):
            yield from self._item(chain, source, code, sniffed)
            return
        depth += not (sniffed.format == "tar" and entry.member.kind == "compressed")
        if depth > self._limits.max_depth:
            room.notes.add(TOO_DEEP)
            yield from self._item(chain, source, "too_deep", sniffed)
        else:
            yield from self.container(source, sniffed, chain, depth, room)

    def _item(
        self,
        chain: tuple[Member, ...],
        source: Source | None,
        code: str | None,
        sniffed: Sniffed,
        facts: ContainerFacts | None = None,
    ) -> Iterator[Item]:
        number, self._next = self._next, self._next + 1
        if number >= self._start:
            yield Item(
                number=number,
                chain=chain,
                source=source,
                code=code,
                kind=sniffed.kind,
                format=sniffed.format,
                container=facts,
            )


def _look_at(source: Source) -> tuple[Sniffed, str | None]:
    """What a member is, or why that cannot be told."""
    try:
        return source.sniffed, None
    except CouldNotCheck as exc:
        return _UNKNOWN, exc.code
    except MemoryError:
        return _UNKNOWN, "out_of_memory"
    except OSError:
        return _UNKNOWN, "read_error"


def _hold(source: Source, sniffed: Sniffed) -> tuple[int, str | None]:
    """Unpack a container that must be read at will: what it keeps in memory, or why it cannot."""
    if not isinstance(source, PackedSource):
        return (source.size if sniffed.format in _READ_WHOLE else 0), None
    forward = sniffed.format in _READ_FORWARD and not source.once
    small = source.known_size is not None and source.known_size <= _SMALL_BYTES
    try:
        return (source.held if forward and not small else len(source.whole)), None
    except CouldNotCheck as exc:
        return 0, exc.code
    except MemoryError:
        return 0, "out_of_memory"
    except OSError:
        return 0, "read_error"


def _entries(
    source: Source, sniffed: Sniffed, room: Room, chain: tuple[Member, ...]
) -> Iterator[Entry]:
    """What the reader of this format finds. Raises CouldNotCheck when it cannot go on."""
    if sniffed.format in _COMPRESSED:
        yield from single.members(source, room, chain[-1].name if chain else b"")
        return
    if sniffed.format not in _READERS:
        locked = sniffed.format == "ole" and _holds(source, _ENCRYPTED_OFFICE)
        raise could_not_check("password_protected" if locked else "archive_not_supported")
    try:
        yield from _READERS[sniffed.format](source, room)
    except CouldNotCheck:
        raise
    except MemoryError as exc:
        raise could_not_check("out_of_memory") from exc
    except OSError as exc:
        raise could_not_check("read_error") from exc
    except Exception as exc:
        raise could_not_check("archive_damaged") from exc


def _holds(source: Source, wanted: bytes) -> bool:
    before = b""
    for piece in pieces(source):
        if wanted in before + piece[: len(wanted)] or wanted in piece:
            return True
        before = piece[-len(wanted) :]
    return False
