"""Lists of the database in a matcher: what the store tells of them, as the matcher takes it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from safelight.connectors.hash_files import not_all_pdq
from safelight.matching.arrays import some_rows
from safelight.matching.content import ListContents
from safelight.matching.rules import MatchList, Standing
from safelight.matching.step import Change, Matcher, State
from safelight.model import PDQ_BITS, Algorithm, EntryArrays

if TYPE_CHECKING:  # whoever has changes has loaded the store already
    from safelight.store.changes import Changes, Mark
    from safelight.store.lists import HashList

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a matcher is with the lists it follows. Never changed.

    `numbers` are those of the lists in the matcher, and never given again; `position` says up to
    which change each list is known. `untold` counts, of each number, the PDQ hashes without a
    quality, and `odd` those of them that do not look like PDQ.
    """

    numbers: Mapping[UUID, int] = field(default_factory=dict)
    position: Mapping[UUID, int] = field(default_factory=dict)
    given: int = 0  # numbers so far
    untold: Mapping[int, int] = field(default_factory=dict)
    odd: Mapping[int, int] = field(default_factory=dict)
    mark: "Mark | None" = None  # the moment in the database's history; None: before it began

    def doubtful(self) -> frozenset[int]:
        """The lists whose hashes of 64 digits may be SHA-256: they are matched as both."""
        counts = self.untold.items()
        odd = self.odd
        return frozenset(
            number for number, every in counts if every and not_all_pdq(odd.get(number, 0), every)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is matched, the place among the lists, and what those hold, all at one moment."""

    state: State
    place: Place
    contents: ListContents
    written: datetime | None  # when it was kept on disk, or what it came of
    unkept: tuple[int, int, int]  # what `Followed` counts since then


class Followed:
    """A matcher and its place among the lists. `take` may be called by one thread at a time.

    With `contents` it also keeps what the lists hold, by their numbers.
    """

    def __init__(
        self,
        matcher: Matcher | None = None,
        place: Place | None = None,
        contents: ListContents | None = None,
        written: datetime | None = None,
    ) -> None:
        """What is known so far; nothing, when not given. `written`: when that was kept on disk."""
        self.matcher = Matcher.following(Change()) if matcher is None else matcher
        self.place = Place() if place is None else place
        self.contents = contents
        self.written = written
        self.taken = 0  # rows of entries that changed since it was kept
        self.lost = 0  # of these, what is gone; without lists that were deleted:
        self.deleted = 0
        self._moving = Lock()

    def moment(self) -> "Moment":
        """Everything as it is now."""
        with self._moving:
            contents = ListContents() if self.contents is None else self.contents
            return Moment(
                state=self.matcher.state,
                place=self.place,
                contents=contents,
                written=self.written,
                unkept=(self.taken, self.lost, self.deleted),
            )

    def note_kept(self, moment: "Moment", written: datetime) -> None:
        """Note that this moment, or a later one, is kept on disk."""
        with self._moving:
            self.written = written
            taken, lost, deleted = moment.unkept
            self.taken, self.lost = self.taken - taken, self.lost - lost
            self.deleted -= deleted

    def only(self, wanted: Collection[UUID]) -> None:
        """Follow and match these lists alone from now on, if they are known."""
        numbers = {one: number for one, number in self.place.numbers.items() if one in wanted}
        position = {one: change for one, change in self.place.position.items() if one in wanted}
        others = set(self.place.numbers.values()) - set(numbers.values())
        self.matcher.apply(Change(lists=dict.fromkeys(others)))
        self.place = replace(self.place, numbers=numbers, position=position)

    def take(self, changes: "Changes") -> None:
        """Take changes in, all at once. Where this raises, nothing has changed."""
        numbers = self._numbers(changes)
        arrays, lost = _numbered(changes, numbers)
        gone = np.unique(np.concatenate([_NONE, *(array.ids for array in lost)]))
        deleted = [
            number for one, number in self.place.numbers.items() if one not in changes.position
        ]
        before = [self._as_before(array) for array in (*arrays, *lost)]
        place = replace(
            self._counted(arrays, before),
            numbers=numbers,
            position=changes.position,
            mark=changes.mark,
            given=max([self.place.given, *(number + 1 for number in numbers.values())]),
        )
        contents = self._contents(arrays, before)
        change = Change(
            lists=self._lists(changes, numbers) | dict.fromkeys(deleted),
            entries=arrays,
            gone=gone,
            deleted=tuple(deleted),
            doubtful=place.doubtful(),
        )
        entries = len(self.matcher)
        with self._moving:
            self.matcher.apply(change)
            self.place, self.contents = place, contents
            self.taken += sum(len(array.ids) for array in (*arrays, *lost))
            self.taken += max(0, entries - len(self.matcher))  # of lists that were deleted
            self.lost += len(gone)
            self.deleted += len(deleted)

    def _as_before(self, array: EntryArrays) -> EntryArrays:
        """Those of the entries that were there already, as they were."""
        facts = self.matcher.state.facts_of(array.algorithm).of(array.ids)
        there = facts.lists >= 0
        was, rows = some_rows(array, there), facts.take(there)
        told, numbers = np.unique(rows.column("classes"), return_inverse=True)
        names = self.matcher.names.names
        is_video = array.algorithm is Algorithm.VPDQ  # whose rows are frames
        return replace(
            was,
            lists=rows.lists,
            qualities=was.qualities if is_video else rows.qualities.astype(np.int16),
            classes=numbers.reshape(-1).astype(np.int32),
            class_names=tuple(names[number] for number in told.tolist()),
            flags=rows.column("flags"),
            until=rows.column("until"),
        )

    def _contents(
        self, arrays: Sequence[EntryArrays], before: Sequence[EntryArrays]
    ) -> ListContents | None:
        if self.contents is None:
            return None
        contents = self.contents.copy()
        for array in before:
            contents.add(array, times=-1)
        for array in arrays:
            contents.add(array)
        return contents

    def _numbers(self, changes: "Changes") -> dict[UUID, int]:
        kept = {one: n for one, n in self.place.numbers.items() if one in changes.position}
        new = [one.id for one in changes.usable if one.id not in kept]
        return kept | {one: self.place.given + number for number, one in enumerate(new)}

    def _lists(
        self, changes: "Changes", numbers: Mapping[UUID, int]
    ) -> dict[int, MatchList | None]:
        """What is to be told of the lists: those that may not be matched now are not."""
        usable = {one.id: to_match(one) for one in changes.usable}
        return {number: usable.get(one) for one, number in numbers.items()}

    def _counted(self, arrays: Sequence[EntryArrays], before: Sequence[EntryArrays]) -> Place:
        """The place with the counts of hashes that may not be PDQ."""
        untold, odd = dict(self.place.untold), dict(self.place.odd)
        for array, by in (*((one, -1) for one in before), *((one, 1) for one in arrays)):
            if array.algorithm is not Algorithm.PDQ:
                continue
            is_odd = np.bitwise_count(array.values).sum(axis=1, dtype=np.int64) != PDQ_BITS // 2
            of_lists = array.lists[array.qualities < 0]
            for counts, lists in (
                (untold, of_lists),
                (odd, of_lists[is_odd[array.qualities < 0]]),
            ):
                for number, count in enumerate(np.bincount(lists).tolist()):
                    counts[number] = counts.get(number, 0) + by * count
        return replace(self.place, untold=untold, odd=odd)


def _numbered(
    changes: "Changes", numbers: Mapping[UUID, int]
) -> tuple[tuple[EntryArrays, ...], tuple[EntryArrays, ...]]:
    """The entries that stand and those that are gone, with the numbers of their lists."""
    stand, lost = [], []
    for some in changes.changed:
        of_lists = np.array([numbers[one.id] for one in some.lists], np.int32)
        stand += [replace(array, lists=of_lists[array.lists]) for array in some.arrays]
        lost += [replace(array, lists=of_lists[array.lists]) for array in some.lost]
    return tuple(stand), tuple(lost)


def to_match(list_: "HashList") -> MatchList:
    """What matching knows of a list."""
    standing = Standing.IGNORE if list_.meaning == "ignore" else Standing.COUNTS
    return MatchList(
        name=list_.name,
        radius=list_.radius,
        min_quality=list_.min_quality,
        confirmed=list_.meaning == "confirmed_by_source",
        standing=Standing.OBSERVED if list_.state == "observe" else standing,
        until=None if list_.expires_at is None else int(list_.expires_at.timestamp()),
    )
