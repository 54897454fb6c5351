"""tar: POSIX, GNU and old ones, from the first block to the last, in one pass."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from safelight.model import Member
from safelight.source import Source
from safelight.unpack.cursor import Cursor, cursor_over
from safelight.unpack.packed import Entry, Room, may_hide
from safelight.unpack.rules import HEADER_BYTES, MEMBERS_MISSING, could_not_check
from safelight.unpack.tar_header import (
    BLOCK,
    Header,
    parse_header,
    parse_pax,
    pax_rest,
    pax_time,
)
from safelight.unpack.tar_sparse import GNU_SPARSE, SparseMap, read_map, sparse_source

_LONG_NAME, _LONG_LINK, _PAX_GLOBAL = b"L", b"K", b"g"
_PAX = (b"x", b"X")
_EXTENSIONS = frozenset({_LONG_NAME, _LONG_LINK, _PAX_GLOBAL, *_PAX})
_LINKS_AND_DEVICES = frozenset({b"1", b"2", b"3", b"4", b"6"})
_FOLDER = b"5"
_WITHOUT_DATA = _LINKS_AND_DEVICES | {_FOLDER}
_MOSTLY_EMPTY = frozenset({b"D", b"V", b"N"})  # lists of folders, labels, long names
_LOOK_ON_BYTES = 64 << 20  # so far the next header is looked for behind what is none

Records = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class _Extended:
    """What the headers in front of a member's own say about it."""

    records: Records
    name: bytes | None = None


@dataclass(slots=True)
class _Archive:
    """A tar that is being read."""

    cursor: Cursor
    room: Room
    everywhere: Records = field(default_factory=list)  # what is said about all that follow


def members(source: Source, room: Room) -> Iterator[Entry]:
    """The files of a tar, also those behind its end mark and behind a damaged header."""
    archive = _Archive(cursor_over(source, room), room)
    extended = _Extended([])
    while header := _next_header(archive):
        if header.type in _EXTENSIONS:
            _take_extension(archive, header, extended)
            continue
        yield from _member(archive, header, extended)
        extended = _Extended(list(archive.everywhere))


def _next_header(archive: _Archive) -> Header | None:
    looked = 0
    while looked < _LOOK_ON_BYTES and (block := archive.cursor.read(BLOCK)):
        if header := parse_header(block):
            return header
        if block.strip(b"\0"):
            looked += BLOCK
            archive.room.notes.add(MEMBERS_MISSING)
    return None


def _take_extension(archive: _Archive, header: Header, extended: _Extended) -> None:
    cursor = archive.cursor
    if header.size > HEADER_BYTES or cursor.is_short_of(header.size):
        raise could_not_check("archive_damaged")
    data = cursor.read(header.size)
    cursor.move_to(cursor.at + -header.size % BLOCK)
    if _hides(header, data):
        archive.room.notes.add(MEMBERS_MISSING)
    if header.type == _LONG_NAME:
        extended.name = data.partition(b"\0")[0]
    elif header.type in _PAX:
        extended.records += parse_pax(data)
    elif header.type == _PAX_GLOBAL:
        archive.everywhere += parse_pax(data)
        extended.records += parse_pax(data)


def _hides(header: Header, data: bytes) -> bool:
    """Whether a header that only describes may hold a file."""
    if header.type in (_LONG_NAME, _LONG_LINK):
        return may_hide(data)
    values = [value for _, value in parse_pax(data) if not _is_map(value)]
    return bool(pax_rest(data).strip(b"\0")) or any(map(may_hide, values))


def _is_map(value: bytes) -> bool:
    """Whether these are numbers, as of the pieces of a sparse file."""
    return not value.translate(None, b"0123456789,")


def _member(archive: _Archive, header: Header, extended: _Extended) -> Iterator[Entry]:
    cursor, member = archive.cursor, _described(header, extended)
    if header.type in _LINKS_AND_DEVICES:
        yield Entry(member=member, code="not_a_file")
    if header.type in _WITHOUT_DATA:
        return
    end = _end(cursor.at, header, extended)
    places = read_map(header, extended.records, cursor)
    if header.type == GNU_SPARSE:  # its map lies in front of the data that is counted
        end = _end(cursor.at, header, extended)
    if header.type not in _MOSTLY_EMPTY or end > cursor.at:
        yield _file(archive, member, max(0, end - cursor.at), places)
    if not cursor.move_to(end):
        archive.room.notes.add(MEMBERS_MISSING)
    cursor.move_to(end + -end % BLOCK)


def _end(begin: int, header: Header, extended: _Extended) -> int:
    size = int(dict(extended.records).get(b"size", header.size))
    if size < 0:
        raise could_not_check("archive_damaged")
    return begin + size


def _file(archive: _Archive, member: Member, size: int, places: SparseMap | None) -> Entry:
    code = "member_damaged" if archive.cursor.is_short_of(size) else None
    stored = archive.cursor.member(size)
    source = stored if places is None else sparse_source(stored, places, archive.room)
    return Entry(member=member, source=source, code=code)


def _described(header: Header, extended: _Extended) -> Member:
    pax = dict(extended.records)
    name = pax.get(b"GNU.sparse.name") or pax.get(b"path") or extended.name or header.name
    modified = header.modified
    if b"mtime" in pax:
        modified = pax_time(pax[b"mtime"])
    return Member(name=name, kind="archive_member", modified=modified)
