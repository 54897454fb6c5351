"""A matcher that changes answers as one that was loaded anew, and never anything in between."""

import random
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest

from safelight.matching.arrays import some_rows
from safelight.matching.rules import Hit, MatchList, MatchPolicy, Nearness, Standing
from safelight.matching.step import Change, Matcher
from safelight.matching.tables import SomeVideos
from safelight.matching.video import Query
from safelight.model import (
    Algorithm,
    Digests,
    EntryArrays,
    EntryFlag,
    FrameHashes,
    FrameSampling,
    VideoHashes,
)

POLICY = MatchPolicy()
RANDOM = np.random.default_rng(11)
# Few values, so that lists share them and changes meet the same ones again.
PICTURES = RANDOM.integers(0, 256, (24, 32), np.uint8)
PICTURES[12:] = PICTURES[:12] ^ (RANDOM.random((12, 32, 8)) < 0.04).dot(1 << np.arange(8)).astype(
    np.uint8
)
FILES = RANDOM.integers(0, 256, (12, 16), np.uint8)
SHOWN = RANDOM.integers(0, 256, (6, 9, 32), np.uint8)  # six videos of nine frames


@dataclass(frozen=True)
class Entry:
    """An entry as a list has it; its id and value never change."""

    algorithm: Algorithm
    value: int  # which of the above
    list_: int
    quality: int = 100
    said: str = ""
    flags: int = 0
    until: int | None = None


def arrays(entries: dict[int, Entry]) -> tuple[EntryArrays, ...]:
    """The entries as the store gives them."""
    out = []
    for algorithm in (Algorithm.PDQ, Algorithm.MD5, Algorithm.VPDQ):
        mine = {one: entry for one, entry in entries.items() if entry.algorithm is algorithm}
        if mine:
            out.append(_array(algorithm, mine))
    return tuple(out)


def _array(algorithm: Algorithm, mine: dict[int, Entry]) -> EntryArrays:
    values = {Algorithm.PDQ: PICTURES, Algorithm.MD5: FILES, Algorithm.VPDQ: SHOWN}[algorithm]
    frames = 9 if algorithm is Algorithm.VPDQ else 1
    names = ("", *sorted({entry.said for entry in mine.values()} - {""}))
    every = list(mine.values())
    ends = [2**63 - 1 if entry.until is None else entry.until for entry in every]

    def column(numbers: list[int], kind: type) -> np.ndarray:
        return np.repeat(np.array(numbers, kind), frames)

    return EntryArrays(
        algorithm=algorithm,
        ids=column(list(mine), np.int64),
        lists=column([entry.list_ for entry in every], np.int32),
        values=values[[entry.value for entry in every]].reshape(-1, algorithm.size),
        qualities=column([entry.quality for entry in every], np.int16),
        classes=column([names.index(entry.said) for entry in every], np.int32),
        class_names=names,
        times=np.tile(np.arange(9, dtype=np.int32) * 1000, len(every)) if frames > 1 else None,
        flags=column([entry.flags for entry in every], np.uint8),
        until=column(ends, np.int64),
    )


def answers(matcher: Matcher) -> list[list[Hit]]:
    """All hits of everything there is to ask about."""
    found = [matcher.hash_hits(Algorithm.PDQ, bytes(value), POLICY) for value in PICTURES]
    found += [matcher.hash_hits(Algorithm.MD5, bytes(value), POLICY) for value in FILES]
    found += [matcher.hits(video(frames), POLICY) for frames in SHOWN[:3]]
    return [sorted(hits, key=lambda hit: (hit.match.algorithm, hit.match.entry)) for hits in found]


def video(values: np.ndarray) -> VideoHashes:
    """What was examined, when it shows these pictures, one a second."""
    return VideoHashes(
        digests=Digests(md5="0" * 32, sha1="0" * 40, sha256="0" * 64, size=1),
        format="mp4",
        width=1,
        height=1,
        duration=None,
        sampling=FrameSampling.SECOND,
        frames=tuple(
            FrameHashes(number=n, quality=100, dihedral=(bytes(value).hex(),) * 8, time=float(n))
            for n, value in enumerate(values)
        ),
    )


