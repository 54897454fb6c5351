"""Frames of pixels, as they leave every decoder."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame as it lies in the file, not yet turned upright.

    `pixels` is uint8, height × width × 3 (RGB) or height × width (luma), transparent parts laid on
    white; `bare` is the same without regard to transparency, where there is any. With `eighths`
    below 8 the pixels are a luma plane scaled by eighths/8, and `width` and `height` are those of
    the whole frame. `time` is that of a video's frame, in seconds from its first.
    """

    number: int
    pixels: Pixels
    width: int
    height: int
    bare: Pixels | None = None
    orientation: int = 1
    eighths: int = 8
    time: float | None = None


@dataclass(slots=True, kw_only=True)
class Picture:
    """A picture file that has been opened; its frames are decoded as they are asked for.

    `width` and `height` are those of the first frame, upright. `flags` is complete only when the
    last frame has been taken.
    """

    format: str
    width: int
    height: int
    flags: set[str]
    frames: Iterator[Frame]


@dataclass(slots=True, kw_only=True)
class Video:
    """A video file that has been opened; its frames are decoded as they are asked for.

    `width` and `height` are those of the first frame as it is stored. `flags` and `duration`, in
    seconds, are complete only when the last frame has been taken.
    """

    format: str
    width: int
    height: int
    duration: float | None
    flags: set[str]
    frames: Iterator[Frame]


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Turn pixels upright, by an EXIF orientation from 1 to 8; contiguous."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def nothing_decoded(pixels: Pixels) -> bool:
    """Whether the pixels of a damaged file are only what a decoder leaves where it got nothing.

    That is one value everywhere, but for junk in the first block: a decoder that runs out of bits
    finishes it with zeros.
    """
    corner = 32 if min(pixels.shape[:2]) > 32 else 0
    return _is_flat(pixels[corner:]) and (corner == 0 or _is_flat(pixels[:, corner:]))


def _is_flat(pixels: Pixels) -> bool:
    return bool(pixels.min() == pixels.max())
