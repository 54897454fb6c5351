"""The hash lists as they are searched: one index for PDQ, one sorted table per digest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from safelight.kernel.index import HashIndex
from safelight.matching.rules import Hit, MatchPolicy, best_per_entry
from safelight.model import ORIENTATIONS, Algorithm, Examined, FrameHashes, ImageHashes, Match

UNKNOWN_QUALITY = 100

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryBatch:
    """Entries of one list and one algorithm.

    `values` is uint8[n, size of the algorithm], `ids` int64[n]; `qualities` int64[n] or None where
    the list does not say.
    """

    list_name: str
    algorithm: Algorithm
    values: Bytes
    ids: Numbers
    qualities: Numbers | None = None


class Matcher:
    """Hash lists, loaded for matching. Safe to search from several threads."""

    def __init__(self, batches: Iterable[EntryBatch]) -> None:
        parts: dict[Algorithm, list[EntryBatch]] = {}
        for batch in batches:
            parts.setdefault(batch.algorithm, []).append(batch)
        self._pdq = _PdqTable(parts.pop(Algorithm.PDQ, []))
        self._digests = {algorithm: _DigestTable(some) for algorithm, some in parts.items()}

    def __len__(self) -> int:
        return len(self._pdq) + sum(len(table) for table in self._digests.values())

    def hits(self, examined: Examined, policy: MatchPolicy, *, slack: int = 0) -> list[Hit]:
        """Return the nearest hit of every entry the file matches, the nearest first.

        `slack` widens the radius, for hashes that may have drifted (fast mode).
        """
        found = list(self._digest_hits(examined))
        if isinstance(examined, ImageHashes):
            for frame in examined.frames:
                found += self._pdq.frame_hits(frame, policy, slack)
        return best_per_entry(found)

    def hash_hits(self, algorithm: Algorithm, value: bytes, policy: MatchPolicy) -> list[Hit]:
        """Return the hits of one bare hash; PDQ within the radius, digests where equal."""
        if algorithm is Algorithm.PDQ:
            query = np.frombuffer(value, np.uint8).reshape(1, 32)
            return best_per_entry(self._pdq.search(query, policy.radius, policy.min_quality))
        table = self._digests.get(algorithm)
        return list(table.hits(value)) if table else []

    def _digest_hits(self, examined: Examined) -> Iterator[Hit]:
        if examined.digests is None:
            return
        for algorithm, table in self._digests.items():
            yield from table.hits(bytes.fromhex(getattr(examined.digests, algorithm.value)))


class _Owners:
    """Which list and entry each row of a table stands for."""

    def __init__(self, batches: Sequence[EntryBatch]) -> None:
        self._names = [batch.list_name for batch in batches]
        self._starts = np.cumsum([0] + [len(batch.ids) for batch in batches])
        self._ids = np.concatenate([batch.ids for batch in batches] or [np.empty(0, np.int64)])

    def __len__(self) -> int:
        return len(self._ids)

    def of(self, row: int) -> tuple[str, int]:
        batch = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._names[batch], int(self._ids[row])


class _PdqTable:
    def __init__(self, batches: Sequence[EntryBatch]) -> None:
        self._owners = _Owners(batches)
        rows = np.arange(len(self._owners), dtype=np.int64)
        values = [batch.values for batch in batches] or [np.empty((0, 32), np.uint8)]
        self._index = HashIndex.build(np.ascontiguousarray(np.concatenate(values)), rows)
        self._qualities = np.concatenate(
            [_qualities(batch) for batch in batches] or [np.empty(0, np.int64)]
        )

    def __len__(self) -> int:
        return len(self._owners)

    def frame_hits(self, frame: FrameHashes, policy: MatchPolicy, slack: int) -> list[Hit]:
        low = frame.quality < policy.min_quality
        radius = 0 if low else policy.radius + slack
        hashes = frame.dihedral + (frame.stored or ())
        query = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)
        return self.search(query, radius, policy.min_quality, frame.number, frame.quality)

    def search(
        self,
        query: Bytes,
        radius: int,
        min_quality: int,
        frame: int = 0,
        quality: int = UNKNOWN_QUALITY,
    ) -> list[Hit]:
        found = self._index.search(query, radius=radius)
        hits = []
        for which in range(len(query)):
            for at in range(int(found.offsets[which]), int(found.offsets[which + 1])):
                row, distance = int(found.ids[at]), int(found.distances[at])
                both = min(quality, int(self._qualities[row]))
                if distance and both < min_quality:
                    continue  # a featureless entry is near to everything
                list_name, entry = self._owners.of(row)
                match = Match(
                    list_name=list_name,
                    entry=entry,
                    algorithm=Algorithm.PDQ,
                    distance=distance,
                    orientation=ORIENTATIONS[which % 8],
                    frame=frame,
                )
                hits.append(Hit(match=match, quality=both))
        return hits


def _qualities(batch: EntryBatch) -> Numbers:
    if batch.qualities is None:
        return np.full(len(batch.ids), UNKNOWN_QUALITY, np.int64)
    return batch.qualities


class _DigestTable:
    """Equality lookup: rows sorted by their first eight bytes, then compared whole."""

    def __init__(self, batches: Sequence[EntryBatch]) -> None:
        self._owners = _Owners(batches)
        self._algorithm = batches[0].algorithm
        self._values = np.ascontiguousarray(np.concatenate([batch.values for batch in batches]))
        heads = np.ascontiguousarray(self._values[:, :8]).view(">u8").ravel().astype(np.uint64)
        self._order = np.argsort(heads, kind="stable")
        self._heads = heads[self._order]

    def __len__(self) -> int:
        return len(self._owners)

    def hits(self, value: bytes) -> Iterator[Hit]:
        head = np.uint64(int.from_bytes(value[:8], "big"))
        first = int(np.searchsorted(self._heads, head, side="left"))
        last = int(np.searchsorted(self._heads, head, side="right"))
        for row in self._order[first:last]:
            if self._values[row].tobytes() != value:
                continue
            list_name, entry = self._owners.of(int(row))
            yield Hit(
                match=Match(list_name=list_name, entry=entry, algorithm=self._algorithm, distance=0)
            )