class Lived:
    """Entries and lists as they should be, and random things that happen to them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.entries: dict[int, Entry] = {}
        self.retracted: dict[int, Entry] = {}
        self.lists: dict[int, MatchList | None] = {}
        self.next_id = 1

    def change(self) -> Change:
        """Let something happen."""
        happen = self.rng.choice(
            [self._add] * 3 + [self._alter] * 2 + [self._retract, self._again, self._list] * 2
            + [self._delete]
        )  # fmt: skip
        return happen()

    def _add(self) -> Change:
        if not self.lists:
            return self._list()
        new = {}
        for _ in range(self.rng.choice([1, 1, 2, 30])):
            algorithm = self.rng.choice(
                [Algorithm.PDQ, Algorithm.PDQ, Algorithm.MD5, Algorithm.VPDQ]
            )
            most = {Algorithm.PDQ: 24, Algorithm.MD5: 12, Algorithm.VPDQ: 6}[algorithm]
            new[self.next_id] = Entry(
                algorithm, self.rng.randrange(most), self.rng.choice(list(self.lists))
            )
            self.next_id += 1
        self.entries |= new
        return Change(entries=arrays(new))

    def _alter(self) -> Change:
        some = self.rng.sample(sorted(self.entries), min(len(self.entries), 5))
        new = {
            one: replace(
                self.entries[one],
                quality=self.entries[one].quality
                if self.entries[one].algorithm is Algorithm.VPDQ  # that of its frames
                else self.rng.choice([-1, 10, 100]),
                said=self.rng.choice(["", "A", "B", "C"]),
                flags=self.rng.choice([0, 0, EntryFlag.OBSERVED, EntryFlag.EXACT_ONLY]),
                until=self.rng.choice([None, 5]),
            )
            for one in some
        }
        self.entries |= new
        return Change(entries=arrays(new))

    def _retract(self) -> Change:
        some = self.rng.sample(sorted(self.entries), min(len(self.entries), 4))
        self.retracted |= {one: self.entries.pop(one) for one in some}
        return Change(gone=np.array(some, np.int64))

    def _again(self) -> Change:
        some = self.rng.sample(sorted(self.retracted), min(len(self.retracted), 3))
        new = {one: self.retracted.pop(one) for one in some}
        self.entries |= new
        return Change(entries=arrays(new))

    def _list(self) -> Change:
        number = self.rng.choice([*self.lists, max(self.lists, default=-1) + 1])
        self.lists[number] = self.rng.choice(
            [
                None,
                MatchList(name=f"list-{number}-{self.rng.randrange(9)}"),
                MatchList(name=f"list-{number}", radius=5, min_quality=5, until=99),
                MatchList(name=f"list-{number}", standing=Standing.IGNORE, radius=45),
            ]
        )
        return Change(lists={number: self.lists[number]})

    def _delete(self) -> Change:
        if not self.lists:
            return Change()
        number = self.rng.choice(list(self.lists))
        self.lists[number] = None
        self.entries = {one: some for one, some in self.entries.items() if some.list_ != number}
        self.retracted = {one: some for one, some in self.retracted.items() if some.list_ != number}
        return Change(lists={number: None}, deleted=(number,))


@pytest.mark.parametrize("seed", range(12))
def test_any_changes_give_what_a_fresh_matcher_gives(seed: int) -> None:
    lived = Lived(seed)
    matcher = Matcher.following(Change())
    for number in range(40):
        matcher.apply(lived.change())
        if number % 4 == 3:
            fresh = Matcher.following(Change(lists=lived.lists, entries=arrays(lived.entries)))
            assert answers(matcher) == answers(fresh)
            assert len(matcher) == len(fresh)
            assert matcher.lists == fresh.lists


def test_the_hash_of_what_is_gone_leaves_the_index_and_comes_back() -> None:
    one = {1: Entry(Algorithm.PDQ, 0, 0), 2: Entry(Algorithm.PDQ, 5, 0)}
    matcher = Matcher.following(Change(lists={0: MatchList(name="a")}, entries=arrays(one)))
    matcher.apply(Change(gone=np.array([1], np.int64)))
    matcher.apply(Change())
    assert len(matcher.state.pdq.index) == 1
    assert matcher.hash_hits(Algorithm.PDQ, bytes(PICTURES[0]), POLICY) == []
    matcher.apply(Change(entries=arrays(one)))
    assert len(matcher.state.pdq.index) == 2
    (hit,) = matcher.hash_hits(Algorithm.PDQ, bytes(PICTURES[0]), MatchPolicy(radius=0))
    assert hit.match.entry == 1


def test_what_a_search_still_uses_stays_in_the_index() -> None:
    one = {1: Entry(Algorithm.PDQ, 0, 0)}
    matcher = Matcher.following(Change(lists={0: MatchList(name="a")}, entries=arrays(one)))
    used = matcher.state
    matcher.apply(Change(gone=np.array([1], np.int64)))
    matcher.apply(Change())
    assert len(matcher.state.pdq.index) == 1
    del used
    matcher.apply(Change())
    assert len(matcher.state.pdq.index) == 0


def test_a_change_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one = {1: Entry(Algorithm.PDQ, 0, 0), 2: Entry(Algorithm.MD5, 0, 0)}
    matcher = Matcher.following(Change(lists={0: MatchList(name="a")}, entries=arrays(one)))
    before = answers(matcher)
    more = {3: Entry(Algorithm.PDQ, 1, 0), 4: Entry(Algorithm.MD5, 1, 0)}
    gone = np.array([1, 2], np.int64)

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr("safelight.kernel.index.HashIndex.replace", fail)
        with pytest.raises(MemoryError):
            matcher.apply(Change(entries=arrays(more), gone=gone))
    assert answers(matcher) == before
    matcher.apply(Change(entries=arrays(more), gone=gone))
    fresh = Matcher.following(Change(lists={0: MatchList(name="a")}, entries=arrays(more)))
    assert answers(matcher) == answers(fresh)


def test_a_search_sees_all_of_a_change_or_nothing() -> None:
    """The same picture is always on the list, each time as another entry, with its file's MD5."""
    matcher = Matcher.following(Change(lists={0: MatchList(name="a")}))
    seen: list[tuple[int, ...]] = []
    stop = threading.Event()
    examined = replace(
        video(PICTURES[:1]),
        digests=Digests(md5=bytes(FILES[0]).hex(), sha1="0" * 40, sha256="0" * 64, size=1),
    )

    def look() -> None:
        while not stop.is_set():
            hits = matcher.hits(examined, MatchPolicy(radius=0))
            seen.append(tuple(sorted(hit.match.entry for hit in hits)))

    def pair(first: int) -> dict[int, Entry]:
        return {first: Entry(Algorithm.PDQ, 0, 0), first + 1: Entry(Algorithm.MD5, 0, 0)}

    matcher.apply(Change(entries=arrays(pair(0))))
    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for first in range(0, 400, 2):
        gone = np.array([first, first + 1], np.int64)
        matcher.apply(Change(entries=arrays(pair(first + 2)), gone=gone))
    stop.set()
    for reader in readers:
        reader.join()
    assert set(seen) <= {(first, first + 1) for first in range(0, 402, 2)}
    assert len(set(seen)) > 3


