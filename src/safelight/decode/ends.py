"""Where a BMP, a TIFF, an AVIF or a HEIF ends, by its structure; None where that is not told."""

from collections.abc import Iterator
from typing import BinaryIO, Literal

_MOST_DIRECTORIES = 10_000
_MOST_VALUE_BYTES = 16 << 20  # of one list of strips or tiles
_MOST_BOXES = 100_000
_FURTHEST = 1 << 60  # beyond any file; a stream does not go much further

_BMP_PLAIN = {0, 3, 6}  # rows of pixels, not compressed
_BMP_PROFILE_HEADER = 124

# The boxes that a picture of this kind has outside of all others. What has another name is not part
# of it: makers put whole videos into boxes of their own.
_BOXES = {
    *(b"meta", b"mdat", b"idat", b"moov", b"moof", b"mfra", b"sidx", b"ssix", b"styp", b"pdin"),
    *(b"free", b"skip", b"wide", b"uuid", b"emsg", b"prft"),
}

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TYPE_BYTES |= {16: 8, 17: 8, 18: 8}
_DIRECTORIES = {330, 34665, 34853, 40965}
_PIECES = {273: 279, 324: 325, 513: 514}  # where strips, tiles and a JPEG lie; their lengths

Order = Literal["little", "big"]
Entry = tuple[int, int, int, bytes]  # type, count, where the values lie, and they themselves


def bmp_end(stream: BinaryIO) -> int | None:
    """By the size of the picture; by that of its data where it is compressed."""
    head = stream.read(14 + _BMP_PROFILE_HEADER)
    header, pixels = _little(head, 14, 4), _little(head, 10, 4)
    if header == 12:
        wide, high, bits = (_little(head, at, 2) for at in (18, 20, 24))
        return pixels + _rows(wide, high, bits)
    if header < 40 or len(head) < 14 + 40:
        return None
    wide, high, bits = _little(head, 18, 4), _little(head, 22, 4), _little(head, 28, 2)
    size = _little(head, 34, 4)
    if _little(head, 30, 4) in _BMP_PLAIN:
        size = _rows(wide, min(high, (1 << 32) - high), bits)
    if not size:
        return None
    profile = 0
    if header >= _BMP_PROFILE_HEADER and (length := _little(head, 130, 4)):
        profile = 14 + _little(head, 126, 4) + length
    return max(pixels + size, profile)


def _rows(wide: int, high: int, bits: int) -> int:
    return (wide * bits + 31) // 32 * 4 * high


def _little(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "little")


def boxes_end(stream: BinaryIO) -> int | None:
    """The end of the last of the boxes that belong to the picture."""
    at = 0
    for _ in range(_MOST_BOXES):
        stream.seek(at)
        head = stream.read(16)
        if len(head) < 8 or head[4:8] not in (_BOXES if at else {b"ftyp"}):
            return at or None
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: to the end of the file
            return None
        at += length
        if at > _FURTHEST:
            return None
    return None


def tiff_end(stream: BinaryIO) -> int | None:
    """Behind the furthest byte that a directory, a value, a strip or a tile takes."""
    try:
        return _Tiff(stream).end()
    except (KeyError, OverflowError, ValueError):
        return None


class _Tiff:
    """A TIFF or BigTIFF. Raises KeyError, OverflowError or ValueError where its end is not told."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        head = stream.read(16)
        self._order: Order = "little" if head[:2] == b"II" else "big"
        big = self._number(head[2:4]) == 43
        self._wide, self._count_bytes = (8, 8) if big else (4, 2)
        self._first = self._number(head[8:16] if big else head[4:8])

    def end(self) -> int:
        furthest, seen, waiting = 0, set[int](), [self._first]
        while waiting:
            at = waiting.pop()
            if at == 0 or at in seen:
                continue
            seen.add(at)
            if len(seen) > _MOST_DIRECTORIES:
                raise ValueError("directories")
            entries, behind, following = self._directory(at)
            furthest = max(furthest, behind, *self._ends(entries))
            waiting.append(following)
            for tag in _DIRECTORIES & entries.keys():
                waiting += self._values(entries[tag])
        return furthest

    def _directory(self, at: int) -> tuple[dict[int, Entry], int, int]:
        """The entries of a directory, where it ends, and where the next one begins."""
        self._stream.seek(at)
        count = self._number(self._exactly(self._count_bytes))
        size = 4 + 2 * self._wide
        if count * size > _MOST_VALUE_BYTES:
            raise ValueError("entries")
        data = self._exactly(count * size)
        following = self._number(self._stream.read(self._wide))
        behind = at + self._count_bytes + count * size + self._wide
        pieces = (data[n : n + size] for n in range(0, len(data), size))
        return {self._number(one[:2]): self._entry(one) for one in pieces}, behind, following

    def _entry(self, data: bytes) -> Entry:
        value = data[4 + self._wide :]
        kind, count = self._number(data[2:4]), self._number(data[4 : 4 + self._wide])
        inside = _TYPE_BYTES.get(kind, 0) * count <= self._wide
        return kind, count, 0 if inside else self._number(value), value

    def _ends(self, entries: dict[int, Entry]) -> Iterator[int]:
        for kind, count, at, _ in entries.values():
            yield at + _TYPE_BYTES.get(kind, 0) * count if at else 0
        for starts, lengths in _PIECES.items():
            if starts in entries:
                where, sizes = self._values(entries[starts]), self._values(entries[lengths])
                if len(where) != len(sizes) or 0 in sizes:
                    raise ValueError("pieces")
                yield from map(int.__add__, where, sizes)

    def _values(self, entry: Entry) -> list[int]:
        kind, count, at, value = entry
        size = _TYPE_BYTES[kind]
        if count * size > _MOST_VALUE_BYTES:
            raise ValueError("values")
        if at:
            self._stream.seek(at)
            value = self._exactly(count * size)
        return [self._number(value[n : n + size]) for n in range(0, count * size, size)]

    def _exactly(self, length: int) -> bytes:
        data = self._stream.read(length)
        if len(data) != length:
            raise ValueError("cut off")
        return data

    def _number(self, data: bytes) -> int:
        return int.from_bytes(data, self._order)
