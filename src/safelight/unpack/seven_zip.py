"""7z. py7zr reads the lists; the streams are unpacked here, piece by piece.

py7zr itself unpacks into files, or pushes whole members; a solid block of many gigabytes has to be
pulled through in bounded memory instead.
"""

import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from py7zr.archiveinfo import (
    FilesInfo,
    Folder,
    Header,
    SignatureHeader,
    StreamsInfo,
    SubstreamsInfo,
)
from py7zr.properties import PROPERTY

from safelight.errors import CouldNotCheck
from safelight.model import Member
from safelight.source import MemorySource, Source
from safelight.unpack.cursor import FlowingCursor
from safelight.unpack.inflate import checked
from safelight.unpack.packed import Entry, PackedSource, Room, only_zeros, read_exactly
from safelight.unpack.rules import MEMBERS_MISSING, could_not_check
from safelight.unpack.seven_zip_coders import unpacked

_SIGNATURE_BYTES = 32
_REPARSE_POINT = 0x400
_MOST_LIST_BYTES = 256 << 20

Span = tuple[int, int]  # where bytes begin and end in the archive


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """What is packed together: the members of one, as (size, checksum), in order."""

    folder: Folder
    begin: int  # where its packed bytes begin in the archive
    packed: int  # how many there are
    streams: Sequence[tuple[int, int | None]]


def members(source: Source, room: Room) -> Iterator[Entry]:
    """The files of a 7z in the order of its list."""
    used: list[Span] = []
    header = _header(source, room, used)
    blocks = list(_blocks(header))
    used += [(block.begin, block.begin + block.packed) for block in blocks]
    if not _covers(source, used) or not all(block.streams for block in blocks):
        room.notes.add(MEMBERS_MISSING)
    sources = _streams(source, blocks, room)
    if header.files_info is not None:
        yield from _files(header.files_info, sources)
    if next(sources, None) is not None:  # a stream that is no file's
        room.notes.add(MEMBERS_MISSING)


def _covers(source: Source, used: list[Span]) -> bool:
    """Whether nothing but zeros lies where nothing is said to lie."""
    at = _SIGNATURE_BYTES
    for begin, end in (*sorted(used), (source.size, source.size)):
        if begin > at and not only_zeros(source, at, begin):
            return False
        at = max(at, end)
    return True


def _files(listed: FilesInfo, sources: Iterator[Source | str]) -> Iterator[Entry]:
    empty = iter(listed.emptyfiles)
    for info in listed.files:
        member = _described(info)
        if info["emptystream"]:
            if next(empty, False):  # others without data are folders
                yield Entry(member=member, source=MemorySource(b""))
            continue
        found = next(sources, "member_damaged")
        if _is_link(info):
            yield Entry(member=member, code="not_a_file")
        elif isinstance(found, str):
            yield Entry(member=member, code=found)
        else:
            yield Entry(member=member, source=found)


def _header(source: Source, room: Room, used: list[Span]) -> Header:
    """The list of members; adds where it lies to `used`."""
    with source.stream() as stream:
        start = SignatureHeader.retrieve(stream)
        begin, size = _SIGNATURE_BYTES + start.nextheaderofs, start.nextheadersize
        data = read_exactly(source, begin, size) if begin + size <= source.size else b""
        if len(data) != size or zlib.crc32(data) != start.nextheadercrc:
            raise could_not_check("archive_damaged")
        used.append((begin, begin + size))
        if data[:1] == PROPERTY.ENCODED_HEADER:
            data = _unpacked_list(source, data, room, used)
        header: Header = Header.retrieve(stream, BytesIO(data), _SIGNATURE_BYTES)
    return header


