"""The beginnings of the digests that are already graded, as a file that a child can search.

The file is eight bytes of every digest, sorted. A child that finds none of a file's digests in it
decodes the file; one that finds any leaves it, and the parent, which has the whole digests, checks.
"""

import os
from collections.abc import Mapping

from safelight.model import FILE_DIGESTS

HEAD = 8  # bytes


def is_graded(heads: int, digests: Mapping[str, str]) -> bool:
    """Tell whether one of the digests (hexadecimal, by algorithm) begins like one in the file."""
    return any(_holds(heads, bytes.fromhex(digests[name])[:HEAD]) for name in FILE_DIGESTS)


def _holds(heads: int, wanted: bytes) -> bool:
    low, high = 0, os.fstat(heads).st_size // HEAD
    while low < high:
        middle = (low + high) // 2
        if os.pread(heads, HEAD, middle * HEAD) < wanted:
            low = middle + 1
        else:
            high = middle
    return os.pread(heads, HEAD, low * HEAD) == wanted
