"""The entries of one algorithm as they are searched: hashes in an index, facts beside it.

An index may hold hashes of entries that are gone, and of entries that are just being added: the
facts decide. So a search with the facts of one moment sees what stood at that moment, whatever is
added meanwhile. The hash of an entry never changes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.kernel.index import HashIndex
from safelight.matching.arrays import joined_frames, keys_of, some_rows
from safelight.matching.digests import DigestIndex
from safelight.matching.facts import NEVER, ClassNames, Columns, Facts, Numbers, gone
from safelight.matching.merging import is_worn, merged
from safelight.matching.reach import UNTOLD_QUALITY, Lists, Reach, known_quality
from safelight.matching.rules import Hit, MatchPolicy, Nearness, Standing
from safelight.matching.video import QUERIES_AT_A_TIME, Flags, Query, VideoHit, VideoTable
from safelight.model import (
    ORIENTATIONS,
    Algorithm,
    EntryArrays,
    EntryFlag,
    FrameHashes,
    FrameSampling,
    Match,
    VideoHashes,
)

Bytes = npt.NDArray[np.uint8]

_QUERIES_AT_A_TIME = QUERIES_AT_A_TIME // len(ORIENTATIONS)  # each in all its orientations


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: what is asked, and what the lists and classes are at its moment."""

    policy: MatchPolicy
    reach: Reach
    lists: Lists
    classes: Sequence[str]
    slack: int = 0  # bits by which the radius is widened

    def hits(
        self,
        algorithm: Algorithm,
        rows: Columns,
        distances: Iterable[int],
        *,
        quality: Iterable[int] = (),
        stored: bool = False,
        **each: Iterable[Any],
    ) -> Iterator[Hit]:
        """The hits of these entries; `each` has what else Match holds, one for every row."""
        facts = (rows.column(name).tolist() for name in _TOLD)
        names = ("distance", *each)
        more = zip(distances, *each.values(), strict=True)
        qualities = quality or repeat(UNTOLD_QUALITY, len(rows))
        for row, found, good in zip(zip(*facts, strict=True), more, qualities, strict=True):
            entry, list_, flags, class_, until = row
            one = self.lists.every[list_]
            if one is None:  # not matched; `Reach.counts` has left it out
                continue
            match = Match(
                list_name=one.name,
                entry=entry,
                algorithm=algorithm,
                their_class=self.classes[class_],
                **dict(zip(names, found, strict=True)),
            )
            yield Hit(
                match=match,
                quality=good,
                standing=Standing.OBSERVED if flags & EntryFlag.OBSERVED else one.standing,
                near=self.reach.every[list_],
                confirmed=one.confirmed,
                exact_only=bool(flags & EntryFlag.EXACT_ONLY),
                stored=stored,
                until=_first_end(one.until, until),
            )


_TOLD = ("shown", "lists", "flags", "classes", "until")


