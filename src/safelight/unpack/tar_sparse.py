"""Files of a tar that are stored without their holes."""

from collections.abc import Iterator

from safelight.source import Source
from safelight.unpack.cursor import Cursor
from safelight.unpack.packed import PackedSource, Room, pieces
from safelight.unpack.rules import HEADER_BYTES, MEMBERS_MISSING, could_not_check
from safelight.unpack.tar_header import (
    BLOCK,
    Header,
    Pieces,
    gnu_pieces,
    number,
    pax_pieces,
    sparse_size,
)

_ZEROS = bytes(256 << 10)
GNU_SPARSE = b"S"

SparseMap = tuple[Pieces, int]  # where the stored pieces belong, and the size of the whole


def read_map(
    header: Header, records: list[tuple[bytes, bytes]], cursor: Cursor
) -> SparseMap | None:
    """Where the stored pieces belong, and the size of the whole; None for an ordinary file.

    Reads, from the cursor, a map that lies in front of the pieces.
    """
    if header.type == GNU_SPARSE:
        return _gnu_map(header, cursor)
    pax = dict(records)
    size = sparse_size(pax)
    if size is None:
        return None
    if pax.get(b"GNU.sparse.major") == b"1":
        return _map_in_data(cursor), size
    found = pax_pieces(records)
    return None if found is None else (found, size)


def _gnu_map(header: Header, cursor: Cursor) -> SparseMap:
    block = header.block
    found, more = gnu_pieces(block[386:482]), block[482]
    while more:
        block_more = cursor.read(BLOCK)
        if len(block_more) < BLOCK or 24 * len(found) > HEADER_BYTES:
            raise could_not_check("archive_damaged")
        found += gnu_pieces(block_more[:504])
        more = block_more[504]
    return found, number(block[483:495]) or 0


def _map_in_data(cursor: Cursor) -> Pieces:
    numbers = _numbers(cursor)
    return [(next(numbers), next(numbers)) for _ in range(next(numbers))]


def _numbers(cursor: Cursor) -> Iterator[int]:
    """Numbers in decimal, one a line, read block by block."""
    ahead, taken = b"", 0
    while True:
        line, ended, rest = ahead.partition(b"\n")
        if ended:
            yield int(line)
            ahead = rest
            continue
        block = cursor.read(BLOCK)
        taken += len(block)
        if not block or taken > HEADER_BYTES:
            raise could_not_check("archive_damaged")
        ahead += block


def sparse_source(stored: Source, found: SparseMap, room: Room) -> Source:
    """The file with its holes, from its stored pieces."""
    places, size = found
    once = isinstance(stored, PackedSource) and stored.once
    return PackedSource(lambda: _filled(stored, places, size, room), room, size=size, once=once)


def _filled(stored: Source, places: Pieces, size: int, room: Room) -> Iterator[bytes]:
    data, ahead, given = pieces(stored), b"", 0
    for piece in _plan(places, size):
        if isinstance(piece, int):
            for zeros in _zeros(piece):
                given += len(zeros)
                room.took(len(zeros))
                room.limits.check_ratio(stored.size, given)
                yield zeros
            continue
        left = piece[1]
        while left > 0:
            ahead = ahead or next(data, b"")
            if not ahead:
                raise could_not_check("member_damaged")
            part, ahead = ahead[:left], ahead[left:]
            left, given = left - len(part), given + len(part)
            yield part
    if ahead.strip(b"\0") or any(rest.strip(b"\0") for rest in data):
        room.notes.add(MEMBERS_MISSING)  # stored bytes that belong nowhere


def _plan(places: Pieces, size: int) -> Iterator[int | tuple[int, int]]:
    """Lengths of holes, and pieces, in order."""
    at = 0
    for place in places:
        if place[0] < at or place[1] < 0 or sum(place) > size:
            raise could_not_check("member_damaged")
        yield place[0] - at
        yield place
        at = sum(place)
    yield size - at


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        part = _ZEROS[:count]
        yield part
        count -= len(part)
