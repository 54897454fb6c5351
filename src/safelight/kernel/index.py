"""Search of perceptual hashes by Hamming distance, exact at every radius.

    index = HashIndex.build(hashes, ids)
    matches = index.search(queries, radius=31)
    first_query_ids = matches.ids[matches.offsets[0] : matches.offsets[1]]

A hash is 32 bytes (256 bits); a hash's entry has an id of the caller's, any 64-bit integer. Several
entries may have the same hash; no two have the same id.

Threads: every method may be called from any thread at any time. A search sees the index as it was
before or after a concurrent change, never in between, and neither waits for the other. Searching
lets other Python threads run. What was added last is joined with the rest in the background, by a
thread that runs no Python; nothing waits for it. In a forked child the index works on, but is no
longer joined in the background: call `merge` there.

`safelight.kernel.index_file` describes the file that `save` writes.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import index as as_integer
from typing import Any, BinaryIO, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from safelight.kernel import index_file
from safelight.kernel._kernel import Index

HASH_BYTES = 32
MAX_SEARCH_RADIUS = 255  # a distance is one byte; 256 would be "every hash"
MAX_ORIENTATIONS = 255
_NO_LIMIT = 2**63 - 1

Hashes = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int64]
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """What a search found: one row of a ragged table for each query.

    The entries that query `q` matched are `ids[offsets[q]:offsets[q + 1]]`, in no particular order
    and each once, and `distances` at the same places says by how many bits they differ.
    """

    offsets: Ids  # one more than there were queries
    ids: Ids
    distances: Hashes


@dataclass(frozen=True, slots=True, eq=False)
class OrientedMatches:
    """What `search_oriented` found; as `Matches`, with the place among a query's hashes.

    `distances` are those of the nearest of the query's hashes, and `orientations` at the same
    places, uint8, says which that was: the first of several that are equally near.
    """

    offsets: Ids  # one more than there were queries
    ids: Ids
    distances: Hashes
    orientations: Hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """How an index is made up."""

    entries: int
    segments: int  # with tables to search by; none of less than 16,384 entries is made
    in_delta: int  # of the entries: those added last, searched from end to end
    removed: int  # entries that still take up room
    bytes: int  # all of the memory, mapped files too
    mapped: int  # of these, bytes that lie in a mapped file, shared with other processes
    merging: bool  # the background is at work
    merge_error: str | None  # why it failed the last time; it tries again after a later change


class HashIndex:
    """A set of 256-bit hashes with ids that can be searched by distance.

    An index may be empty. It takes about 137 bytes of memory for each entry and 4 MB for all, and
    below 16,384 entries only 52 to 54 bytes for each; while everything is joined, up to two and a
    half times that. Ids that grow from one entry to the next, as a database hands them out, make
    `add` and `remove` fast.
    """

    # When entries become a segment; here for the tests, which make them small.
    _merge_rows: ClassVar[int] = 16_384
    _direct_rows: ClassVar[int] = 32_768

    def __init__(self) -> None:
        self._native = Index(self._merge_rows, self._direct_rows)
        self._note = b""
        self._file = ""  # what is mapped

    @classmethod
    def build(cls, hashes: Hashes, ids: Ids) -> "HashIndex":
        """An index of these entries; the same as `add` to an empty one."""
        new = cls()
        new.add(hashes, ids)
        return new

    def __len__(self) -> int:
        return len(self._native)

    def __repr__(self) -> str:
        return f"<HashIndex of {len(self):,} hashes>"

    # ---- Searching ----

    def search(self, queries: Hashes, radius: int = 31, *, limit: int | None = None) -> Matches:
        """Every entry that differs from a query in at most `radius` bits.

        `queries` is uint8[q, 32], or uint8[32] for a single one; `radius` is from 0 to 255. With a
        `limit`, each query gets at most that many entries: the nearest, and of equally near ones
        those with the smallest id. Without it a query gets all, which may be the whole index.

        Raises ValueError for an argument of the wrong type, shape or range.
        """
        found = self._native.search(queries, radius, limit)
        if found is None:
            question = _check_question(_check_queries(queries), radius, limit)
            found = _taken(self._native.search(*question))
        return Matches(*found)

    def search_oriented(
        self, queries: Hashes, radius: int = 31, *, limit: int | None = None
    ) -> OrientedMatches:
        """Every entry that differs from one of a query's hashes in at most `radius` bits.

        `queries` is uint8[q, k, 32]: k hashes for each query, such as the eight orientations of a
        picture; k is from 1 to 255. An entry is told once per query, at its nearest. `radius` and
        `limit` are as for `search`.

        Raises ValueError for an argument of the wrong type, shape or range.
        """
        found = self._native.search_oriented(queries, radius, limit)
        if found is None:
            question = _check_question(_check_oriented(queries), radius, limit)
            found = _taken(self._native.search_oriented(*question))
        return OrientedMatches(*found)

    # ---- Changing ----

    def add(self, hashes: Hashes, ids: Ids) -> None:
        """Add entries, hashes uint8[n, 32] with ids int64[n]; the next search finds them.

        Raises ValueError, and adds nothing, when an id is in the index already or given twice, or
        an argument is of the wrong type or shape.
        """
        self._native.add(*_check_entries(hashes, ids))

    def replace(self, hashes: Hashes, ids: Ids) -> None:
        """Add entries as `add` does, each in place of the entry with its id if there is one.

        It is one step: no search sees the index without an entry that is replaced, nor with both.

        Raises ValueError, and changes nothing, when an id is given twice, or an argument is of the
        wrong type or shape.
        """
        self._native.replace(*_check_entries(hashes, ids))

    def remove(self, ids: Ids) -> int:
        """Remove the entries with these ids, int64[n]; the next search does not find them.

        Returns how many entries were removed. Ids that are not in the index are passed over.
        """
        return self._native.remove(_check_ids(ids))

    def merge(self) -> None:
        """Join everything now instead of in the background, and give back what was removed.

        Makes searches as fast as they get: best called after a lot of changes. Takes about half a
        second for a million entries; other threads go on searching and changing meanwhile.

        Raises CorruptFile when the file that the index was opened from turns out to be damaged.
        """
        with self._damage_named():
            self._native.merge()

    def statistics(self) -> Statistics:
        """How the index is made up at this moment."""
        *counts, merging, error = self._native.statistics()
        entries, segments, in_delta, removed, size, mapped = counts
        return Statistics(
            entries=entries,
            segments=segments,
            in_delta=in_delta,
            removed=removed,
            bytes=size,
            mapped=mapped,
            merging=merging,
            merge_error=error or None,
        )

    # ---- Files ----

    @property
    def note(self) -> bytes:
        """What was saved beside the index in the file that it was opened from; else empty."""
        return self._note

    def save(self, path: index_file.AnyPath, *, note: bytes = b"") -> None:
        """Write the index to a file that only its owner may read (mode 0600).

        The file at `path` is replaced in one step once the new one is safely on the disk; until
        then, and if anything goes wrong, the old one stays as it was. Everything is merged first.
        `note` is up to 16 MiB of the caller's own, to be read after `open`.

        Raises DiskFull, or BadPath where the file cannot be written; ValueError for a note that is
        too long; CorruptFile when the file that the index was opened from turns out to be damaged.
        """
        _check_note(note)
        with self._damage_named():
            counts, body = self._native.whole()
        index_file.write(path, index_file.Counts(*counts), body.data, note)

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        """Nothing else can be wrong with what is joined: all was checked as it was added."""
        try:
            yield
        except ValueError as exc:
            raise index_file.damaged(self._file, str(exc)) from exc

    @classmethod
    def open(cls, path: index_file.AnyPath) -> "HashIndex":
        """An index over a file that `save` wrote, which is mapped: at once, however large it is.

        Processes that open the same file share its memory. The index can be changed: changes live
        in memory and never touch the file. The file may be replaced or removed while it is open,
        but not written to or cut short: that kills the process.

        The first page, the checksums and the note are checked, the hashes are not: `verify` does
        that. A search of a damaged file may miss entries; it does no other harm.

        Raises BadPath where the file cannot be read and CorruptFile where it is damaged, is
        something else, or was written by another version that this one cannot read.
        """
        new = cls()
        with index_file.opened(path) as (file, contents):
            new._note, new._file = contents.note, os.fsdecode(path)
            if contents.counts.entries:
                new._native = cls._mapped(file, contents, path)
        return new

    @classmethod
    def _mapped(
        cls, file: BinaryIO, contents: index_file.Contents, path: index_file.AnyPath
    ) -> Index:
        start, size = index_file.PAGE_BYTES, contents.body_bytes
        tuning = cls._merge_rows, cls._direct_rows
        try:
            return Index(*tuning, file.fileno(), start, size, contents.counts)
        except ValueError as exc:
            raise index_file.damaged(path, str(exc)) from exc

    @staticmethod
    def verify(
        path: index_file.AnyPath, *, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Read all of a file that `save` wrote and compare it with its checksums.

        `progress(done, total)` is told the bytes after each block. Other threads run meanwhile.

        Raises BadPath where the file cannot be read and CorruptFile, with the first bad block, for
        one that `open` would refuse or that is damaged anywhere else.
        """
        index_file.verify(path, progress=progress)


