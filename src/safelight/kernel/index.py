"""Search of perceptual hashes by Hamming distance, exact at every radius.

    index = HashIndex.build(hashes, ids)
    matches = index.search(queries, radius=31)
    first_query_ids = matches.ids[matches.offsets[0] : matches.offsets[1]]

A hash is 32 bytes (256 bits); a hash's entry has an id of the caller's, any 64-bit integer. Several
entries may have the same hash; no two have the same id.

Threads: every method may be called from any thread at any time. A search sees the index as it was
before or after a concurrent `add` or `remove`, never in between, and neither waits for the other.
Searching lets other Python threads run.

`safelight.kernel.index_file` describes the file that `save` writes.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import index as as_integer
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.kernel import index_file
from safelight.kernel._kernel import FlatIndex, Snapshot

HASH_BYTES = 32
MAX_SEARCH_RADIUS = 255  # a distance is one byte; 256 would be "every hash"
_NO_LIMIT = 2**63 - 1

Hashes = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """What a search found: one row of a ragged table for each query.

    The entries that query `q` matched are `ids[offsets[q]:offsets[q + 1]]`, in no particular order
    and each once, and `distances` at the same places says by how many bits they differ.
    """

    offsets: Ids  # one more than there were queries
    ids: Ids
    distances: Hashes


class HashIndex:
    """A set of 256-bit hashes with ids that can be searched by distance.

    An index may be empty. It takes 52 to 54 bytes of memory for each entry. Ids that grow from one
    entry to the next, as a database hands them out, make `add` and `remove` fast.
    """

    def __init__(self) -> None:
        self._flat = FlatIndex()

    @classmethod
    def build(cls, hashes: Hashes, ids: Ids) -> "HashIndex":
        """An index of these entries; the same as `add` to an empty one."""
        new = cls()
        new.add(hashes, ids)
        return new

    def __len__(self) -> int:
        return len(self._flat)

    def __repr__(self) -> str:
        return f"<HashIndex of {len(self):,} hashes>"

    def search(self, queries: Hashes, radius: int = 31, *, limit: int | None = None) -> Matches:
        """Every entry that differs from a query in at most `radius` bits.

        `queries` is uint8[q, 32], or uint8[32] for a single one; `radius` is from 0 to 255. With a
        `limit`, each query gets at most that many entries: the nearest, and of equally near ones
        those added first. Without it a query gets all, which may be the whole index.

        Raises ValueError for an argument of the wrong type, shape or range.
        """
        queries = _check_hashes(queries, "queries", one=True)
        radius = _check_whole(radius, "radius", 0, MAX_SEARCH_RADIUS)
        most = _NO_LIMIT if limit is None else _check_whole(limit, "limit", 1, _NO_LIMIT)
        return Matches(*self._flat.search(queries, radius, most))

    def add(self, hashes: Hashes, ids: Ids) -> None:
        """Add entries, hashes uint8[n, 32] with ids int64[n]; the next search finds them.

        Raises ValueError, and adds nothing, when an id is in the index already or given twice, or
        an argument is of the wrong type or shape.
        """
        hashes = _check_hashes(hashes, "hashes")
        ids = _check_ids(ids)
        if len(hashes) != len(ids):
            raise ValueError(
                f"There are {len(hashes)} hashes and {len(ids)} ids; give one id for each hash."
            )
        self._flat.add(hashes, ids)

    def remove(self, ids: Ids) -> int:
        """Remove the entries with these ids, int64[n]; the next search does not find them.

        Returns how many entries were removed. Ids that are not in the index are passed over.
        """
        return self._flat.remove(_check_ids(ids))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file that only its owner may read (mode 0600).

        The file at `path` is replaced in one step once the new one is safely on the disk; until
        then, and if anything goes wrong, the old one stays as it was.

        Raises DiskFull, or BadPath where the file cannot be written.
        """
        snapshot = self._flat.snapshot()
        index_file.write(path, len(snapshot), _blocks(snapshot))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "HashIndex":
        """Read an index that `save` wrote, checking all of it. It can be changed and saved again.

        The index lives in memory and keeps no tie to the file.

        Raises BadPath where the file cannot be read and CorruptFile where it is damaged, is
        something else, or was written by a newer version.
        """
        new = cls()
        for hashes, ids in index_file.read(path):
            new._flat.extend(hashes, ids)
        try:
            new._flat.check_ids()
        except ValueError as exc:
            raise index_file.damaged(path, str(exc)) from exc
        return new


def _blocks(snapshot: Snapshot) -> Iterator[tuple[Hashes, Ids]]:
    for number in range(snapshot.blocks):
        hashes, ids = snapshot.block(number)
        if len(ids):
            yield hashes.reshape(-1, HASH_BYTES), ids


def _check_hashes(value: Any, name: str, *, one: bool = False) -> Hashes:
    """The value as contiguous uint8[n, 32]; with `one`, a single hash of 32 bytes is let in too."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        raise ValueError(f"{name} must be a NumPy array of uint8, not {_kind(value)}.")
    if one and value.shape == (HASH_BYTES,):
        value = value.reshape(1, HASH_BYTES)
    if value.ndim != 2 or value.shape[1] != HASH_BYTES:
        raise ValueError(
            f"{name} must have the shape (n, {HASH_BYTES}), 32 bytes for each hash, "
            f"not {value.shape}."
        )
    return np.ascontiguousarray(value)


def _check_ids(value: Any) -> Ids:
    if not isinstance(value, np.ndarray) or value.dtype != np.int64:
        raise ValueError(f"ids must be a NumPy array of int64, not {_kind(value)}.")
    if value.ndim != 1:
        raise ValueError(f"ids must have one dimension, not the shape {value.shape}.")
    return np.require(value, requirements=["C", "ALIGNED"])


def _check_whole(value: Any, name: str, least: int, most: int) -> int:
    try:
        number = as_integer(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        upper = f" to {most}" if most != _NO_LIMIT else " up"
        raise ValueError(f"{name} must be a whole number from {least}{upper}, not {value!r}.")
    return number


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"of {value.dtype}"
    return type(value).__name__
