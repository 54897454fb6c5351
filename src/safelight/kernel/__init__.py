"""The native kernel, with the checks a caller needs. The numbers are made in `kernel/` (C++)."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from safelight.errors import BadSetting
from safelight.kernel import _kernel

Bytes = NDArray[np.uint8]

EIGHTHS = (1, 2, 4, 8)


class Pdq(NamedTuple):
    """The PDQ hashes of one picture.

    `dihedral` is uint8[8, 32], in the order of `model.ORIENTATIONS`; `dihedral[0]` is the hash of
    the picture as it lies. `.tobytes().hex()` of a row is the hash as exchanges write it. `quality`
    is 0 to 100; a hash of quality below 50 says little.
    """

    dihedral: Bytes
    quality: int


def pdq_from_rgb(rgb: Bytes) -> Pdq:
    """Hash a picture, uint8[height, width, 3]: the same bits and quality as `pdqhash`.

    A side shorter than 5 pixels gives hashes and quality of zero. Raises ValueError when the array
    is not of that kind.
    """
    return _unpacked(_kernel.pdq_from_rgb(_checked(rgb, "rgb", "height, width, 3")))


def pdq_from_gray(gray: Bytes) -> Pdq:
    """Hash a grey picture, uint8[height, width], as its expansion to r = g = b hashes.

    Raises ValueError when the array is not of that kind.
    """
    return _unpacked(_kernel.pdq_from_gray(_checked(gray, "gray", "height, width")))


def pdq_from_scaled_gray(gray: Bytes, *, width: int, height: int, eighths: int) -> Pdq:
    """Hash a picture of `width` × `height` pixels from its grey plane scaled by eighths/8.

    `gray` is uint8[⌈height · eighths / 8⌉, ⌈width · eighths / 8⌉], as a JPEG decoder gives it when
    asked for a scaled picture; `eighths` is 1, 2, 4 or 8. The filter is that of the full size, so
    the hash stays within a few bits of the exact one while the scaled sides are 256 or longer.
    Raises ValueError when sizes do not fit together.
    """
    if eighths not in EIGHTHS:
        raise ValueError(f"eighths is {eighths}; it must be one of 1, 2, 4, 8")
    plane = _checked(gray, "gray", "height, width")
    wanted = tuple(-(-side * eighths // 8) for side in (height, width))
    if plane.shape != wanted:
        raise ValueError(
            f"gray has shape {plane.shape}; {eighths}/8 of {height} × {width} pixels is {wanted}"
        )
    return _unpacked(_kernel.pdq_from_scaled_gray(plane, width, height, eighths))


@cache
def isa() -> str:
    """The instruction set in use: plain, avx2, avx512 or neon.

    Raises BadSetting when SAFELIGHT_KERNEL_ISA names one that is unknown or not this machine's.
    """
    try:
        return _kernel.isa()
    except ValueError as error:
        raise BadSetting(str(error)) from error


def _checked(array: Bytes, name: str, shape: str) -> Bytes:
    """The array with its rows in one piece, or a ValueError that says what is wrong with it."""
    isa()
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = getattr(array, "dtype", type(array).__name__)
        raise ValueError(f"{name} is {kind}; pass a NumPy array of uint8, shape ({shape})")
    colours = shape.endswith(", 3")
    if array.ndim != (3 if colours else 2) or (colours and array.shape[2] != 3):
        raise ValueError(f"{name} has shape {array.shape}; pass ({shape})")
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: there are no pixels to hash")
    return np.ascontiguousarray(array)


def _unpacked(answer: tuple[bytes, int, bool]) -> Pdq:
    """The kernel's answer as arrays; whether the slow path was needed is not the caller's care."""
    hashes, quality, _ = answer
    return Pdq(np.frombuffer(hashes, np.uint8).reshape(8, 32), quality)
