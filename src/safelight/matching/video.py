"""Videos on hash lists: one index for the frames of all, and what is known of each video.

Two videos are compared as vPDQ does: the share of the one's frames that are near any frame of the
other's, both ways. Frames with the same hash count once, and so does a standing picture whose hash
changes by a few bits (vPDQ calls leaving those out pruning); frames of low quality do not count.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.kernel.index import HashIndex
from safelight.matching.reach import UNTOLD_QUALITY
from safelight.matching.rules import MatchPolicy, Nearness
from safelight.matching.scenes import (
    SCENE_PICTURES,
    STANDING_BITS,
    Sighting,
    find_scenes,
    whole_stretch,
    work_for,
)
from safelight.model import ORIENTATIONS, EntryArrays, FrameHashes, Scene, VideoMatch

QUERIES_AT_A_TIME = 128

# So many frames near to those of one search are a flood: a picture that is all over a list. Of each
# video then the frame nearest to each of the query's is kept, which is enough for the shares of the
# query; those of the list are counted before. What may be a scene is then told as one stretch.
_FLOOD = 2_000_000

# So many steps are made to find scenes, in one orientation. Videos for which none are left are told
# with the one stretch in which all that matches lies: too much is said rather than too little.
_MOST_WORK = 10_000_000

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


# The arrays that a table is made of, beside the index of its hashes.
_KEPT = (
    "keys",
    "_first_pairs",
    "_pair_values",
    "_pair_videos",
    "_pair_times",
    "_pair_starts",
    "_pair_qualities",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoHit:
    """A video of a table that something matched, by its number there."""

    number: int
    distance: int  # bits, of the nearest two frames
    turn: int  # of the examined frames; a position in ORIENTATIONS
    frame: FrameHashes | None  # the examined one where the match begins; None: a bare hash
    video: VideoMatch


@dataclass(frozen=True, slots=True)
class Found:
    """Frames near one another: query i is `distances[i]` bits from the value of `pairs[i]`."""

    queries: Numbers
    pairs: Numbers
    distances: Bytes

    def only(self, keep: npt.NDArray[np.bool_] | Numbers) -> "Found":
        """Some of them."""
        return Found(self.queries[keep], self.pairs[keep], self.distances[keep])


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found; after a flood not all of it, but all that the shares need."""

    found: Found
    near: Numbers  # the pairs that are near any query, ascending; times turns, plus the turn
    thinned: npt.NDArray[np.bool_]  # [videos]: some of what was found of them was left away


@dataclass(frozen=True, slots=True)
class Query:
    """The examined frames of enough quality; those that show the same picture are one query."""

    frames: Sequence[FrameHashes]  # in the order of time
    values: Bytes  # [queries, turns, 32]
    query_of: Numbers  # [frames]

    @property
    def qualities(self) -> Numbers:
        """[queries]: that of the first frame of each."""
        qualities = np.zeros(len(self.values), np.int64)
        for frame, query in zip(reversed(self.frames), self.query_of[::-1].tolist(), strict=True):
            qualities[query] = frame.quality
        return qualities

    @classmethod
    def of(cls, frames: Sequence[FrameHashes], min_quality: int) -> "Query":
        """The query for these frames in all orientations."""
        good = [frame for frame in frames if frame.quality >= min_quality]
        kept = _kept([int(frame.pdq, 16) for frame in good])
        first: dict[str, int] = {}
        query_of = [first.setdefault(good[number].pdq, len(first)) for number in kept]
        firsts = dict(zip(reversed(query_of), reversed(kept), strict=True))
        digits = "".join("".join(good[firsts[number]].dihedral) for number in range(len(first)))
        values = np.frombuffer(bytes.fromhex(digits), np.uint8)
        return cls(good, values.reshape(-1, len(ORIENTATIONS), 32), np.array(query_of, np.int64))

    @classmethod
    def bare(cls, value: bytes) -> "Query":
        """The query for one hash in the one orientation it has."""
        return cls((), np.frombuffer(value, np.uint8).reshape(1, 1, 32), np.empty(0, np.int64))

    def frame(self, query: int) -> FrameHashes | None:
        """The first frame of a query."""
        where = np.flatnonzero(self.query_of == query)
        return self.frames[where[0]] if len(where) else None


