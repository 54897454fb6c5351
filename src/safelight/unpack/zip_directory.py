"""The list at the end of a zip: where it is, and what it says of each member."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from safelight.source import Source
from safelight.unpack.packed import read_exactly
from safelight.unpack.rules import could_not_check

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_LISTED = struct.Struct("<4s6H3L5H2L")
_MOST_COMMENT = 0xFFFF
_READ_BYTES = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Where the list lies, in bytes of the file, and what is to be added to its offsets."""

    begin: int
    end: int
    shift: int  # bytes in front of the archive, such as a program that unpacks it
    file_end: int  # where the archive ends, its comment included
    comment: bytes
    stray: int  # bytes between the list and the end that say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One member as the list has it."""

    name: bytes
    flags: int
    method: int
    modified: str
    crc: int
    packed: int  # bytes
    size: int  # bytes
    at: int  # where its own header is, in bytes of the file
    extra: bytes
    comment: bytes = b""


def find_directory(source: Source) -> Directory | None:
    """The list of members, or None where there is no end of a zip: the file is cut off."""
    tail_at = max(0, source.size - _MOST_COMMENT - _END.size)
    tail = read_exactly(source, tail_at, source.size - tail_at)
    at = len(tail)
    while (at := tail.rfind(b"PK\5\6", 0, at)) >= 0:
        if at + _END.size <= len(tail):
            fields = _END.unpack_from(tail, at)
            if at + _END.size + fields[7] <= len(tail):
                return _directory(source, tail_at + at, fields)
    return None


def _directory(source: Source, end_at: int, fields: tuple[int, ...]) -> Directory:
    size, offset, end, known = fields[5], fields[6], end_at, 0
    if 0xFFFFFFFF in (size, offset) or 0xFFFF in fields[3:5]:
        found = _zip64(source, end_at)
        if found is not None:
            size, offset, end = found
            known = _END64.size + _LOCATOR.size
    begin = end - size
    if begin < 0 or offset > begin:
        raise could_not_check("archive_damaged")
    comment = read_exactly(source, end_at + _END.size, fields[7])
    file_end = end_at + _END.size + len(comment)
    return Directory(
        begin=begin,
        end=end,
        shift=begin - offset,
        file_end=file_end,
        comment=comment,
        stray=end_at - end - known,
    )


def _zip64(source: Source, end_at: int) -> tuple[int, int, int] | None:
    """Size, offset and end of the list where 32 bits do not hold them."""
    if end_at < _LOCATOR.size + _END64.size:
        return None
    locator = _LOCATOR.unpack(read_exactly(source, end_at - _LOCATOR.size, _LOCATOR.size))
    if locator[0] != b"PK\6\7":
        return None
    # right before its locator, or where that says: they differ when bytes were put in front
    for at in (end_at - _LOCATOR.size - _END64.size, locator[2]):
        if at + _END64.size <= source.size:
            record = _END64.unpack(read_exactly(source, at, _END64.size))
            if record[0] == b"PK\6\6":
                return record[8], record[9], at
    return None


def listed(source: Source, directory: Directory) -> Iterator[Listed]:
    """The members in the order of the list. Raises CouldNotCheck where the list is damaged."""
    at, ahead, used = directory.begin, b"", 0
    while at < directory.end:
        length = _length(ahead, used)
        if not length or used + length > len(ahead):
            ahead, used = source.read_at(at, min(_READ_BYTES, directory.end - at)), 0
            length = _length(ahead, 0)
        if not length or length > len(ahead) or not ahead.startswith(b"PK\1\2", used):
            raise could_not_check("archive_damaged")
        yield _parse(ahead[used : used + length], directory.shift)
        at, used = at + length, used + length


def _length(data: bytes, at: int) -> int:
    """How long the record there is; 0 where not even that can be read."""
    if len(data) < at + _LISTED.size:
        return 0
    name, extra, comment = struct.unpack_from("<3H", data, at + 28)
    return _LISTED.size + int(name) + int(extra) + int(comment)


def _parse(record: bytes, shift: int) -> Listed:
    fields = _LISTED.unpack_from(record)
    name_end = _LISTED.size + fields[10]
    extra = record[name_end : name_end + fields[11]]
    size, packed, at = wide(extra, fields[9], fields[8], fields[16])
    return Listed(
        name=record[_LISTED.size : name_end],
        flags=fields[3],
        method=fields[4],
        modified=dos_time(fields[6], fields[5]),
        crc=fields[7],
        packed=packed,
        size=size,
        at=at + shift,
        extra=extra,
        comment=record[name_end + fields[11] :],
    )


def wide(extra: bytes, *narrow: int) -> tuple[int, ...]:
    """Size, packed size and offset; those that 32 bits do not hold stand in an extra field."""
    found, at = extra_field(extra, 1), 0
    values = []
    for value in narrow:
        if value == 0xFFFFFFFF and at + 8 <= len(found):
            value, at = int.from_bytes(found[at : at + 8], "little"), at + 8
        values.append(value)
    return tuple(values)


def extra_field(extra: bytes, wanted: int) -> bytes:
    """The extra field of that number; empty where there is none."""
    at = 0
    while at + 4 <= len(extra):
        number, length = struct.unpack_from("<2H", extra, at)
        if number == wanted:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def dos_time(date: int, time: int) -> str:
    """A time of day somewhere, as zip has it; empty where no calendar has it."""
    year, month, day = 1980 + (date >> 9), date >> 5 & 15, date & 31
    hour, minute, second = time >> 11, time >> 5 & 63, 2 * (time & 31)
    if not (1 <= month <= 12 and day >= 1 and hour < 24 and minute < 60 and second < 60):
        return ""
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
