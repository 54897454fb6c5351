"""Whether a picture that Pillow decoded without complaint is all there.

Pillow passes no warning of libjpeg on, takes a PNG whose compressed data end properly but early,
and a TIFF that lists fewer strips than its height needs. What is missing is then left black, or
filled in, without a word: such a picture must not count as examined in full.
"""

import zlib
from collections.abc import Iterator
from math import ceil
from typing import BinaryIO

import numpy as np
import simplejpeg
from PIL import Image

from safelight.source import Source

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Of the seven passes of an interlaced PNG: first column and row, and the steps between them.
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_NEW_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 254, 330, 50706
_CHUNK_BYTES = 1 << 20
_INFLATED_AT_ONCE = 1 << 20
_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES = 256, 257, 259, 277
_JPEG, _JPEG_TABLES = 7, 347
_STRIPS, _ROWS_PER_STRIP, _STRIP_LENGTHS, _PLANAR = 273, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_LENGTHS = 322, 323, 324, 325


def jpeg_complaint(data: bytes) -> str | None:
    """The flag a JPEG deserves for what a strict decoder says about it, None for a sound one.

    One that no strict decoder takes is `damaged`: nobody can vouch for what came out of it.
    """
    try:
        simplejpeg.decode_jpeg(data, "GRAY", min_height=1, min_width=1)
    except ValueError as exc:
        return "truncated" if "premature end" in str(exc).lower() else "damaged"
    return None


def png_ends_early(source: Source, image: Image.Image, frames: int) -> bool:
    """Whether one of the first `frames` frames of a PNG holds less data than its size needs.

    Rows that never came are zeros, so a still picture, not interlaced, whose last row is not all
    zeros needs no second look.
    """
    with source.stream() as stream:
        header = stream.read(33)[16:29]
        if frames == 1 and header[12] == 0 and not _last_row_is_zeros(image):
            return False
        stream.seek(33)
        for number, (size, data) in enumerate(_png_frames(stream)):
            if number >= frames:
                break
            needed = _png_bytes(header, size or header[:8])
            if _inflated(data, needed) < needed:
                return True
    return False


def _last_row_is_zeros(image: Image.Image) -> bool:
    wide, high = image.size
    return not np.asarray(image.crop((0, high - 1, wide, high))).any()


def _png_bytes(header: bytes, size: bytes) -> int:
    """Bytes of the rows, filter numbers included, of a frame of `size` (width and height)."""
    wide, high = int.from_bytes(size[:4], "big"), int.from_bytes(size[4:], "big")
    bits = header[8] * _PNG_CHANNELS.get(header[9], 1)
    if not header[12]:
        return high * (1 + (wide * bits + 7) // 8)
    total = 0
    for left, top, across, down in _PASSES:
        columns, rows = -(-(wide - left) // across), -(-(high - top) // down)
        total += rows * (1 + (columns * bits + 7) // 8) if columns > 0 and rows > 0 else 0
    return total


def _png_frames(stream: BinaryIO) -> Iterator[tuple[bytes | None, Iterator[bytes]]]:
    """Width and height, None for the picture's own, and the compressed data of each frame.

    What is left of the data of a frame is skipped when the next one is asked for.
    """
    size: bytes | None = None
    while len(head := stream.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind in (b"IDAT", b"fdAT"):
            data = _png_data(stream, kind, length)
            yield size, data
            for _ in data:
                pass
        elif kind == b"fcTL":
            size = stream.read(length)[4:12]
            stream.seek(4, 1)
        else:
            stream.seek(length + 4, 1)


def _png_data(stream: BinaryIO, kind: bytes, length: int) -> Iterator[bytes]:
    """The contents of a run of chunks of one kind; the stream is left at the chunk after it."""
    while True:
        if kind == b"fdAT":
            stream.seek(4, 1)
            length -= 4
        while length > 0 and (data := stream.read(min(length, _CHUNK_BYTES))):
            length -= len(data)
            yield data
        stream.seek(4, 1)
        head = stream.read(8)
        if head[4:] != kind:
            stream.seek(-len(head), 1)
            return
        length = int.from_bytes(head[:4], "big")


def _inflated(data: Iterator[bytes], most: int) -> int:
    """How many bytes the data inflate to, counted up to `most`."""
    inflater, count = zlib.decompressobj(), 0
    try:
        for packed in data:
            rest = packed
            while rest and not inflater.eof and count < most:
                count += len(inflater.decompress(rest, _INFLATED_AT_ONCE))
                rest = inflater.unconsumed_tail
            if inflater.eof or count >= most:
                return count
        return count + len(inflater.flush())
    except zlib.error:
        return count


def tiff_jpeg_complaint(source: Source, image: Image.Image) -> str | None:
    """The same as jpeg_complaint for the strips or tiles of a TIFF page that are JPEGs."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(_COMPRESSION) != _JPEG:
        return None
    tables = tags.get(_JPEG_TABLES, b"")[:-2]
    where = (_TILES, _TILE_LENGTHS) if _TILES in tags else (_STRIPS, _STRIP_LENGTHS)
    starts, lengths = (tags.get(tag) for tag in where)
    with source.stream() as stream:
        for start, length in zip(starts or (), lengths or (), strict=False):
            stream.seek(start)
            piece = stream.read(length)
            complaint = jpeg_complaint(tables + piece[2:] if tables else piece)
            if complaint is not None:
                return complaint
    return None


def tiff_ends_early(image: Image.Image) -> bool:
    """Whether the page of a TIFF at which `image` stands lists too few strips or tiles."""
    tags = getattr(image, "tag_v2", {})
    offsets = tags.get(_TILES if _TILES in tags else _STRIPS) or ()
    return len(offsets) < _pieces_needed(tags)


def _pieces_needed(tags: dict[int, int]) -> int:
    """How many strips or tiles a page of these tags has."""
    wide, high = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    planes = tags.get(_SAMPLES, 1) if tags.get(_PLANAR) == 2 else 1
    if _TILES in tags:
        across, down = tags.get(_TILE_WIDTH) or wide, tags.get(_TILE_HEIGHT) or high
        return planes * ceil(wide / across) * ceil(high / down)
    return planes * ceil(high / min(high, tags.get(_ROWS_PER_STRIP) or high))


def is_preview(source: Source, image: Image.Image) -> bool:
    """Whether the first page of a TIFF is, or may be, but the small copy of another picture.

    Camera raw files (DNG, NEF, ARW, CR2) are TIFFs whose first page is a thumbnail; the picture
    lies in a SubIFD, or on a page that no decoder here reads.
    """
    tags = getattr(image, "tag_v2", {})
    reduced = tags.get(_NEW_SUBFILE_TYPE, 0)
    return (
        _SUB_IFDS in tags
        or _DNG_VERSION in tags
        or bool(isinstance(reduced, int) and reduced & 1)
        or source.head[8:10] == b"CR"
    )