def _first_end(list_until: int | None, entry_until: int) -> int | None:
    if entry_until == NEVER:
        return list_until
    return entry_until if list_until is None else min(list_until, entry_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """Entries of one algorithm that are new or altered: each row's key, and each entry's facts."""

    array: EntryArrays
    keys: Numbers
    rows: Columns

    @classmethod
    def of(cls, array: EntryArrays, names: ClassNames, *, by_row: bool) -> "Arrived":
        """With their ids for keys; `by_row`: those may be the same from list to list."""
        keys = keys_of(array, by_row=by_row)
        return cls(array=array, keys=keys, rows=_columns_of(array, keys, names, shown=by_row))


def _columns_of(array: EntryArrays, keys: Numbers, names: ClassNames, *, shown: bool) -> Columns:
    """The facts of entries, ascending by key; `shown`: their ids are not their keys."""
    rows = Columns(
        keys=keys,
        lists=array.lists,
        qualities=np.maximum(array.qualities, -1).astype(np.int8),
        classes=names.numbers_of(array),
        flags=array.flags,
        until=array.until,
        shown=array.ids if shown else None,
    )
    if (np.diff(keys) > 0).all():
        return rows
    return rows.take(np.unique(keys, return_index=True)[1])


def _changed(facts: Facts, arrived: Arrived | None, gone_keys: Numbers) -> Facts:
    """The facts with what arrived and without those, keys ascending, that are gone."""
    facts = facts.with_rows(gone(gone_keys[facts.of(gone_keys).lists >= 0]))
    return facts if arrived is None else facts.with_rows(arrived.rows)


def _is_new(facts: Facts, keys: Numbers) -> Flags:
    """Which entries have no hash in the index yet."""
    return facts.of(keys).lists < -1


# -- PDQ -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PdqTable:
    """PDQ entries. Of the index there is one, which all tables that came of one another share."""

    index: HashIndex
    facts: Facts

    def with_entries(self, arrived: Arrived | None, gone_keys: Numbers) -> "PdqTable":
        """As the other tables do; but the index is the caller's to fill: see `unindexed`."""
        return replace(self, facts=_changed(self.facts, arrived, gone_keys))

    def unindexed(self, arrived: Arrived) -> Flags:
        """Which of the entries have no hash in the index yet."""
        return _is_new(self.facts, arrived.keys)

    def frame_hits(self, frame: FrameHashes, asked: Asked) -> Iterator[Hit]:
        """The hits of a picture's frame, and of its pixels as they are stored."""
        for hashes, quality, stored in _both(frame):
            query = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)
            yield from self.search(query, asked, quality, frame.number, stored=stored)

    def search(
        self,
        query: Bytes,
        asked: Asked,
        quality: int = UNTOLD_QUALITY,
        frame: int = 0,
        *,
        stored: bool = False,
    ) -> Iterator[Hit]:
        """The hits of one picture, given in its orientations; at low quality what is equal."""
        reach = asked.reach
        if reach.farthest < 0:
            return
        radius = 0 if quality < reach.least else reach.farthest + asked.slack
        found = self.index.search_oriented(query[np.newaxis], radius=radius)
        if not len(found.ids):
            return
        rows = self.facts.of(found.ids)
        near = reach.near(rows, found.distances, quality, asked.slack)
        if not near.any():
            return
        rows = rows.take(near)
        yield from asked.hits(
            Algorithm.PDQ,
            rows,
            found.distances[near].tolist(),
            quality=np.minimum(known_quality(rows), quality).tolist(),
            stored=stored,
            orientation=[ORIENTATIONS[turn] for turn in found.orientations[near].tolist()],
            frame=repeat(frame, len(rows)),
        )

    def digest_hits(self, value: bytes, asked: Asked) -> Iterator[Hit]:
        """The entries with this SHA-256 on lists that may call such a digest PDQ."""
        if not asked.lists.doubtful:
            return
        rows = self.facts.of(self.index.search(np.frombuffer(value, np.uint8), radius=0).ids)
        doubtful = np.isin(rows.lists, list(asked.lists.doubtful))
        rows = rows.take(asked.reach.counts(rows) & doubtful)
        yield from asked.hits(Algorithm.SHA256, rows, repeat(0, len(rows)))

    def video_hits(self, frames: Sequence[FrameHashes], asked: Asked) -> Iterator[Hit]:
        """The nearest hit of each entry that a video's frames are near to.

        Frames of low quality are left out: nearly every video begins or ends with a black one.
        """
        query = Query.of(frames, asked.reach.least)
        if not len(self.facts) or not len(query.values) or asked.reach.farthest < 0:
            return
        nearest = self._nearest(query, asked.reach)
        rows = self.facts.of(nearest[:, 0])
        found = [divmod(which, len(ORIENTATIONS)) for which in nearest[:, 2].tolist()]
        where = [query.frame(number) for number, _ in found]
        qualities = np.array([100 if one is None else one.quality for one in where], np.int64)
        yield from asked.hits(
            Algorithm.PDQ,
            rows,
            nearest[:, 1].tolist(),
            quality=np.minimum(known_quality(rows), qualities).tolist(),
            orientation=[ORIENTATIONS[turn] for _, turn in found],
            frame=[0 if one is None else one.number for one in where],
            time=[None if one is None else one.time for one in where],
        )

    def _nearest(self, query: Query, reach: Reach) -> Numbers:
        """Of each entry that a query is near: its key, how many bits off, and the nearest query.

        Memory is that of the entries and of a few queries at a time, whatever is near what.
        """
        best, qualities = np.empty((0, 3), np.int64), query.qualities
        for start in range(0, len(query.values), _QUERIES_AT_A_TIME):
            some = np.ascontiguousarray(query.values[start : start + _QUERIES_AT_A_TIME])
            found = self.index.search_oriented(some, radius=reach.farthest)
            which = start + np.repeat(np.arange(len(some)), np.diff(found.offsets))
            rows, quality = self.facts.of(found.ids), qualities[which]
            near = reach.near(rows, found.distances, quality, 0)
            near &= quality >= reach.quality[np.maximum(rows.lists, 0)]
            turned = which * len(ORIENTATIONS) + found.orientations
            new = np.stack([found.ids, found.distances, turned], axis=1)[near]
            both = np.concatenate([best, new])
            best = both[_nearest_of_each(both[:, 0], both[:, 1])]
        return best


