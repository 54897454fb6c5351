"""What `pdqhash`, the reference, says about a picture, in the shape of our own answer."""

from typing import NamedTuple

import numpy as np
import pdqhash
from numpy.typing import NDArray

from safelight.kernel import Pdq

Rgb = NDArray[np.uint8]


class Answer(NamedTuple):
    """Eight hashes as hexadecimal text, and the quality."""

    dihedral: list[str]
    quality: int


def peer_answer(rgb: Rgb) -> Answer:
    """The reference's answer.

    `compute` and `compute_dihedral` agree except on 64 × 64 pixels, which only the latter blurs:
    the upright hash and the quality are those of `compute`.
    """
    upright, quality = pdqhash.compute(rgb)
    turned, _ = pdqhash.compute_dihedral(rgb)
    return Answer([packed(row).hex() for row in (upright, *turned[1:])], quality)


def packed(bits: NDArray[np.int64]) -> bytes:
    """The reference's vector of 256 zeros and ones as 32 bytes."""
    return np.packbits(bits == 1).tobytes()


def our_answer(pdq: Pdq) -> Answer:
    """Our answer."""
    return Answer([row.tobytes().hex() for row in pdq.dihedral], pdq.quality)
