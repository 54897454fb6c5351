"""The hash lists as they are searched: one index for PDQ, one sorted table per digest."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from safelight.kernel.index import HashIndex
from safelight.matching.rules import Hit, MatchPolicy, best_per_entry
from safelight.model import (
    ORIENTATIONS,
    Algorithm,
    EntryArrays,
    Examined,
    FrameHashes,
    ImageHashes,
    Match,
)

# The quality of an entry whose list does not tell: taken for good.
UNTOLD_QUALITY = 100

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


class Matcher:
    """Hash lists, loaded for matching. Safe to search from several threads."""

    def __init__(self, names: Sequence[str], entries: Iterable[EntryArrays]) -> None:
        """Load entries; `names` are those of the lists that EntryArrays.lists points into."""
        parts: dict[Algorithm, list[EntryArrays]] = {}
        for some in entries:
            parts.setdefault(some.algorithm, []).append(some)
        self._pdq = _PdqTable(names, _joined(Algorithm.PDQ, parts.pop(Algorithm.PDQ, [])))
        self._digests = {
            algorithm: _DigestTable(names, _joined(algorithm, some))
            for algorithm, some in parts.items()
        }

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


def _joined(algorithm: Algorithm, parts: Sequence[EntryArrays]) -> EntryArrays:
    empty = EntryArrays(
        algorithm=algorithm,
        ids=np.empty(0, np.int64),
        lists=np.empty(0, np.int32),
        values=np.empty((0, algorithm.size), np.uint8),
        qualities=np.empty(0, np.int16),
    )
    every = parts or [empty]
    return EntryArrays(
        algorithm=algorithm,
        ids=np.concatenate([part.ids for part in every]),
        lists=np.concatenate([part.lists for part in every]),
        values=np.concatenate([part.values for part in every]),
        qualities=np.concatenate([part.qualities for part in every]),
    )


class _PdqTable:
    """PDQ entries: an index over their rows, beside what each row stands for."""

    def __init__(self, names: Sequence[str], entries: EntryArrays) -> None:
        self._names = names
        self._entries = entries
        self._index = HashIndex.build(entries.values, np.arange(len(entries.ids), dtype=np.int64))

    def __len__(self) -> int:
        return len(self._entries.ids)

    def frame_hits(self, frame: FrameHashes, policy: MatchPolicy, slack: int) -> Iterator[Hit]:
        for hashes, quality in (
            (frame.dihedral, frame.quality),
            (frame.stored, frame.stored_quality),
        ):
            if hashes is None or quality is None:
                continue
            radius = 0 if quality < policy.min_quality else policy.radius + slack
            query = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)
            yield from self.search(query, radius, policy.min_quality, frame.number, quality)

    def search(
        self,
        query: Bytes,
        radius: int,
        min_quality: int,
        frame: int = 0,
        quality: int = UNTOLD_QUALITY,
    ) -> list[Hit]:
        found = self._index.search(query, radius=radius)
        which = np.repeat(np.arange(len(query)), np.diff(found.offsets))
        hits = []
        for row, distance, turn in zip(
            found.ids.tolist(), found.distances.tolist(), which.tolist(), strict=True
        ):
            both = min(quality, self._quality(row))
            if distance and both < min_quality:
                continue  # a featureless entry is near to everything
            match = Match(
                list_name=self._names[self._entries.lists[row]],
                entry=int(self._entries.ids[row]),
                algorithm=Algorithm.PDQ,
                distance=distance,
                orientation=ORIENTATIONS[turn],
                frame=frame,
            )
            hits.append(Hit(match=match, quality=both))
        return hits

    def _quality(self, row: int) -> int:
        told = int(self._entries.qualities[row])
        return told if told >= 0 else UNTOLD_QUALITY


class _DigestTable:
    """Equality lookup: rows sorted by their first eight bytes, then compared whole."""

    def __init__(self, names: Sequence[str], entries: EntryArrays) -> None:
        self._names = names
        self._entries = entries
        heads = np.ascontiguousarray(entries.values[:, :8]).view(">u8").ravel().astype(np.uint64)
        self._order = np.argsort(heads, kind="stable")
        self._heads = heads[self._order]

    def __len__(self) -> int:
        return len(self._order)

    def hits(self, value: bytes) -> Iterator[Hit]:
        head = np.uint64(int.from_bytes(value[:8], "big"))
        first = int(np.searchsorted(self._heads, head, side="left"))
        last = int(np.searchsorted(self._heads, head, side="right"))
        for row in self._order[first:last]:
            if self._entries.values[row].tobytes() == value:
                yield Hit(
                    match=Match(
                        list_name=self._names[self._entries.lists[row]],
                        entry=int(self._entries.ids[row]),
                        algorithm=self._entries.algorithm,
                        distance=0,
                    )
                )