def _nearest_of_each(rows: Numbers, distances: npt.NDArray[Any]) -> Numbers:
    """The positions of the nearest of each row, of equally near ones the first; by row."""
    order = np.lexsort((distances, rows))
    return order[np.flatnonzero(np.diff(rows[order], prepend=-1))]


def _both(frame: FrameHashes) -> Iterator[tuple[tuple[str, ...], int, bool]]:
    """The hashes of the upright frame and of its stored pixels, each with its quality."""
    yield frame.dihedral, frame.quality, False
    if frame.stored is not None and frame.stored_quality is not None:
        yield frame.stored, frame.stored_quality, True


# -- digests ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestTable:
    """Entries that match where they are equal."""

    algorithm: Algorithm
    index: DigestIndex
    facts: Facts

    def with_entries(self, arrived: Arrived | None, gone_keys: Numbers) -> "DigestTable":
        """With these entries, in the place of what they were, and without those that are gone."""
        facts = _changed(self.facts, arrived, gone_keys)
        index = self.index
        if arrived is not None and (new := _is_new(self.facts, arrived.keys)).any():
            index = index.with_digests(arrived.array.values[new], arrived.keys[new])
        if facts.is_worn:  # both at once, or what comes back would be taken to be there still
            index, facts = index.only(facts.are_there), facts.living()
        return replace(self, index=index, facts=facts)

    def hits(self, value: bytes, asked: Asked) -> Iterator[Hit]:
        """The entries with this digest."""
        keys = self.index.find(value)
        if not len(keys):
            return
        rows = self.facts.of(keys)
        rows = rows.take(asked.reach.counts(rows))
        yield from asked.hits(self.algorithm, rows, repeat(0, len(rows)))


