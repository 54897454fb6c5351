"""What bind.cpp offers. Arrays must be contiguous; the Python faces check and say what is wrong."""

from typing import overload

import numpy as np
import numpy.typing as npt

def isa() -> str: ...

# PDQ: the eight hashes of 32 bytes, the quality, and whether the slow path was needed

def pdq_from_rgb(rgb: npt.NDArray[np.uint8]) -> tuple[bytes, int, bool]: ...
def pdq_from_gray(gray: npt.NDArray[np.uint8]) -> tuple[bytes, int, bool]: ...
def pdq_from_scaled_gray(
    gray: npt.NDArray[np.uint8], width: int, height: int, eighths: int
) -> tuple[bytes, int, bool]: ...

# ---- Hamming search ----

_Numbers = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]

class Index:
    """256-bit hashes with ids, searched by distance; hashes are uint8[n, 32], ids int64[n]."""

    @overload
    def __init__(self, merge_rows: int, direct_rows: int) -> None:
        """An empty index; `merge_rows` in the delta, or `direct_rows` added, become a segment."""

    @overload
    def __init__(
        self,
        merge_rows: int,
        direct_rows: int,
        file: int,
        offset: int,
        bytes: int,
        counts: tuple[int, int, int],
    ) -> None:
        """An index over a segment in an open file.

        OSError when it cannot be mapped, ValueError when the counts do not fit the bytes.
        """

    def __len__(self) -> int: ...
    def add(self, hashes: _Bytes, ids: _Numbers) -> None:
        """Add entries; ValueError, and nothing added, for an id that is present or given twice."""

    def replace(self, hashes: _Bytes, ids: _Numbers) -> None:
        """Add entries in place of those with the same ids; ValueError for an id given twice."""

    def remove(self, ids: _Numbers) -> int:
        """Remove the entries that are present; return how many."""

    def search(
        self, queries: object, radius: object, limit: object
    ) -> tuple[_Numbers, _Numbers, _Bytes] | None:
        """Offsets, ids and distances of the entries near each query of uint8[q, 32] or [32].

        None for arguments that are not plainly right: a contiguous array, ints in range.
        """

    def search_oriented(
        self, queries: object, radius: object, limit: object
    ) -> tuple[_Numbers, _Numbers, _Bytes, _Bytes] | None:
        """Offsets, ids, distances and orientations near each query of uint8[q, k, 32]; or None."""

    def merge(self) -> None:
        """Join everything now."""

    def whole(self) -> tuple[tuple[int, int, int], _Bytes]:
        """One segment of all entries: its counts (entries, rows, singles) and its bytes."""

    def statistics(self) -> tuple[int, int, int, int, int, int, bool, str]:
        """Entries, segments, in_delta, removed, bytes, mapped, merging, merge_error."""
