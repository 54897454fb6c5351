"""The hash lists as they are searched, while they change."""

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Protocol, Self, TypeVar

import numpy as np

from safelight.kernel.index import HashIndex
from safelight.matching.arrays import joined_entries
from safelight.matching.digests import DigestIndex
from safelight.matching.facts import FORGOTTEN, GONE, ClassNames, Facts, Numbers, gone
from safelight.matching.reach import Lists
from safelight.matching.rules import Hit, MatchList, MatchPolicy, best_per_entry
from safelight.matching.tables import Arrived, Asked, DigestTable, PdqTable, Videos
from safelight.model import (
    FILE_DIGESTS,
    PERCEPTUAL,
    Algorithm,
    EntryArrays,
    Examined,
    ImageHashes,
    VideoHashes,
)

_NO_KEYS = np.empty(0, np.int64)


class Table(Protocol):
    """The entries of one algorithm. Never changed: `with_entries` gives another."""

    @property
    def facts(self) -> Facts:
        """What is known of the entries."""

    def with_entries(self, arrived: Arrived | None, gone_keys: Numbers) -> Self:
        """With these entries, in the place of what they were, and without those that are gone."""


_Table = TypeVar("_Table", bound=Table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is different now.

    `lists` are those that are new or altered, by number; None: not matched from now on. `entries`
    are those that are new or altered, as they stand, with the numbers of their lists; the ids in
    `gone` are matched no more. The entries of lists in `deleted` are forgotten. `doubtful`: all
    lists, by number, whose PDQ hashes may be SHA-256; None: as before. A list's number is never
    given to another, nor an entry's id, and an entry's hash never changes.
    """

    lists: Mapping[int, MatchList | None] = field(default_factory=dict)
    entries: tuple[EntryArrays, ...] = ()
    gone: Numbers = field(default_factory=lambda: _NO_KEYS)
    deleted: tuple[int, ...] = ()
    doubtful: frozenset[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class State:
    """Everything at one moment. Never changed: a search works with one of them."""

    lists: Lists
    pdq: PdqTable
    videos: Videos
    digests: Mapping[Algorithm, DigestTable]

    def facts_of(self, algorithm: Algorithm) -> Facts:
        """What is known of the entries of this algorithm."""
        if algorithm is Algorithm.PDQ:
            return self.pdq.facts
        if algorithm is Algorithm.VPDQ:
            return self.videos.facts
        table = self.digests.get(algorithm)
        return Facts(()) if table is None else table.facts

    def __len__(self) -> int:
        digests = sum(len(table.facts) for table in self.digests.values())
        return len(self.pdq.facts) + len(self.videos.facts) + digests


class Matcher:
    """Hash lists, loaded for matching. Safe to search, and to change, from several threads.

    A search sees the lists as they were before or after a change, never in between, and neither
    waits for the other. Every hit says what it is worth, and until when it counts, for `judge`.
    """

    def __init__(
        self,
        lists: Sequence[MatchList] = (),
        entries: Iterable[EntryArrays] = (),
    ) -> None:
        """Load entries; `lists` are those that EntryArrays.lists points into.

        Ids need not be different from list to list. What is loaded like this is not changed later.
        """
        self._begin(_nothing(), ClassNames())
        self._change(Change(lists=dict(enumerate(lists)), entries=tuple(entries)), by_row=True)

    @classmethod
    def following(cls, change: Change) -> "Matcher":
        """A matcher that starts with this and takes changes; an entry's id is its own for ever."""
        new = cls()
        new.apply(change)
        return new

    @classmethod
    def of_state(cls, state: State, names: ClassNames) -> "Matcher":
        """A matcher of what was kept."""
        new = cls.__new__(cls)
        new._begin(state, names)
        return new

    def _begin(self, state: State, names: ClassNames) -> None:
        self._state, self.names = state, names
        self._changing = Lock()
        self._earlier: list[weakref.ref[State]] = []  # that a search may still be using
        self._to_forget: list[Numbers] = []
        self._remembering = 0

    def __len__(self) -> int:
        return len(self._state)

    @property
    def lists(self) -> tuple[MatchList, ...]:
        """The lists that are matched."""
        return tuple(one for one in self._state.lists.every if one is not None)

    @property
    def digests(self) -> tuple[Algorithm, ...]:
        """The digests of files that entries are of."""
        return tuple(one for one in FILE_DIGESTS if len(self._state.facts_of(one)))

    @property
    def state(self) -> State:
        """Everything as it is now."""
        return self._state

    # -- searching --

    def hits(self, examined: Examined, policy: MatchPolicy, *, slack: int = 0) -> list[Hit]:
        """Return the nearest hit of every entry the file matches, the nearest first.

        `slack` widens the radius, for hashes that may have drifted (fast mode).
        """
        state, asked = self._asked(policy, slack)
        found = list(_digest_hits(state, examined, asked))
        if isinstance(examined, ImageHashes):
            for frame in examined.frames:
                found += state.pdq.frame_hits(frame, asked)
            found += state.videos.picture_hits(examined.frames, asked)
        elif isinstance(examined, VideoHashes):
            found += state.pdq.video_hits(examined.frames, asked)
            found += state.videos.video_hits(examined, asked)
        return best_per_entry(found)

    def hash_hits(self, algorithm: Algorithm, value: bytes, policy: MatchPolicy) -> list[Hit]:
        """Return the hits of one bare hash; PDQ within the radius, digests where equal."""
        state, asked = self._asked(policy, 0)
        if algorithm is Algorithm.PDQ:
            query = np.frombuffer(value, np.uint8).reshape(1, 32)
            found = list(state.pdq.search(query, asked))
            found += state.videos.hash_hits(value, asked)
            return best_per_entry(found)
        return list(_equal(state, algorithm, value, asked))

    def _asked(self, policy: MatchPolicy, slack: int) -> tuple[State, Asked]:
        state = self._state
        reach = state.lists.reach(policy)
        names = self.names.names
        asked = Asked(policy=policy, reach=reach, lists=state.lists, classes=names, slack=slack)
        return state, asked

    # -- changing --

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Take no hash out of the index while the block runs: all that any state needs stays."""
        with self._changing:
            self._remembering += 1
        try:
            yield
        finally:
            with self._changing:
                self._remembering -= 1

    def apply(self, change: Change) -> None:
        """Take a change over, all of it at once, for every search that begins from now on.

        Where this raises, nothing has changed.
        """
        self._change(change, by_row=False)

    def _change(self, change: Change, *, by_row: bool) -> None:
        with self._changing:
            before = self._forget()
            arrived = self._arrived(change, by_row=by_row)
            deleted = before.pdq.facts.keys_of_lists(change.deleted)
            new = _changed(before, change, arrived)
            if (pdq := arrived.get(Algorithm.PDQ)) is not None:
                unindexed = before.pdq.unindexed(pdq)  # which no search knows yet
                before.pdq.index.replace(pdq.array.values[unindexed], pdq.keys[unindexed])
            self._earlier.append(weakref.ref(before))
            self._to_forget += [change.gone, deleted]
            self._state = new

    def _arrived(self, change: Change, *, by_row: bool) -> dict[Algorithm, Arrived]:
        arrived = {}
        for algorithm in Algorithm:
            array = joined_entries(algorithm, change.entries)
            if array is not None:
                arrived[algorithm] = Arrived.of(array, self.names, by_row=by_row)
        return arrived

    def _forget(self) -> State:
        """Take hashes that no search needs any more out of the index."""
        state = self._state
        self._earlier = [one for one in self._earlier if one() is not None]
        if self._remembering or self._earlier or not self._to_forget:
            return state
        keys = np.unique(np.concatenate(self._to_forget))
        keys = keys[state.pdq.facts.of(keys).lists == GONE]
        self._to_forget = []
        if len(keys):
            facts = state.pdq.facts.with_rows(gone(keys, FORGOTTEN))
            state.pdq.index.remove(keys)
            self._earlier.append(weakref.ref(state))
            self._state = replace(state, pdq=replace(state.pdq, facts=facts))
        return self._state


def _nothing() -> State:
    return State(
        lists=Lists(),
        pdq=PdqTable(index=HashIndex(), facts=Facts(())),
        videos=Videos.of((), Facts(())),
        digests={},
    )


def _changed(before: State, change: Change, arrived: Mapping[Algorithm, Arrived]) -> State:
    """The state after a change; the index of PDQ is still to be filled."""

    def after(table: _Table, algorithm: Algorithm) -> _Table:
        deleted = table.facts.keys_of_lists(change.deleted)
        return table.with_entries(arrived.get(algorithm), np.union1d(change.gone, deleted))

    digests = dict(before.digests)
    for algorithm in arrived.keys() - PERCEPTUAL:
        digests.setdefault(algorithm, _no_digests(algorithm))
    return State(
        lists=_lists(before.lists, change),
        pdq=after(before.pdq, Algorithm.PDQ),
        videos=after(before.videos, Algorithm.VPDQ),
        digests={algorithm: after(table, algorithm) for algorithm, table in digests.items()},
    )


def _no_digests(algorithm: Algorithm) -> DigestTable:
    return DigestTable(algorithm=algorithm, index=DigestIndex(), facts=Facts(()))


def _lists(before: Lists, change: Change) -> Lists:
    every = list(before.every)
    every += [None] * (max(change.lists, default=-1) + 1 - len(every))
    for number, one in change.lists.items():
        every[number] = one
    doubtful = before.doubtful if change.doubtful is None else change.doubtful
    if tuple(every) == before.every and doubtful == before.doubtful:
        return before
    return Lists(every, doubtful)


def _digest_hits(state: State, examined: Examined, asked: Asked) -> Iterator[Hit]:
    if examined.digests is None:
        return
    for algorithm in FILE_DIGESTS:
        value = bytes.fromhex(getattr(examined.digests, algorithm.value))
        yield from _equal(state, algorithm, value, asked)


def _equal(state: State, algorithm: Algorithm, value: bytes, asked: Asked) -> Iterator[Hit]:
    if (table := state.digests.get(algorithm)) is not None:
        yield from table.hits(value, asked)
    if algorithm is Algorithm.SHA256:
        yield from state.pdq.digest_hits(value, asked)
