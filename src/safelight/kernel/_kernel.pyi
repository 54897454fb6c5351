"""What bind.cpp offers. Arrays must be contiguous; the Python faces check and say what is wrong."""

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

class Snapshot:
    """The entries of an index at one moment."""

    def __len__(self) -> int: ...
    @property
    def blocks(self) -> int:
        """How many blocks of at most 65,536 entries there are."""

    def block(self, block: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """One block's live entries: hashes, flat uint8[n * 32], and ids int64[n]."""

class FlatIndex:
    """256-bit hashes, searched from end to end."""

    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    def add(self, hashes: npt.NDArray[np.uint8], ids: npt.NDArray[np.int64]) -> None:
        """Add entries; ValueError, and nothing added, for an id that is present or given twice."""

    def extend(self, hashes: npt.NDArray[np.uint8], ids: npt.NDArray[np.int64]) -> None:
        """Add entries unchecked: call check_ids before anything else is done with the index."""

    def check_ids(self) -> None:
        """ValueError if two entries have the same id."""

    def remove(self, ids: npt.NDArray[np.int64]) -> int:
        """Remove the entries that are present; return how many."""

    def search(
        self, queries: npt.NDArray[np.uint8], radius: int, limit: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Offsets, ids and distances of the entries within the radius of each query."""

    def snapshot(self) -> Snapshot:
        """The entries as they are now."""