def _rows(algorithm: Algorithm, first: int, count: int) -> EntryArrays:
    """Entries that nobody had before; of a video one frame."""
    ids = np.arange(first, first + count, dtype=np.int64)
    return EntryArrays(
        algorithm=algorithm,
        ids=ids,
        lists=np.zeros(count, np.int32),
        values=np.random.default_rng(first).integers(0, 256, (count, algorithm.size), np.uint8),
        qualities=np.full(count, 100, np.int16),
    )


def _held(matcher: Matcher) -> dict[str, int]:
    """How much is held of each kind, of what is there and of what is gone."""
    state = matcher.state
    index = state.pdq.index.statistics()
    held = {"pdq": index.entries + index.removed}
    held |= {"frames": sum(len(part) for part in state.videos.parts)}
    held |= {"videos": sum(len(part.table) for part in state.videos.parts)}
    held |= {one.value: len(table.index) for one, table in state.digests.items()}
    for one in Algorithm:
        held[f"facts of {one.value}"] = sum(map(len, state.facts_of(one).parts))
    return held


@pytest.mark.parametrize("standing", [0, 300])
def test_what_comes_and_goes_does_not_pile_up(standing: int) -> None:
    matcher = Matcher.following(Change(lists={0: MatchList(name="a")}))
    kinds = [one for one in Algorithm if one is not Algorithm.VPDQ] + [Algorithm.VPDQ]
    stay = [_rows(one, 10**6 * n, standing) for n, one in enumerate(kinds, 1) if standing]
    matcher.apply(Change(entries=tuple(stay)))
    first = 10**8
    for _ in range(12):
        new = [_rows(one, first + 200 * n, 200) for n, one in enumerate(kinds)]
        matcher.apply(Change(entries=tuple(new)))
        first += 200 * len(kinds)
        matcher.apply(Change(gone=np.concatenate([array.ids for array in new])))
    for _ in range(2):
        matcher.apply(Change())
    matcher.state.pdq.index.merge()
    assert len(matcher) == standing * len(kinds)
    held = _held(matcher)
    assert len(held) == 3 + len(kinds) - 2 + len(Algorithm)
    assert {name: count for name, count in held.items() if count > 3 * standing + 300} == {}
    for array in stay:
        if array.algorithm is not Algorithm.VPDQ:
            for row in (0, standing - 1):
                value = bytes(array.values[row])
                (hit,) = matcher.hash_hits(array.algorithm, value, MatchPolicy(radius=0))
                assert hit.match.entry == array.ids[row]


