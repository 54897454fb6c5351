"""From the samples of a PDF picture to an ordinary picture.

pypdf's own conversion gets 16 bits, Lab and spot colours wrong, and some palettes. Colours are not
managed here: what a profile or a spot colour makes of a tint does not change what is to be seen.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pypdf.generic import ArrayObject, DictionaryObject, PdfObject, StreamObject

from safelight.unpack.rules import MIB, could_not_check

MOST_BYTES = 400 * MIB  # of one picture; a page scanned in colour takes a hundred

_Bytes = npt.NDArray[np.uint8]
_COMPONENTS = {"gray": 1, "rgb": 3, "cmyk": 4, "lab": 3, "indexed": 1}
_NAMES = {
    "/DeviceGray": "gray", "/CalGray": "gray", "/G": "gray",
    "/DeviceRGB": "rgb", "/CalRGB": "rgb", "/RGB": "rgb",
    "/DeviceCMYK": "cmyk", "/CMYK": "cmyk",
    "/Lab": "lab",
}  # fmt: skip
_MOST_NESTED = 4  # colour spaces in each other


class Space:
    """A colour space: its kind, how many samples a pixel has, and of an indexed one the palette."""

    def __init__(self, kind: str, components: int, palette: "_Bytes | None" = None) -> None:
        self.kind = kind  # gray, rgb, cmyk, lab, tints, indexed
        self.components = components
        self.palette = palette  # [entries, 3], red, green, blue


def picture_of(found: StreamObject) -> Image.Image:
    """The picture. Raises CouldNotCheck, and what NumPy raises for values that fit nothing."""
    width, height = int(_value(found, "/Width")), int(_value(found, "/Height"))
    is_mask = bool(_value(found, "/ImageMask"))
    bits = 1 if is_mask else int(_value(found, "/BitsPerComponent") or 8)
    space = Space("gray", 1) if is_mask else space_of(_value(found, "/ColorSpace"))
    samples = _samples(found.get_data(), width, height, bits, space.components)
    if space.palette is not None:
        return Image.fromarray(space.palette[np.minimum(samples[..., 0], len(space.palette) - 1)])
    return _coloured(_decoded(_to_8_bits(samples, bits), _value(found, "/Decode")), space)


def _value(found: DictionaryObject, key: str) -> Any:
    value = found.get(key)
    return None if value is None else value.get_object()


def space_of(described: PdfObject | None, depth: int = 0) -> Space:
    """The colour space that a PDF describes. Raises CouldNotCheck for one that is not known."""
    parts = described if isinstance(described, ArrayObject) else [described]
    name, *rest = _objects(parts)
    if name in _NAMES:
        kind = _NAMES[str(name)]
        return Space(kind, _COMPONENTS[kind])
    if depth > _MOST_NESTED or not rest:
        raise could_not_check("unsupported_compression")
    if name == "/ICCBased":
        kind = {1: "gray", 3: "rgb", 4: "cmyk"}[int(rest[0]["/N"])]
        return Space(kind, _COMPONENTS[kind])
    if name in ("/Separation", "/DeviceN"):
        return Space("tints", len(rest[0]) if name == "/DeviceN" else 1)
    if name in ("/Indexed", "/I"):
        return Space("indexed", 1, _palette(space_of(rest[0], depth + 1), rest[2]))
    raise could_not_check("unsupported_compression")


def _objects(parts: Iterable[Any]) -> list[Any]:
    return [None if part is None else part.get_object() for part in parts]


def _palette(base: Space, stored: Any) -> _Bytes:
    if isinstance(stored, StreamObject):
        data = stored.get_data()
    else:
        data = getattr(stored, "original_bytes", None) or bytes(stored)
    colours = np.frombuffer(data, np.uint8)
    whole = len(colours) // base.components * base.components
    strip = _coloured(colours[:whole].reshape(1, -1, base.components), base)
    found: _Bytes = np.asarray(strip.convert("RGB"))[0]
    return found


def _samples(data: bytes, width: int, height: int, bits: int, components: int) -> _Bytes:
    """The samples as [height, width, components]; of 16 bits, the upper eight."""
    if min(width, height, components) < 1 or bits not in (1, 2, 4, 8, 16):
        raise could_not_check("member_damaged")
    row = math.ceil(width * components * bits / 8)
    if row * height > MOST_BYTES or width * height * components > MOST_BYTES:
        raise could_not_check("member_too_large")
    if len(data) < row * (height - 1):  # the last row is often short
        raise could_not_check("member_damaged")
    rows = np.frombuffer(data[: row * height].ljust(row * height, b"\0"), np.uint8)
    flat = _unpacked(rows.reshape(height, row), bits)[:, : width * components]
    return flat.reshape(height, width, components)


def _unpacked(rows: _Bytes, bits: int) -> _Bytes:
    if bits == 8:
        return rows
    if bits == 16:
        return rows[:, ::2]
    if bits == 1:
        return np.unpackbits(rows, axis=1)
    shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
    parts = rows[:, :, None] >> shifts & np.uint8((1 << bits) - 1)
    return parts.reshape(len(rows), -1).astype(np.uint8)


def _to_8_bits(samples: _Bytes, bits: int) -> _Bytes:
    return samples * np.uint8(255 // ((1 << bits) - 1)) if bits < 8 else samples


def _decoded(samples: _Bytes, ranges: Any) -> _Bytes:
    """The samples turned over where the picture says that it has them the other way round."""
    if isinstance(ranges, ArrayObject) and len(ranges) >= 2 and ranges[0] > ranges[1]:
        return 255 - samples
    return samples


def _coloured(samples: _Bytes, space: Space) -> Image.Image:
    if space.kind == "lab":  # its lightness alone
        samples = samples[..., :1]
    if space.kind == "tints":  # the more of them, the darker
        total = samples.sum(axis=2, dtype=np.uint32)
        samples = (255 - np.minimum(total, 255)).astype(np.uint8)[..., None]
    if samples.shape[2] == 1:
        return Image.fromarray(np.ascontiguousarray(samples[..., 0]))
    mode = "CMYK" if samples.shape[2] == 4 else "RGB"
    height, width, _ = samples.shape
    return Image.frombytes(mode, (width, height), samples.tobytes())