# ---- Checks ----


def _check_question(queries: Hashes, radius: Any, limit: Any) -> tuple[Hashes, int, int | None]:
    """What the kernel takes, of arguments that it did not take as they were."""
    return (
        queries,
        _check_whole(radius, "radius", 0, MAX_SEARCH_RADIUS),
        None if limit is None else _check_whole(limit, "limit", 1, _NO_LIMIT),
    )


def _taken(found: _Found | None) -> _Found:
    if found is None:
        raise ValueError("queries must lie in memory as NumPy arrays do; pass a copy of them.")
    return found


def _check_entries(hashes: Any, ids: Any) -> tuple[Hashes, Ids]:
    hashes = _check_hashes(hashes, "hashes")
    ids = _check_ids(ids)
    if len(hashes) != len(ids):
        raise ValueError(
            f"There are {len(hashes)} hashes and {len(ids)} ids; give one id for each hash."
        )
    return hashes, ids


def _check_queries(value: Any) -> Hashes:
    """The value as contiguous uint8[n, 32]; a single hash of 32 bytes is let in too."""
    if isinstance(value, np.ndarray) and value.shape == (HASH_BYTES,):
        value = value.reshape(1, HASH_BYTES)
    return _check_hashes(value, "queries")


def _check_oriented(value: Any) -> Hashes:
    _check_bytes(value, "queries")
    if value.ndim != 3 or value.shape[2] != HASH_BYTES:
        raise ValueError(
            f"queries must have the shape (n, k, {HASH_BYTES}), k hashes of 32 bytes for each "
            f"query, not {value.shape}."
        )
    if not 1 <= value.shape[1] <= MAX_ORIENTATIONS:
        raise ValueError(
            f"queries must have 1 to {MAX_ORIENTATIONS} hashes each, not {value.shape[1]}."
        )
    return _contiguous(value)


def _check_hashes(value: Any, name: str) -> Hashes:
    _check_bytes(value, name)
    if value.ndim != 2 or value.shape[1] != HASH_BYTES:
        raise ValueError(
            f"{name} must have the shape (n, {HASH_BYTES}), 32 bytes for each hash, "
            f"not {value.shape}."
        )
    return _contiguous(value)


def _contiguous(value: Hashes) -> Hashes:
    """An array without elements may have any strides and still count as contiguous in NumPy."""
    return np.ascontiguousarray(value) if value.size else np.empty(value.shape, np.uint8)


def _check_bytes(value: Any, name: str) -> None:
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        raise ValueError(f"{name} must be a NumPy array of uint8, not {_kind(value)}.")


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


def _check_note(value: Any) -> None:
    most = index_file.MOST_NOTE_BYTES
    if not isinstance(value, bytes):
        raise ValueError(f"note must be bytes, not {_kind(value)}.")
    if len(value) > most:
        raise ValueError(f"note must be at most {most:,} bytes, not {len(value):,}.")


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"of {value.dtype}"
    return type(value).__name__