# -- videos ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SomeVideos:
    """Videos that came together, with their frames while they may still be merged with others."""

    table: VideoTable
    frames: EntryArrays | None = None
    keys: Numbers | None = None  # of each frame, that of its video

    @classmethod
    def of(cls, frames: EntryArrays, keys: Numbers) -> "SomeVideos":
        """Make the table."""
        return cls(table=VideoTable(frames, keys), frames=frames, keys=keys)

    def __len__(self) -> int:
        """How many frames it has, while it may be merged."""
        return 0 if self.keys is None else len(self.keys)

    def with_others(self, others: "SomeVideos") -> "SomeVideos | None":
        """Both as one; None where they stay apart."""
        if self.frames is None or self.keys is None or others.frames is None or others.keys is None:
            return None
        keys = np.concatenate([self.keys, others.keys])
        return SomeVideos.of(joined_frames(self.frames, others.frames), keys)

    def only(self, wanted: Callable[[Numbers], Flags]) -> "SomeVideos":
        """Those whose keys are wanted."""
        if self.frames is None or self.keys is None:
            return SomeVideos(table=self.table.only(wanted(self.table.keys)))
        rows = wanted(self.keys)
        return self if rows.all() else SomeVideos.of(some_rows(self.frames, rows), self.keys[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Videos:
    """Video entries. A change makes a small table of the changed ones and leaves the others."""

    parts: tuple[SomeVideos, ...]
    facts: Facts
    rows: tuple[Columns, ...]  # of each part, the facts of its videos

    @classmethod
    def of(cls, parts: Sequence[SomeVideos], facts: Facts) -> "Videos":
        """The tables, with these facts."""
        rows = tuple(facts.of(part.table.keys) for part in parts)
        return cls(parts=tuple(parts), facts=facts, rows=rows)

    def with_entries(self, arrived: Arrived | None, gone_keys: Numbers) -> "Videos":
        """With these entries, in the place of what they were, and without those that are gone."""
        facts = _changed(self.facts, arrived, gone_keys)
        if facts is self.facts:
            return self
        parts = list(self.parts)
        if arrived is not None and (new := _is_new(self.facts, arrived.keys)).any():
            parts.append(SomeVideos.of(some_rows(arrived.array, new), arrived.keys[new]))
        every = merged(parts, SomeVideos.with_others)
        if facts.is_worn or is_worn(sum(len(part.table) for part in every), len(facts)):
            some = [part.only(facts.are_there) for part in every]
            every, facts = tuple(part for part in some if len(part.table)), facts.living()
        return Videos.of(every, facts)

    def video_hits(self, examined: VideoHashes, asked: Asked) -> Iterator[Hit]:
        """The videos that match; after a look at key frames only, all that might."""
        triage = examined.sampling is FrameSampling.KEY_FRAMES
        for part, rows, near, among in self._ways(asked):
            found = part.table.video_hits(
                examined.frames, near, asked.policy, among, any_frame=triage
            )
            yield from _video_hits(rows, found, asked)

    def picture_hits(self, frames: Sequence[FrameHashes], asked: Asked) -> Iterator[Hit]:
        """The videos in which there is a picture."""
        if not self.parts:
            return
        stored = [one for frame in frames for one in _as_stored(frame)]
        for each, is_stored in ((frames, False), (stored, True)):
            for part, rows, near, among in self._ways(asked):
                query = Query.of(each, near.min_quality)
                found = part.table.picture_hits(query, near, among, slack=asked.slack)
                yield from _video_hits(rows, found, asked, stored=is_stored)

    def hash_hits(self, value: bytes, asked: Asked) -> Iterator[Hit]:
        """The videos in which a bare hash is."""
        for part, rows, near, among in self._ways(asked):
            found = part.table.picture_hits(Query.bare(value), near, among)
            yield from _video_hits(rows, found, asked)

    def _ways(self, asked: Asked) -> Iterator[tuple[SomeVideos, Columns, Nearness, Flags]]:
        """Each table with what is wanted of it: the videos of the lists that are matched alike."""
        if not self.parts:
            return
        for near, lists in asked.reach.alike():
            for part, rows in zip(self.parts, self.rows, strict=True):
                among = asked.reach.counts(rows) & lists[np.maximum(rows.lists, 0)]
                if rows.flags is not None:
                    among &= (rows.flags & EntryFlag.EXACT_ONLY) == 0
                if among.any():
                    yield part, rows, near, among


def _video_hits(
    rows: Columns, found: Iterable[VideoHit], asked: Asked, *, stored: bool = False
) -> Iterator[Hit]:
    hits = list(found)
    if not hits:
        return
    yield from asked.hits(
        Algorithm.VPDQ,
        rows.take(np.array([hit.number for hit in hits], np.int64)),
        [hit.distance for hit in hits],
        stored=stored,
        orientation=[ORIENTATIONS[hit.turn] for hit in hits],
        frame=[0 if hit.frame is None else hit.frame.number for hit in hits],
        time=[None if hit.frame is None else hit.frame.time for hit in hits],
        video=[hit.video for hit in hits],
    )


def _as_stored(frame: FrameHashes) -> Iterator[FrameHashes]:
    if frame.stored is not None and frame.stored_quality is not None:
        yield replace(frame, dihedral=frame.stored, quality=frame.stored_quality)
