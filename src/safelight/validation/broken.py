"""Files of the pack that cannot be examined, or only in part, and how each must be told."""

import struct
import zlib
from collections.abc import Iterator

from safelight.validation.pictures import encoded, known
from safelight.validation.samples import Sample, sample

_WHAT = "what cannot be checked is told"
_IN_PART = "what was checked in part is told"
_NOT = "unreadable"


def broken() -> Iterator[Sample]:
    """Every file that is not whole, or no picture."""
    whole = encoded(known(5), "JPEG", quality=90)
    yield _not("empty.jpg", b"", "empty")
    yield _not("text.jpg", b"This is a text.\n" * 20, "not_a_picture")
    yield _not("noise.bin", bytes((n * n) % 251 for n in range(3000)), "unknown_format")
    yield _not("head-only.png", encoded(known(5), "PNG")[:60], "damaged")
    yield _not("huge.png", _png_of_size(60_000, 60_000), "too_many_pixels")
    yield sample(_IN_PART, "cut.jpg", whole[: len(whole) * 2 // 3], "known", "similar", "no_match",
                 flags=("truncated",), fully_checked=False)  # fmt: skip
    yield sample(_IN_PART, "behind.jpg", whole + encoded(known(0), "JPEG"), "known", "similar",
                 "no_match", flags=("trailing_data",), fully_checked=False)  # fmt: skip


def _not(file: str, data: bytes, code: str) -> Sample:
    return sample(_WHAT, file, data, _NOT, code=code, fully_checked=False)


def _png_of_size(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds next to nothing: a decompression bomb's head."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*one) for one in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
