"""The hash lists as they are searched: PDQ and video frames by index, digests by sorted tables."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.kernel.index import HashIndex
from safelight.matching.rules import (
    Hit,
    MatchList,
    MatchPolicy,
    Nearness,
    Standing,
    best_per_entry,
)
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
    EntryFlag,
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

    Every hit says what it is worth on its list, and how near is near for that list, for `judge`.
    """

    def __init__(self, lists: Sequence[MatchList], entries: Iterable[EntryArrays]) -> None:
        """Load entries; `lists` are those that EntryArrays.lists points into."""
        self.lists = tuple(lists)
        parts: dict[Algorithm, list[EntryArrays]] = {}
        for some in entries:
            parts.setdefault(some.algorithm, []).append(some)
        pdq, vpdq = (
            _Entries(self.lists, _joined(one, parts.pop(one, [])))
            for one in (Algorithm.PDQ, Algorithm.VPDQ)
        )
        self._pdq = _PdqTable(pdq)
        self._videos = [_VideoTable(one, some) for one, some in vpdq.by_nearness()]
        self._digests = {
            algorithm: _DigestTable(_Entries(self.lists, _joined(algorithm, some)))
            for algorithm, some in parts.items()
        }

    def __len__(self) -> int:
        digests = sum(len(table) for table in self._digests.values())
        return len(self._pdq) + sum(map(len, self._videos)) + digests

    def hits(self, examined: Examined, policy: MatchPolicy, *, slack: int = 0) -> list[Hit]:
        """Return the nearest hit of every entry the file matches, the nearest first.

        `slack` widens the radius, for hashes that may have drifted (fast mode).
        """
        found = list(self._digest_hits(examined, policy))
        if isinstance(examined, ImageHashes):
            for frame in examined.frames:
                found += self._pdq.frame_hits(frame, policy, slack)
            for videos in self._videos:
                found += videos.picture_hits(examined.frames, policy, slack)
        elif isinstance(examined, VideoHashes):
            found += self._pdq.video_hits(examined.frames, policy)
            for videos in self._videos:
                found += videos.video_hits(examined, policy)
        return best_per_entry(found)

    def hash_hits(self, algorithm: Algorithm, value: bytes, policy: MatchPolicy) -> list[Hit]:
        """Return the hits of one bare hash; PDQ within the radius, digests where equal."""
        if algorithm is Algorithm.PDQ:
            query = np.frombuffer(value, np.uint8).reshape(1, 32)
            found = list(self._pdq.search(query, policy))
            for videos in self._videos:
                found += videos.hash_hits(value, policy)
            return best_per_entry(found)
        table = self._digests.get(algorithm)
        return list(table.hits(value, policy)) if table else []

    def _digest_hits(self, examined: Examined, policy: MatchPolicy) -> Iterator[Hit]:
        if examined.digests is None:
            return
        for algorithm, table in self._digests.items():
            value = bytes.fromhex(getattr(examined.digests, algorithm.value))
            yield from table.hits(value, policy)


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
        flags=None if all(part.flags is None for part in every) else _joined_flags(every),
        until=None if all(part.until is None for part in every) else _joined_ends(every),
    )


