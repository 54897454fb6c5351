"""The hash lists as they are searched: PDQ and video frames by index, digests by sorted tables."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.kernel.index import HashIndex
from safelight.matching.rules import Hit, MatchPolicy, Standing, best_per_entry
from safelight.matching.video import (
    QUERIES_AT_A_TIME,
    UNTOLD_QUALITY,
    Query,
    VideoHit,
    VideoTable,
)
from safelight.model import (
    ORIENTATIONS,
    Algorithm,
    EntryArrays,
    Examined,
    FrameHashes,
    FrameSampling,
    ImageHashes,
    Match,
    VideoHashes,
)

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


class Matcher:
    """Hash lists, loaded for matching. Safe to search from several threads.

    Hits on the lists named in `observed` are to be told only; those named in `ignore` hold files
    that are of no interest. Every hit says which it is, for `judge`.
    """

    def __init__(
        self,
        names: Sequence[str],
        entries: Iterable[EntryArrays],
        *,
        observed: frozenset[str] = frozenset(),
        ignore: frozenset[str] = frozenset(),
    ) -> None:
        """Load entries; `names` are those of the lists that EntryArrays.lists points into."""
        parts: dict[Algorithm, list[EntryArrays]] = {}
        for some in entries:
            parts.setdefault(some.algorithm, []).append(some)
        standings = dict.fromkeys(ignore, Standing.IGNORE)
        standings |= dict.fromkeys(observed, Standing.OBSERVED)
        pdq, vpdq = (
            _Entries(names, standings, _joined(one, parts.pop(one, [])))
            for one in (Algorithm.PDQ, Algorithm.VPDQ)
        )
        self._pdq, self._videos = _PdqTable(pdq), _VideoTable(vpdq)
        self._digests = {
            algorithm: _DigestTable(_Entries(names, standings, _joined(algorithm, some)))
            for algorithm, some in parts.items()
        }

    def __len__(self) -> int:
        digests = sum(len(table) for table in self._digests.values())
        return len(self._pdq) + len(self._videos) + digests

    def hits(self, examined: Examined, policy: MatchPolicy, *, slack: int = 0) -> list[Hit]:
        """Return the nearest hit of every entry the file matches, the nearest first.

        `slack` widens the radius, for hashes that may have drifted (fast mode).
        """
        found = list(self._digest_hits(examined))
        if isinstance(examined, ImageHashes):
            for frame in examined.frames:
                found += self._pdq.frame_hits(frame, policy, slack)
            found += self._videos.picture_hits(examined.frames, policy, slack)
        elif isinstance(examined, VideoHashes):
            found += self._pdq.video_hits(examined.frames, policy)
            found += self._videos.video_hits(examined, policy)
        return best_per_entry(found)

    def hash_hits(self, algorithm: Algorithm, value: bytes, policy: MatchPolicy) -> list[Hit]:
        """Return the hits of one bare hash; PDQ within the radius, digests where equal."""
        if algorithm is Algorithm.PDQ:
            query = np.frombuffer(value, np.uint8).reshape(1, 32)
            found = self._pdq.search(query, policy.radius, policy.min_quality)
            found += self._videos.hash_hits(value, policy)
            return best_per_entry(found)
        table = self._digests.get(algorithm)
        return list(table.hits(value)) if table else []

    def _digest_hits(self, examined: Examined) -> Iterator[Hit]:
        if examined.digests is None:
            return
        for algorithm, table in self._digests.items():
            yield from table.hits(bytes.fromhex(getattr(examined.digests, algorithm.value)))


def _joined(algorithm: Algorithm, parts: Sequence[EntryArrays]) -> EntryArrays:
    every = parts or [_nothing(algorithm)]
    return EntryArrays(
        algorithm=algorithm,
        ids=np.concatenate([part.ids for part in every]),
        lists=np.concatenate([part.lists for part in every]),
        values=np.concatenate([part.values for part in every]),
        qualities=np.concatenate([part.qualities for part in every]),
        classes=None if all(part.classes is None for part in every) else _joined_classes(every),
        class_names=tuple(name for part in every for name in part.class_names),
        times=None if all(part.times is None for part in every) else _joined_times(every),
    )


def _nothing(algorithm: Algorithm) -> EntryArrays:
    return EntryArrays(
        algorithm=algorithm,
        ids=np.empty(0, np.int64),
        lists=np.empty(0, np.int32),
        values=np.empty((0, algorithm.size), np.uint8),
        qualities=np.empty(0, np.int16),
    )


def _joined_classes(parts: Sequence[EntryArrays]) -> npt.NDArray[np.int32]:
    """The classes as positions among the names of all parts; of no class, the part's first."""
    joined, names = [], 0
    for part in parts:
        classes = np.zeros(len(part.ids), np.int32) if part.classes is None else part.classes
        joined.append(classes + np.int32(names))
        names += len(part.class_names)
    return np.concatenate(joined)


