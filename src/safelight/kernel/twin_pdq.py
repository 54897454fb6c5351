"""PDQ written to be read: the twin the native kernel is tested against, and used nowhere else.

It follows the definition step by step in float64 and is slow. Its sums are exact enough that a bit
may differ from the kernel's only where a coefficient lies within 0.001 of the median: compare
outside that. No matrix product is used: BLAS re-orders and fuses its sums.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POINTS = 64
FREQUENCIES = 16
LUMA = (0.299, 0.587, 0.114)


class TwinPdq(NamedTuple):
    """The 16 × 16 coefficients the bits come from, their median, and the quality."""

    coefficients: Floats
    median: float
    quality: int

    def bits(self) -> NDArray[np.bool_]:
        """The 256 bits, the last coefficient first, as hexadecimal text has them."""
        return (self.coefficients > self.median).ravel()[::-1]


def pdq(rgb: NDArray[np.uint8]) -> TwinPdq:
    """Hash a picture, uint8[height, width, 3]."""
    points = decimate(blur(blur(luma(rgb))))
    coefficients = low_frequencies(points)
    return TwinPdq(coefficients, median(coefficients), quality(points))


def luma(rgb: NDArray[np.uint8]) -> Floats:
    """The brightness of every pixel, 0 to 255."""
    colours = rgb.astype(np.float64)
    red, green, blue = LUMA
    return colours[..., 0] * red + colours[..., 1] * green + colours[..., 2] * blue


def blur(plane: Floats) -> Floats:
    """The mean over a box whose sides are 1/128 of the picture's, rounded up."""
    return box(box(plane, axis=1), axis=0)


def box(plane: Floats, axis: int) -> Floats:
    """The mean over a window along one axis. At the edges the window is cut, not filled."""
    size = plane.shape[axis]
    window = -(-size // (2 * POINTS))
    right = (window + 2) // 2 - 1
    position = np.arange(size)
    first = np.maximum(0, position - (window - 1 - right))
    end = np.minimum(size, position + right + 1)
    rows = np.moveaxis(plane, axis, 0)
    sums = np.concatenate([np.zeros_like(rows[:1]), np.cumsum(rows, axis=0)])
    return np.moveaxis((sums[end] - sums[first]) / (end - first)[:, None], 0, axis)


def decimate(plane: Floats) -> Floats:
    """64 × 64 of the pixels: those at the centres of a 64 × 64 grid."""
    centres = [((np.arange(POINTS) + 0.5) * size / POINTS).astype(int) for size in plane.shape]
    return plane[np.ix_(*centres)]


def low_frequencies(points: Floats) -> Floats:
    """The cosine transform's frequencies 1 to 16 in both directions, [row, column]."""
    frequency = np.arange(1, FREQUENCIES + 1)[:, None]
    place = 2 * np.arange(POINTS) + 1
    cosines = np.sqrt(2 / POINTS) * np.cos(np.pi / 2 / POINTS * frequency * place)
    down = (cosines[:, :, None] * points[None]).sum(axis=1)
    return np.asarray((down[:, None, :] * cosines[None]).sum(axis=2))


def median(coefficients: Floats) -> float:
    """The lower of the two middle values of 256: the 128th smallest."""
    return float(np.sort(coefficients, axis=None)[127])


def quality(points: Floats) -> int:
    """How much neighbouring points differ, in whole percents, 0 to 100 overall."""
    steps = [np.abs(np.diff(points, axis=axis) * 100 / 255).astype(int).sum() for axis in (0, 1)]
    return min(100, int(sum(steps)) // 90)