def test_what_was_gone_and_forgotten_comes_back_once() -> None:
    matcher = Matcher.following(Change(lists={0: MatchList(name="a")}))
    kinds = (Algorithm.PDQ, Algorithm.MD5, Algorithm.VPDQ)
    every = tuple(_rows(one, 1000 * n, 200) for n, one in enumerate(kinds))
    for _ in range(3):
        matcher.apply(Change(entries=every))
        matcher.apply(Change(gone=np.concatenate([array.ids for array in every])))
        assert len(matcher) == 0
    matcher.apply(Change(entries=every))
    for array in every:
        asked = Algorithm.PDQ if array.algorithm is Algorithm.VPDQ else array.algorithm
        (hit,) = matcher.hash_hits(asked, bytes(array.values[7]), MatchPolicy(radius=0))
        assert (hit.match.algorithm, hit.match.entry) == (array.algorithm, array.ids[7])


def test_a_table_of_some_videos_is_as_one_that_was_made_of_them() -> None:
    every = {number: Entry(Algorithm.VPDQ, number, 0) for number in range(6)}
    array = arrays(every)[0]
    # the first two videos share their pictures, and a standing picture is in one of them twice
    shared = array.values.copy()
    shared[9:18] = shared[:9]
    shared[1] = shared[0]
    array = replace(array, values=shared)
    table = SomeVideos.of(array, array.ids).table
    wanted = np.array([True, False, False, True, True, False])
    rows = wanted[array.ids]
    new = SomeVideos.of(some_rows(array, rows), array.ids[rows]).table
    some = table.only(wanted)
    near, among = Nearness(radius=31, min_quality=0), np.ones(3, np.bool_)
    for frames in SHOWN:
        asked = video(frames).frames
        assert list(some.video_hits(asked, near, POLICY, among)) == list(
            new.video_hits(asked, near, POLICY, among)
        )
        query = Query.bare(bytes(frames[3]))
        assert list(some.picture_hits(query, near, among)) == list(
            new.picture_hits(query, near, among)
        )
    assert (
        int((~some.is_used(np.arange(45))).sum()) == 9 + 9 + 1
    )  # of two videos, and the one picture of the second alone
    assert table.only(np.ones(6, np.bool_)) is table