def _joined_times(parts: Sequence[EntryArrays]) -> npt.NDArray[np.int32]:
    return np.concatenate(
        [np.zeros(len(one.ids), np.int32) if one.times is None else one.times for one in parts]
    )


class _Entries:
    """What each row of a table stands for."""

    def __init__(
        self, names: Sequence[str], standings: dict[str, Standing], arrays: EntryArrays
    ) -> None:
        self._names, self._standings, self.arrays = names, standings, arrays

    def __len__(self) -> int:
        return len(self.arrays.ids)

    def quality(self, row: int) -> int:
        told = int(self.arrays.qualities[row])
        return told if told >= 0 else UNTOLD_QUALITY

    def hit(
        self,
        row: int,
        *,
        distance: int,
        turn: int = 0,
        frame: FrameHashes | None = None,
        quality: int = UNTOLD_QUALITY,
    ) -> Hit:
        arrays = self.arrays
        name = self._names[arrays.lists[row]]
        their_class = "" if arrays.classes is None else arrays.class_names[arrays.classes[row]]
        match = Match(
            list_name=name,
            entry=int(arrays.ids[row]),
            algorithm=arrays.algorithm,
            distance=distance,
            orientation=ORIENTATIONS[turn],
            frame=0 if frame is None else frame.number,
            time=None if frame is None else frame.time,
            their_class=their_class,
        )
        standing = self._standings.get(name, Standing.COUNTS)
        return Hit(match=match, quality=quality, standing=standing)


class _PdqTable:
    """PDQ entries: an index over their rows."""

    def __init__(self, entries: _Entries) -> None:
        self._entries = entries
        rows = np.arange(len(entries), dtype=np.int64)
        self._index = HashIndex.build(entries.arrays.values, rows)

    def __len__(self) -> int:
        return len(self._entries)

    def frame_hits(self, frame: FrameHashes, policy: MatchPolicy, slack: int) -> Iterator[Hit]:
        """The hits of a picture's frame; at low quality only those that are equal."""
        for hashes, quality in _both(frame):
            radius = 0 if quality < policy.min_quality else policy.radius + slack
            query = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)
            yield from self.search(query, radius, policy.min_quality, frame, quality)

    def video_hits(self, frames: Sequence[FrameHashes], policy: MatchPolicy) -> Iterator[Hit]:
        """The nearest hit of each entry that a video's frames are near to.

        Frames of low quality are left out: nearly every video begins or ends with a black one.
        """
        query = Query.of(frames, policy.min_quality)
        if not len(self) or not len(query.values):
            return
        nearest = self._nearest(query.values.reshape(-1, 32), policy.radius)
        for row, distance, which in nearest.tolist():
            number, turn = divmod(which, len(ORIENTATIONS))
            frame = query.frame(number)
            quality = min(self._entries.quality(row), 100 if frame is None else frame.quality)
            if distance == 0 or quality >= policy.min_quality:
                yield self._entries.hit(
                    row, distance=distance, turn=turn, frame=frame, quality=quality
                )

    def _nearest(self, queries: Bytes, radius: int) -> Numbers:
        """Of each row that a query is near: the row, how many bits off, and the nearest query.

        Memory is that of the rows and of a few queries at a time, whatever is near what.
        """
        best = np.empty((0, 3), np.int64)
        for start in range(0, len(queries), QUERIES_AT_A_TIME):
            some = np.ascontiguousarray(queries[start : start + QUERIES_AT_A_TIME])
            found = self._index.search(some, radius=radius)
            which = start + np.repeat(np.arange(len(some)), np.diff(found.offsets))
            at = _nearest_of_each(found.ids, found.distances)
            new = np.stack([found.ids[at], found.distances[at], which[at]], axis=1)
            both = np.concatenate([best, new])
            best = both[_nearest_of_each(both[:, 0], both[:, 1])]
        return best

    def search(
        self,
        query: Bytes,
        radius: int,
        min_quality: int,
        frame: FrameHashes | None = None,
        quality: int = UNTOLD_QUALITY,
    ) -> list[Hit]:
        found = self._index.search(query, radius=radius)
        which = np.repeat(np.arange(len(query)), np.diff(found.offsets))
        hits = []
        for row, distance, turn in zip(
            found.ids.tolist(), found.distances.tolist(), which.tolist(), strict=True
        ):
            both = min(quality, self._entries.quality(row))
            if distance and both < min_quality:
                continue  # a featureless entry is near to everything
            hits.append(
                self._entries.hit(row, distance=distance, turn=turn, frame=frame, quality=both)
            )
        return hits