class VideoTable:
    """Videos (VPDQ entries). A pair is a hash and a video that has frames with it."""

    def __init__(self, entries: EntryArrays, keys: Numbers) -> None:
        """`keys` says of each row which video the frame is of."""
        times = np.zeros(len(keys), np.int32) if entries.times is None else entries.times
        rows = np.lexsort((times, keys))
        new = np.diff(keys[rows], prepend=keys[rows[:1]] - 1) != 0
        self.keys = keys[rows[new]]  # [videos], ascending
        values, value_of = _unique(_without_standing(entries.values[rows], new))
        pairs = value_of * len(self.keys) + (np.cumsum(new) - 1)
        self._make_pairs(pairs, entries.qualities[rows], times[rows])
        self._first_pairs = np.searchsorted(self._pair_values, np.arange(len(values) + 1))
        self._index = HashIndex.build(values, np.arange(len(values), dtype=np.int64))
        self._frame_counts: dict[int, Numbers] = {}  # by quality, made when it is first asked for

    @classmethod
    def of_arrays(cls, index: HashIndex, arrays: Mapping[str, npt.NDArray[Any]]) -> "VideoTable":
        """The table that `arrays` gave."""
        new = cls.__new__(cls)
        new._index, new._frame_counts = index, {}
        for name in _KEPT:
            setattr(new, name, arrays[name.lstrip("_")])
        return new

    def arrays(self) -> tuple[HashIndex, dict[str, npt.NDArray[Any]]]:
        """All that the table is, to be kept."""
        return self._index, {name.lstrip("_"): getattr(self, name) for name in _KEPT}

    def only(self, videos: Flags) -> "VideoTable":
        """Some of the videos. The index stays and may hold hashes that none of them has."""
        if videos.all():
            return self
        pairs = videos[self._pair_videos]
        times = np.repeat(pairs, np.diff(self._pair_starts))
        lengths = np.diff(self._pair_starts)[pairs]
        values, numbers = self._pair_values[pairs], np.cumsum(videos) - 1
        return VideoTable.of_arrays(
            self._index,
            {
                "keys": self.keys[videos],
                "first_pairs": np.searchsorted(values, np.arange(len(self._first_pairs))),
                "pair_values": values,
                "pair_videos": numbers[self._pair_videos[pairs]],
                "pair_times": self._pair_times[times],
                "pair_starts": np.concatenate([[0], np.cumsum(lengths)]),
                "pair_qualities": self._pair_qualities[pairs],
            },
        )

    def is_used(self, ids: Numbers) -> Flags:
        """Whether any video has the hashes with these ids in the index."""
        used: Flags = self._first_pairs[ids] < self._first_pairs[ids + 1]
        return used

    def _make_pairs(
        self, keys: Numbers, qualities: npt.NDArray[np.int16], times: npt.NDArray[np.int32]
    ) -> None:
        by_pair = np.argsort(keys, kind="stable")  # stable: the times of a pair stay in order
        keys = keys[by_pair]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        told = np.where(qualities < 0, UNTOLD_QUALITY, qualities)[by_pair]
        self._pair_times = times[by_pair]
        self._pair_starts = np.append(first, len(keys))
        self._pair_qualities = np.maximum.reduceat(told, first) if len(first) else told
        videos = max(1, len(self.keys))
        self._pair_values, self._pair_videos = keys[first] // videos, keys[first] % videos

    def __len__(self) -> int:
        return len(self.keys)

    def video_hits(
        self,
        frames: Sequence[FrameHashes],
        near: Nearness,
        policy: MatchPolicy,
        among: Flags,
        *,
        any_frame: bool = False,
    ) -> Iterator[VideoHit]:
        """The videos that a video with these frames matches, each in its best orientation.

        Only those that are `among` the wanted, by their numbers. With `any_frame` one frame that is
        near is enough.
        """
        query = Query.of(frames, near.min_quality)
        if not len(self) or not len(query.values):
            return
        best: dict[int, VideoHit] = {}
        for turn in range(len(ORIENTATIONS)):
            for video, hit in self._turned_hits(
                query, turn, near, policy, among, any_frame=any_frame
            ):
                if video not in best or _share(hit) > _share(best[video]):
                    best[video] = hit
        yield from best.values()

    def _turned_hits(
        self,
        query: Query,
        turn: int,
        near: Nearness,
        policy: MatchPolicy,
        among: Flags,
        *,
        any_frame: bool,
    ) -> Iterator[tuple[int, VideoHit]]:
        searched = self._search(query.values[:, turn], near, among)
        found, count = searched.found, len(query.values)
        of_query, of_list, enough = self._shares(found, searched.near, count, near.min_quality)
        wanted = (of_query >= policy.video_percent) | (of_list >= policy.video_percent)
        wanted |= any_frame & (of_query > 0)
        found = found.only((wanted | enough)[self._pair_videos[found.pairs]])
        work, step = 0, _step(query.frames)
        for video, some in self._by_video(found):
            sightings = self._sightings(query, some)
            work += work_for(sightings)
            scenes: tuple[Scene, ...] = (whole_stretch(sightings),)
            lasting = True
            if work < _MOST_WORK:
                told = find_scenes(sightings, seconds=policy.scene_seconds, step=step)
                if told[1] or wanted[video] or not searched.thinned[video]:
                    scenes, lasting = told
            if not (wanted[video] or lasting):
                continue
            match = VideoMatch(
                query_percent=round(float(of_query[video]), 1),
                list_percent=round(float(of_list[video]), 1),
                scenes=scenes,
            )
            yield video, self._hit(video, some, turn, _at(query, scenes[0].start), match)

    def _hit(
        self, video: int, found: Found, turn: int, frame: FrameHashes | None, match: VideoMatch
    ) -> VideoHit:
        return VideoHit(
            number=video,
            distance=int(found.distances.min()),
            turn=turn,
            frame=frame,
            video=match,
        )

    def picture_hits(
        self, query: Query, near: Nearness, among: Flags, *, slack: int = 0
    ) -> Iterator[VideoHit]:
        """The videos in which there is a picture, each with where it is in it, at its nearest."""
        if not len(self) or not len(query.values):
            return
        count, turns = query.values.shape[:2]
        queries = query.values.reshape(-1, 32)
        searched = self._search(queries, near, among, turns=turns, slack=slack)
        every, best = searched.found, dict[int, VideoHit]()
        for turn in np.unique(every.queries % turns).tolist():
            found = every.only(every.queries % turns == turn)
            found = Found(found.queries // turns, found.pairs, found.distances)
            pairs = searched.near[searched.near % turns == turn] // turns
            of_query, of_list, _ = self._shares(found, pairs, count, near.min_quality)
            for video, some in self._by_video(found):
                nearest = int(np.argmin(some.distances))
                place = self._times(int(some.pairs[nearest]))[0]
                match = VideoMatch(
                    query_percent=round(float(of_query[video]), 1),
                    list_percent=round(float(of_list[video]), 1),
                    scenes=(Scene(start=0.0, end=0.0, list_start=place, list_end=place),),
                )
                frame = query.frame(int(some.queries[nearest]))
                hit = self._hit(video, some, turn, frame, match)
                if video not in best or hit.distance < best[video].distance:
                    best[video] = hit
        yield from best.values()

    def _search(
        self,
        queries: Bytes,
        wanted: Nearness,
        among: Flags,
        *,
        turns: int = 1,
        slack: int = 0,
    ) -> Searched:
        """Search for queries that come in so many turns each, one after the other."""
        parts, near = [], np.empty(0, np.int64)
        thinned = np.zeros(len(self), np.bool_)
        for start in range(0, len(queries), QUERIES_AT_A_TIME):
            some = queries[start : start + QUERIES_AT_A_TIME]
            found = self._search_some(some, wanted.radius + slack, start)
            good = self._pair_qualities[found.pairs] >= wanted.min_quality
            found = found.only(good & among[self._pair_videos[found.pairs]])
            near = np.union1d(near, found.pairs * turns + found.queries % turns)
            if len(found.pairs) >= _FLOOD:
                every, found = found, self._nearest(found)
                thinned |= self._counts(every) > self._counts(found)
            parts.append(found)
        found = Found(
            np.concatenate([part.queries for part in parts]),
            np.concatenate([part.pairs for part in parts]),
            np.concatenate([part.distances for part in parts]),
        )
        return Searched(found, near, thinned)

    def _counts(self, found: Found) -> Numbers:
        """How much was found of each video."""
        return np.bincount(self._pair_videos[found.pairs], minlength=len(self))

    def _nearest(self, found: Found) -> Found:
        """Of each query and video the nearest pair."""
        key = found.queries * len(self) + self._pair_videos[found.pairs]
        order = np.lexsort((found.distances, key))
        return found.only(order[np.flatnonzero(np.diff(key[order], prepend=-1))])

    def _search_some(self, queries: Bytes, radius: int, start: int) -> Found:
        matches = self._index.search(np.ascontiguousarray(queries), radius=radius)
        which = start + np.repeat(np.arange(len(queries)), np.diff(matches.offsets))
        first = self._first_pairs[matches.ids]
        counts = self._first_pairs[matches.ids + 1] - first
        # the numbers first[i] to first[i] + counts[i], one after the other
        skipped = np.repeat(first - np.cumsum(counts) + counts, counts)
        pairs = skipped + np.arange(len(skipped))
        return Found(np.repeat(which, counts), pairs, np.repeat(matches.distances, counts))

    def _shares(
        self, found: Found, near_pairs: Numbers, queries: int, min_quality: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Of each video the percents of the query's and of its own frames that are near.

        The third says whether so many of them are near that they may be a scene.
        """
        videos = self._pair_videos[found.pairs]
        near = np.unique(videos * queries + found.queries) // queries
        of_query = np.bincount(near, minlength=len(self))
        own = np.bincount(self._pair_videos[near_pairs], minlength=len(self))
        every = self._frames(min_quality)
        return (
            100 * of_query / queries,
            100 * own / np.maximum(every, 1),
            of_query >= SCENE_PICTURES,
        )

    def _frames(self, min_quality: int) -> Numbers:
        """How many different frames of enough quality each video has."""
        found = self._frame_counts.get(min_quality)
        if found is None:
            good = self._pair_videos[self._pair_qualities >= min_quality]
            found = self._frame_counts[min_quality] = np.bincount(good, minlength=len(self))
        return found

    def _by_video(self, found: Found) -> Iterator[tuple[int, Found]]:
        videos = self._pair_videos[found.pairs]
        order = np.argsort(videos, kind="stable")
        edges = np.flatnonzero(np.diff(videos[order], prepend=-1, append=-1))
        for start, end in pairwise(edges.tolist()):
            part = order[start:end]
            yield int(videos[part[0]]), found.only(part)

    def _sightings(self, query: Query, found: Found) -> list[Sighting]:
        """Every examined frame that is near the one video, with where in it."""
        places: dict[int, list[float]] = {}
        for number, pair in zip(found.queries.tolist(), found.pairs.tolist(), strict=True):
            places.setdefault(number, []).extend(self._times(pair))
        shown = {}
        for number, some in places.items():
            some.sort()
            shown[number] = int.from_bytes(query.values[number, 0].tobytes(), "big")
        return [
            Sighting(frame.time or 0.0, shown[number], places[number])
            for frame, number in zip(query.frames, query.query_of.tolist(), strict=True)
            if number in places
        ]

    def _times(self, pair: int) -> list[float]:
        times = self._pair_times[self._pair_starts[pair] : self._pair_starts[pair + 1]]
        return [milliseconds / 1000 for milliseconds in times.tolist()]


def _share(hit: VideoHit) -> float:
    return hit.video.query_percent + hit.video.list_percent


def _at(query: Query, time: float) -> FrameHashes:
    return next(frame for frame in query.frames if (frame.time or 0.0) >= time)


def _step(frames: Sequence[FrameHashes]) -> float:
    """Seconds from one frame to the next, mostly; at least one."""
    times = [frame.time or 0.0 for frame in frames]
    return max(1.0, float(np.median(np.diff(times)))) if len(times) > 1 else 1.0


def _kept(values: Sequence[int]) -> list[int]:
    """For each frame, in order, the number of that which stands for it: itself if it differs."""
    kept: list[int] = []
    last = 0
    for number, value in enumerate(values):
        if not kept or (value ^ values[last]).bit_count() > STANDING_BITS:
            last = number
        kept.append(last)
    return kept


def _without_standing(values: Bytes, new: npt.NDArray[np.bool_]) -> Bytes:
    """The hashes of videos, each beginning where `new`, with those of a standing picture alike."""
    words = np.ascontiguousarray(values).view(np.uint64).reshape(-1, 4)
    moves = np.ones(len(words), np.bool_)
    changed = np.bitwise_count(words[1:] ^ words[:-1]).sum(axis=1, dtype=np.int64)
    moves[1:] = changed > STANDING_BITS
    edges = np.append(np.flatnonzero(moves | new), len(words))
    long = np.flatnonzero(np.diff(edges) > 1)
    out = values.copy()
    for start, end in zip(edges[long].tolist(), edges[long + 1].tolist(), strict=True):
        some = [int.from_bytes(value.tobytes(), "big") for value in values[start:end]]
        out[start:end] = values[start + np.array(_kept(some))]
    return out


def _unique(values: Bytes) -> tuple[Bytes, Numbers]:
    """The different hashes, and for each row which of them it has."""
    words = np.ascontiguousarray(values).view(np.uint64).reshape(-1, 4)
    order = np.lexsort(words.T)
    new = np.ones(len(order), np.bool_)
    new[1:] = (words[order[1:]] != words[order[:-1]]).any(axis=1)
    which = np.empty(len(order), np.int64)
    which[order] = np.cumsum(new) - 1
    return np.ascontiguousarray(values[order[new]]), which