def _unpacked_list(source: Source, data: bytes, room: Room, used: list[Span]) -> bytes:
    """The list of members where that is packed itself.

    py7zr would unpack it with any method that is named there, and not all of them are safe.
    """
    streams = StreamsInfo.retrieve(BytesIO(data[1:]))
    (folder,), (packed, *_) = streams.unpackinfo.folders, streams.packinfo.packsizes
    size = folder.get_unpack_size()
    if size > _MOST_LIST_BYTES:
        raise could_not_check("too_many_members")
    begin = _SIGNATURE_BYTES + streams.packinfo.packpos
    used.append((begin, begin + packed))
    window = source.window(begin, packed)
    found = b"".join(checked(unpacked(folder, window, room), size, folder.crc))
    if found[:1] != PROPERTY.HEADER:
        raise could_not_check("archive_damaged")
    return found


def _blocks(header: Header) -> Iterator[_Block]:
    listed = header.main_streams
    if listed is None or listed.packinfo is None or listed.unpackinfo is None:
        return
    positions, folders = listed.packinfo.packpositions, listed.unpackinfo.folders
    sizes, crcs, counts = _listed_streams(folders, listed.substreamsinfo)
    first_file, first_pack = 0, 0
    for folder, count in zip(folders, counts, strict=True):
        following, next_pack = first_file + count, first_pack + len(folder.packed_indices)
        inside = slice(first_file, following)
        yield _Block(
            folder=folder,
            begin=_SIGNATURE_BYTES + listed.packinfo.packpos + positions[first_pack],
            packed=positions[next_pack] - positions[first_pack],
            streams=list(zip(sizes[inside], crcs[inside], strict=True)),
        )
        first_file, first_pack = following, next_pack


def _listed_streams(
    folders: Sequence[Folder], listed: SubstreamsInfo | None
) -> tuple[list[int], list[int | None], list[int]]:
    """Sizes and checksums of all members, and how many of them each block has."""
    whole = [folder.get_unpack_size() for folder in folders]
    if listed is None:
        return whole, [folder.crc for folder in folders], [1] * len(folders)
    sizes = whole if listed.unpacksizes is None else listed.unpacksizes
    defined = zip(listed.digests, listed.digestsdefined, strict=True)
    crcs = [crc if known else None for crc, known in defined]
    return sizes, crcs, listed.num_unpackstreams_folders


def _streams(source: Source, blocks: Sequence[_Block], room: Room) -> Iterator[Source | str]:
    """The members' bytes in order, or why they cannot be had."""
    for block in blocks:
        try:
            if any(size < 0 for size, _ in block.streams):
                raise could_not_check("member_damaged")
            unpacked(block.folder, source.window(block.begin, block.packed), room)
        except CouldNotCheck as exc:
            yield from [exc.code] * len(block.streams)
            continue
        yield from _of_block(source, block, room)


def _of_block(source: Source, block: _Block, room: Room) -> Iterator[Source | str]:
    def unpack() -> Iterator[bytes]:
        return unpacked(block.folder, source.window(block.begin, block.packed), room)

    if len(block.streams) == 1:
        ((size, crc),) = block.streams
        yield PackedSource(lambda: checked(unpack(), size, crc), room, size=size)
        return
    cursor = FlowingCursor(unpack(), room)
    for position, (size, crc) in enumerate(block.streams, start=1):
        end = cursor.at + size
        yield cursor.member(size, crc)
        try:
            cursor.move_to(end)
        except CouldNotCheck as exc:  # nothing behind it can be reached
            yield from [exc.code] * (len(block.streams) - position)
            return
    with suppress(CouldNotCheck):
        if cursor.read(1):
            room.notes.add(MEMBERS_MISSING)


def _described(info: dict[str, Any]) -> Member:
    name = str(info.get("filename", "")).encode("utf-8", "surrogatepass")
    changed = info.get("lastwritetime")
    modified = "" if changed is None else changed.as_datetime().isoformat(timespec="seconds")
    return Member(name=name, kind="archive_member", modified=modified)


def _is_link(info: dict[str, Any]) -> bool:
    attributes = info.get("attributes") or 0
    return bool(attributes & _REPARSE_POINT) or stat.S_ISLNK(attributes >> 16)