def _nearest_of_each(rows: Numbers, distances: npt.NDArray[Any]) -> Numbers:
    """The positions of the nearest of each row, of equally near ones the first; by row."""
    order = np.lexsort((distances, rows))
    return order[np.flatnonzero(np.diff(rows[order], prepend=-1))]


def _both(frame: FrameHashes) -> Iterator[tuple[tuple[str, ...], int]]:
    """The hashes of the upright frame and of its stored pixels, each with its quality."""
    yield frame.dihedral, frame.quality
    if frame.stored is not None and frame.stored_quality is not None:
        yield frame.stored, frame.stored_quality


class _VideoTable:
    """Video entries: `VideoTable` with what its rows stand for."""

    def __init__(self, entries: _Entries) -> None:
        self._entries = entries
        self._videos = VideoTable(entries.arrays)

    def __len__(self) -> int:
        return len(self._videos)

    def video_hits(self, examined: VideoHashes, policy: MatchPolicy) -> Iterator[Hit]:
        """The videos that match; after a look at key frames only, all that might."""
        triage = examined.sampling is FrameSampling.KEY_FRAMES
        found = self._videos.video_hits(examined.frames, policy, any_frame=triage)
        yield from map(self._hit, found)

    def picture_hits(
        self, frames: Sequence[FrameHashes], policy: MatchPolicy, slack: int
    ) -> Iterator[Hit]:
        if not len(self):
            return
        radius = policy.radius + slack
        for each in (frames, [one for frame in frames for one in _as_stored(frame)]):
            query = Query.of(each, policy.min_quality)
            found = self._videos.picture_hits(query, radius, policy.min_quality)
            yield from map(self._hit, found)

    def hash_hits(self, value: bytes, policy: MatchPolicy) -> Iterator[Hit]:
        query = Query.bare(value)
        found = self._videos.picture_hits(query, policy.radius, policy.min_quality)
        yield from map(self._hit, found)

    def _hit(self, found: VideoHit) -> Hit:
        hit = self._entries.hit(
            found.row, distance=found.distance, turn=found.turn, frame=found.frame
        )
        return replace(hit, match=replace(hit.match, video=found.video))


def _as_stored(frame: FrameHashes) -> Iterator[FrameHashes]:
    if frame.stored is not None and frame.stored_quality is not None:
        yield replace(frame, dihedral=frame.stored, quality=frame.stored_quality)


class _DigestTable:
    """Equality lookup: rows sorted by their first eight bytes, then compared whole."""

    def __init__(self, entries: _Entries) -> None:
        self._entries = entries
        values = entries.arrays.values
        heads = np.ascontiguousarray(values[:, :8]).view(">u8").ravel().astype(np.uint64)
        self._order = np.argsort(heads, kind="stable")
        self._heads = heads[self._order]

    def __len__(self) -> int:
        return len(self._order)

    def hits(self, value: bytes) -> Iterator[Hit]:
        head = np.uint64(int.from_bytes(value[:8], "big"))
        first = int(np.searchsorted(self._heads, head, side="left"))
        last = int(np.searchsorted(self._heads, head, side="right"))
        for row in self._order[first:last].tolist():
            if self._entries.arrays.values[row].tobytes() == value:
                yield self._entries.hit(row, distance=0)
