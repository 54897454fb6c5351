"""PDQ of a frame, as hexadecimal text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safelight.kernel import pdq_from_gray, pdq_from_rgb, pdq_from_scaled_gray


@dataclass(frozen=True, slots=True, kw_only=True)
class Perceptual:
    """PDQ in the eight orientations, in the order of model.ORIENTATIONS, and its quality."""

    dihedral: tuple[str, ...]
    quality: int


def hash_pixels(
    pixels: NDArray[np.uint8], *, width: int, height: int, eighths: int = 8
) -> Perceptual:
    """Hash RGB (height × width × 3) or luma (height × width).

    With `eighths` below 8 the pixels are luma scaled by eighths/8, and `width` and `height` are
    those of the picture before that.
    """
    pixels = np.ascontiguousarray(pixels)
    if pixels.ndim == 3:
        result = pdq_from_rgb(pixels)
    elif eighths == 8:
        result = pdq_from_gray(pixels)
    else:
        result = pdq_from_scaled_gray(pixels, width=width, height=height, eighths=eighths)
    digits = result.dihedral.tobytes().hex()
    return Perceptual(
        dihedral=tuple(digits[start : start + 64] for start in range(0, len(digits), 64)),
        quality=int(result.quality),
    )
