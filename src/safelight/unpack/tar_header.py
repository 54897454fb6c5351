"""One header block of a tar, as POSIX, GNU and old tars write it. Pure."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

BLOCK = 512
_SIGNED = struct.Struct("148b8x356b")
_MOST_SECONDS = 1 << 37  # far enough for any date there is


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header whose checksum is right."""

    name: bytes
    size: int  # of the data behind it, never negative
    modified: str
    type: bytes
    block: bytes


def parse_header(untrusted_block: bytes) -> Header | None:
    """The header in a block, or None where there is none."""
    block = untrusted_block
    if len(block) != BLOCK or not _has_its_sum(block):
        return None
    size = number(block[124:136])
    if size is None or size < 0:
        return None
    return Header(
        name=_name(block),
        size=size,
        modified=time_text(number(block[136:148])),
        type=block[156:157],
        block=block,
    )


def _has_its_sum(block: bytes) -> bool:
    """Whether the checksum is right; some old programs took bytes for signed numbers."""
    stated = number(block[148:156])
    unsigned = sum(block) - sum(block[148:156]) + 256
    if stated == unsigned:
        return True
    return bool(stated == 256 + sum(_SIGNED.unpack(block)))


def _name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0]
    is_posix = block[257:263] == b"ustar\0"
    return prefix + b"/" + name if prefix and is_posix else name


def number(field: bytes) -> int | None:
    """A number in octal digits, or in GNU's base 256; None where it is none."""
    if field[:1] in (b"\x80", b"\xff"):
        value = int.from_bytes(field[1:], "big")
        return value if field[:1] == b"\x80" else value - (1 << 8 * (len(field) - 1))
    digits = field.partition(b"\0")[0].strip()
    try:
        return int(digits or b"0", 8)
    except ValueError:
        return None


def time_text(seconds: float | None) -> str:
    """A time in UTC as text; empty for none, or one that no calendar has."""
    if seconds is None or not 0 < seconds < _MOST_SECONDS:
        return ""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()


def pax_time(untrusted_value: bytes) -> str:
    """The time in an extended header as text; empty for what is none."""
    try:
        return time_text(float(untrusted_value))
    except ValueError:
        return ""


def parse_pax(untrusted_data: bytes) -> list[tuple[bytes, bytes]]:
    """The records of an extended header in order, up to the first that is not well formed."""
    return _pax_records(untrusted_data)[0]


def pax_rest(untrusted_data: bytes) -> bytes:
    """What follows the last record that is well formed."""
    return untrusted_data[_pax_records(untrusted_data)[1] :]


def _pax_records(untrusted_data: bytes) -> tuple[list[tuple[bytes, bytes]], int]:
    """The records, and where they end."""
    found, at = [], 0
    while at < len(untrusted_data):
        length_text, blank, _ = untrusted_data[at : at + 24].partition(b" ")
        if not blank or not length_text.isdigit():
            break
        end = at + int(length_text)
        record = untrusted_data[at + len(length_text) + 1 : end]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or end > len(untrusted_data):
            break
        found.append((key, value[:-1]))
        at = end
    return found, at


Pieces = list[tuple[int, int]]  # of a sparse file: where each stored piece belongs, how long it is


def gnu_pieces(fields: bytes) -> Pieces:
    """The pieces that pairs of numbers of 12 bytes name; a pair of nothing ends them."""
    found: Pieces = []
    for at in range(0, len(fields) - 23, 24):
        offset, size = number(fields[at : at + 12]), number(fields[at + 12 : at + 24])
        if not offset and not size:
            break
        found.append((offset or 0, size or 0))
    return found


def pax_pieces(records: Iterable[tuple[bytes, bytes]]) -> Pieces | None:
    """The pieces that extended headers name, in GNU's formats 0.0 and 0.1; None for no such."""
    offsets: list[int] = []
    sizes: list[int] = []
    for key, value in records:
        if key == b"GNU.sparse.offset":
            offsets.append(int(value))
        elif key == b"GNU.sparse.numbytes":
            sizes.append(int(value))
        elif key == b"GNU.sparse.map":
            numbers = [int(part) for part in value.split(b",")]
            offsets, sizes = numbers[::2], numbers[1::2]
    return list(zip(offsets, sizes, strict=True)) if offsets else None


def sparse_size(pax: Mapping[bytes, bytes]) -> int | None:
    """The size of a sparse file, holes and all, as extended headers give it."""
    value = pax.get(b"GNU.sparse.realsize") or pax.get(b"GNU.sparse.size")
    return None if value is None else int(value)
