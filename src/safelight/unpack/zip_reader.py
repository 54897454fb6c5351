"""zip, and what is one under another name: docx, odt, epub, apk, jar, cbz.

The list at the end counts, as for every program that unpacks. Members that it leaves out, and files
behind it, are noted as missing; without a list the members' own headers are followed.
"""

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from safelight.errors import CouldNotCheck
from safelight.model import Member
from safelight.source import Source
from safelight.unpack.packed import Entry, Room, may_hide, only_zeros, read_exactly
from safelight.unpack.rules import MEMBERS_MISSING
from safelight.unpack.zip_directory import (
    Directory,
    Listed,
    dos_time,
    find_directory,
    listed,
    wide,
)
from safelight.unpack.zip_member import AES, ENCRYPTED, UNKNOWN_SIZE, member_source

_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_MARK = b"PK\3\4"
_HAS_DESCRIPTOR = 8
_DESCRIPTOR_BYTES = 24
_COMMENT_BYTES = 0xFFFF
_PLAIN_BYTES = 512  # a name and extra fields up to this hide nothing
_SEARCH_BYTES = 1 << 30
_READ_BYTES = 1 << 20


def members(source: Source, room: Room) -> Iterator[Entry]:
    """The files of a zip in the order of its list."""
    directory = find_directory(source)
    if directory is None:
        room.notes.add(MEMBERS_MISSING)
        yield from _members_without_list(source, room)
        return
    behind = source.read_at(directory.file_end, _COMMENT_BYTES).strip(b"\0\r\n")
    if behind or directory.stray or may_hide(directory.comment):
        room.notes.add(MEMBERS_MISSING)
    places = _Places(source, directory, room)
    for found in listed(source, directory):
        if may_hide(found.extra) or may_hide(found.comment):
            room.notes.add(MEMBERS_MISSING)
        entry = _entry(source, found, places, room)
        if not _is_folder(found):
            yield entry
        elif entry.code in ("member_damaged", "suspicious_ratio"):
            room.notes.add(MEMBERS_MISSING)


def _is_folder(found: Listed) -> bool:
    return found.name.endswith(b"/") and found.size == 0 and found.packed <= 2


def _entry(source: Source, found: Listed, places: "_Places", room: Room) -> Entry:
    member = Member(name=found.name, kind="archive_member", modified=found.modified)
    local = source.read_at(found.at, _LOCAL.size)
    if len(local) < _LOCAL.size or local[:4] != _LOCAL_MARK:
        return Entry(member=member, code="member_damaged")
    fields = _LOCAL.unpack(local)
    if _hides(source, found, fields):
        room.notes.add(MEMBERS_MISSING)
    begin = found.at + _LOCAL.size + fields[9] + fields[10]
    if begin + found.packed > places.end:
        return Entry(member=member, code="member_damaged")
    if places.overlaps(found.at, begin + found.packed):
        return Entry(member=member, code="suspicious_ratio")
    if fields[2] & ENCRYPTED:
        return Entry(member=member, code="password_protected")
    return _readable(source, found, member, begin, room)


def _hides(source: Source, found: Listed, fields: tuple[int, ...]) -> bool:
    """Whether a member's own header may hold a file, or says that it is packed in another way."""
    length = fields[9] + fields[10]
    if fields[3] != found.method:
        return True
    return length > _PLAIN_BYTES and may_hide(source.read_at(found.at + _LOCAL.size, length))


def _readable(source: Source, found: Listed, member: Member, begin: int, room: Room) -> Entry:
    if found.flags & ENCRYPTED or found.method == AES:
        return Entry(member=member, code="password_protected")
    unpacked = member_source(source.window(begin, found.packed), found, room)
    if unpacked is None:
        return Entry(member=member, code="unsupported_compression")
    return Entry(member=member, source=unpacked)


class _Places:
    """Where members lie, to tell which share bytes and what lies between them unlisted."""

    def __init__(self, source: Source, directory: Directory, room: Room) -> None:
        self._source, self._room = source, room
        self.end = directory.begin
        begins = _begins(source, directory, room.limits.max_members)
        self._complete = len(begins) <= room.limits.max_members
        self._begins = array("Q", sorted(begins))
        self._given: set[int] = set()  # those of the begins that several members have
        self._note_unlisted(0, self._begins[0] if self._begins else self.end)

    def overlaps(self, begin: int, end: int) -> bool:
        """Whether a member reaches into the next one, or begins where one began before it."""
        following = bisect_right(self._begins, begin)
        next_begin = self._begins[following] if following < len(self._begins) else self.end
        self._note_unlisted(end, next_begin)
        if following - bisect_left(self._begins, begin) > 1:
            if begin in self._given:
                return True
            self._given.add(begin)
        return end > next_begin

    def _note_unlisted(self, begin: int, end: int) -> None:
        if not self._complete or end - begin <= _DESCRIPTOR_BYTES:
            return
        if not only_zeros(self._source, begin + _DESCRIPTOR_BYTES, end):
            self._room.notes.add(MEMBERS_MISSING)


def _begins(source: Source, directory: Directory, most: int) -> "array[int]":
    begins = array("Q")
    with suppress(CouldNotCheck):  # a damaged list, which its reader will come upon as well
        begins.extend(found.at for found in islice(listed(source, directory), most + 1))
    return begins


def _find_local(source: Source, begin: int, end: int) -> int:
    """Where the next member's own header is; -1 where none is near."""
    end = min(end, begin + _SEARCH_BYTES)
    while begin < end and (data := source.read_at(begin, min(_READ_BYTES, end - begin))):
        if (found := data.find(_LOCAL_MARK)) >= 0:
            return begin + found
        begin += max(1, len(data) - len(_LOCAL_MARK) + 1)
    return -1


def _members_without_list(source: Source, room: Room) -> Iterator[Entry]:
    at = _find_local(source, 0, source.size)
    while at >= 0:
        found, begin, end = _from_local(source, at)
        if not _is_folder(found):
            yield _recovered(source, found, begin, room)
        at = _find_local(source, end, source.size)


def _from_local(source: Source, at: int) -> tuple[Listed, int, int]:
    """What a member's own header says, where its data begins, and where to look further.

    A header that was written before the member was packed does not know the sizes.
    """
    fields = _LOCAL.unpack(read_exactly(source, at, _LOCAL.size))
    names = read_exactly(source, at + _LOCAL.size, fields[9] + fields[10])
    begin, extra = at + _LOCAL.size + len(names), names[fields[9] :]
    size, packed = wide(extra, fields[8], fields[7])
    if fields[2] & _HAS_DESCRIPTOR and not packed:
        following = _find_local(source, begin, source.size)
        size, packed = UNKNOWN_SIZE, (following if following >= 0 else source.size) - begin
    found = Listed(
        name=names[: fields[9]],
        flags=fields[2],
        method=fields[3],
        modified=dos_time(fields[5], fields[4]),
        crc=fields[6],
        packed=packed,
        size=size,
        at=at,
        extra=extra,
    )
    return found, begin, begin + packed


def _recovered(source: Source, found: Listed, begin: int, room: Room) -> Entry:
    member = Member(name=found.name, kind="archive_member", modified=found.modified)
    if begin + found.packed > source.size:
        return Entry(member=member, code="member_damaged")
    return _readable(source, found, member, begin, room)