def rows_of(array: EntryArrays, rows: npt.NDArray[np.bool_]) -> EntryArrays:
    """Some of the entries."""
    return replace(
        array,
        ids=array.ids[rows],
        lists=array.lists[rows],
        values=array.values[rows],
        qualities=array.qualities[rows],
        classes=None if array.classes is None else array.classes[rows],
        times=None if array.times is None else array.times[rows],
        flags=None if array.flags is None else array.flags[rows],
        until=None if array.until is None else array.until[rows],
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


def _joined_flags(parts: Sequence[EntryArrays]) -> Bytes:
    return np.concatenate(
        [np.zeros(len(one.ids), np.uint8) if one.flags is None else one.flags for one in parts]
    )


def _joined_ends(parts: Sequence[EntryArrays]) -> Numbers:
    return np.concatenate(
        [np.full(len(one.ids), _NEVER) if one.until is None else one.until for one in parts]
    )


_NEVER = np.int64(np.iinfo(np.int64).max)  # the end of what has none


class _Entries:
    """What each row of a table stands for."""

    def __init__(self, lists: Sequence[MatchList], arrays: EntryArrays) -> None:
        self.lists, self.arrays = lists, arrays

    def __len__(self) -> int:
        return len(self.arrays.ids)

    def widest(self, policy: MatchPolicy) -> Nearness:
        """How near is near for the most generous of the lists."""
        all_of_them = [one.within(policy) for one in self.lists] or [Nearness()]
        return Nearness(
            radius=max(one.radius for one in all_of_them),
            min_quality=min(one.min_quality for one in all_of_them),
        )

    def by_nearness(self) -> "Iterator[tuple[MatchList, _Entries]]":
        """The entries apart by what their lists call near, each with a list that says so."""
        apart: dict[tuple[int, int], list[int]] = {}
        for number, one in enumerate(self.lists):
            apart.setdefault((one.radius, one.min_quality), []).append(number)
        for numbers in apart.values():
            rows = np.isin(self.arrays.lists, numbers)
            if rows.any():
                yield self.lists[numbers[0]], _Entries(self.lists, rows_of(self.arrays, rows))

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
        stored: bool = False,
        policy: MatchPolicy,
    ) -> Hit:
        arrays = self.arrays
        one = self.lists[arrays.lists[row]]
        flags = 0 if arrays.flags is None else int(arrays.flags[row])
        their_class = "" if arrays.classes is None else arrays.class_names[arrays.classes[row]]
        match = Match(
            list_name=one.name,
            entry=int(arrays.ids[row]),
            algorithm=arrays.algorithm,
            distance=distance,
            orientation=ORIENTATIONS[turn],
            frame=0 if frame is None else frame.number,
            time=None if frame is None else frame.time,
            their_class=their_class,
        )
        return Hit(
            match=match,
            quality=quality,
            standing=Standing.OBSERVED if flags & EntryFlag.OBSERVED else one.standing,
            near=one.within(policy),
            exact_only=bool(flags & EntryFlag.EXACT_ONLY),
            stored=stored,
            until=self._until(row, one),
        )

    def _until(self, row: int, one: MatchList) -> int | None:
        if self.arrays.until is None or self.arrays.until[row] == _NEVER:
            return one.until
        until = int(self.arrays.until[row])
        return until if one.until is None else min(until, one.until)


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
        for hashes, quality, stored in _both(frame):
            query = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)
            yield from self.search(query, policy, slack, frame, quality, stored=stored)

    def video_hits(self, frames: Sequence[FrameHashes], policy: MatchPolicy) -> Iterator[Hit]:
        """The nearest hit of each entry that a video's frames are near to.

        Frames of low quality are left out: nearly every video begins or ends with a black one.
        """
        widest = self._entries.widest(policy)
        query = Query.of(frames, widest.min_quality)
        if not len(self) or not len(query.values):
            return
        nearest = self._nearest(query.values.reshape(-1, 32), widest.radius)
        for row, distance, which in nearest.tolist():
            number, turn = divmod(which, len(ORIENTATIONS))
            frame = query.frame(number)
            quality = min(self._entries.quality(row), 100 if frame is None else frame.quality)
            hit = self._entries.hit(
                row, distance=distance, turn=turn, frame=frame, quality=quality, policy=policy
            )
            if hit.is_one():
                yield hit

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
        policy: MatchPolicy,
        slack: int = 0,
        frame: FrameHashes | None = None,
        quality: int = UNTOLD_QUALITY,
        *,
        stored: bool = False,
    ) -> Iterator[Hit]:
        widest = self._entries.widest(policy)
        radius = 0 if quality < widest.min_quality else widest.radius + slack
        found = self._index.search(query, radius=radius)
        which = np.repeat(np.arange(len(query)), np.diff(found.offsets))
        for row, distance, turn in zip(
            found.ids.tolist(), found.distances.tolist(), which.tolist(), strict=True
        ):
            hit = self._entries.hit(
                row,
                distance=distance,
                turn=turn,
                frame=frame,
                quality=min(quality, self._entries.quality(row)),
                stored=stored,
                policy=policy,
            )
            if hit.is_one(slack=slack):  # a featureless entry is near to everything
                yield hit


def _nearest_of_each(rows: Numbers, distances: npt.NDArray[Any]) -> Numbers:
    """The positions of the nearest of each row, of equally near ones the first; by row."""
    order = np.lexsort((distances, rows))
    return order[np.flatnonzero(np.diff(rows[order], prepend=-1))]


def _both(frame: FrameHashes) -> Iterator[tuple[tuple[str, ...], int, bool]]:
    """The hashes of the upright frame and of its stored pixels, each with its quality."""
    yield frame.dihedral, frame.quality, False
    if frame.stored is not None and frame.stored_quality is not None:
        yield frame.stored, frame.stored_quality, True


class _VideoTable:
    """Video entries of lists that call the same near: `VideoTable` with what its rows stand for."""

    def __init__(self, one: MatchList, entries: _Entries) -> None:
        self._list, self._entries = one, entries
        self._videos = VideoTable(entries.arrays)

    def __len__(self) -> int:
        return len(self._videos)

    def video_hits(self, examined: VideoHashes, policy: MatchPolicy) -> Iterator[Hit]:
        """The videos that match; after a look at key frames only, all that might."""
        triage = examined.sampling is FrameSampling.KEY_FRAMES
        near = self._list.within(policy)
        found = self._videos.video_hits(examined.frames, near, policy, any_frame=triage)
        yield from self._hits(found, policy)

    def picture_hits(
        self, frames: Sequence[FrameHashes], policy: MatchPolicy, slack: int
    ) -> Iterator[Hit]:
        if not len(self):
            return
        near = self._list.within(policy)
        stored = [one for frame in frames for one in _as_stored(frame)]
        for each, is_stored in ((frames, False), (stored, True)):
            query = Query.of(each, near.min_quality)
            found = self._videos.picture_hits(query, near.radius + slack, near.min_quality)
            yield from self._hits(found, policy, slack, stored=is_stored)

    def hash_hits(self, value: bytes, policy: MatchPolicy) -> Iterator[Hit]:
        near = self._list.within(policy)
        found = self._videos.picture_hits(Query.bare(value), near.radius, near.min_quality)
        yield from self._hits(found, policy)

    def _hits(
        self,
        found: Iterable[VideoHit],
        policy: MatchPolicy,
        slack: int = 0,
        *,
        stored: bool = False,
    ) -> Iterator[Hit]:
        for one in found:
            hit = self._entries.hit(
                one.row,
                distance=one.distance,
                turn=one.turn,
                frame=one.frame,
                stored=stored,
                policy=policy,
            )
            if hit.is_one(slack=slack):
                yield replace(hit, match=replace(hit.match, video=one.video))


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

    def hits(self, value: bytes, policy: MatchPolicy) -> Iterator[Hit]:
        head = np.uint64(int.from_bytes(value[:8], "big"))
        first = int(np.searchsorted(self._heads, head, side="left"))
        last = int(np.searchsorted(self._heads, head, side="right"))
        for row in self._order[first:last].tolist():
            if self._entries.arrays.values[row].tobytes() == value:
                yield self._entries.hit(row, distance=0, policy=policy)
