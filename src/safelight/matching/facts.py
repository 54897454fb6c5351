"""What is known of entries beside their hashes. Values that are never changed, only replaced.

Every entry has a key, which no other entry of its table ever has. Facts are kept in parts, each
ascending by key; of a key that several parts have, the newest counts. See `merging`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.matching.merging import is_worn, merged
from safelight.model import EntryArrays

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NEVER = int(np.iinfo(np.int64).max)

# In the place of a list's number: the entry is gone, and whether its hash is still searched.
GONE = -1
FORGOTTEN = -2


class ClassNames:
    """What sources call their classes, each with a number that it keeps."""

    def __init__(self, names: Iterable[str] = ("",)) -> None:
        self.names = list(names)
        self._numbers = {name: number for number, name in enumerate(self.names)}

    def numbers_of(self, array: EntryArrays) -> npt.NDArray[np.int32] | None:
        """The number of each row's class; None where no row has one."""
        if array.classes is None:
            return None
        numbers = np.array([self._number(name) for name in array.class_names], np.int32)
        return numbers[array.classes]

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = len(self.names)
            self.names.append(name)  # before anybody can come by the number
            self._numbers[name] = number
        return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Facts of entries, one row each. What may be None is then the same for every row."""

    keys: Numbers  # [n]
    lists: npt.NDArray[np.int32]  # [n], the list's number; GONE or FORGOTTEN
    qualities: npt.NDArray[np.int8]  # [n], 0 to 100; negative where the list does not tell
    classes: npt.NDArray[np.int32] | None = None  # [n], numbers of ClassNames; None: 0
    flags: npt.NDArray[np.uint8] | None = None  # [n], sums of EntryFlag; None: 0
    until: Numbers | None = None  # [n], seconds since 1970; None: NEVER
    shown: Numbers | None = None  # [n], what the entry is called; None: its key

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Any) -> "Columns":
        """Some rows, by their numbers or a mask."""
        some: dict[str, Any] = {name: _taken(getattr(self, name), rows) for name in _NAMES}
        return Columns(**some)

    def column(self, name: str) -> npt.NDArray[Any]:
        """The column, made where it is None."""
        found: npt.NDArray[Any] | None = getattr(self, name)
        if found is not None:
            return found
        if name == "shown":
            return self.keys
        return np.full(len(self), _USUAL[name], _KINDS[name])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The columns that there are, by name."""
        every = {name: getattr(self, name) for name in _NAMES}
        return {name: column for name, column in every.items() if column is not None}


_NAMES = tuple(one.name for one in fields(Columns))
_USUAL = {"classes": 0, "flags": 0, "until": NEVER}
_KINDS: dict[str, Any] = {"classes": np.int32, "flags": np.uint8, "until": np.int64}


def _taken(column: npt.NDArray[Any] | None, rows: Any) -> npt.NDArray[Any] | None:
    return None if column is None else column[rows]


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    every: dict[str, Any] = {}
    for name in _NAMES:
        there = any(getattr(part, name) is not None for part in parts)
        every[name] = np.concatenate([part.column(name) for part in parts]) if there else None
    return Columns(**every)


def gone(keys: Numbers, mark: int = GONE) -> Columns:
    """Rows that say that these entries, keys ascending, are gone."""
    return Columns(
        keys=keys,
        lists=np.full(len(keys), mark, np.int32),
        qualities=np.full(len(keys), -1, np.int8),
    )


def _some(rows: Columns, wanted: Flags) -> Columns:
    return rows if wanted.all() else rows.take(wanted)


def newest(parts: Sequence[Columns]) -> Columns:
    """Of each key the row that comes last, ascending by key."""
    every = joined(parts)
    order = np.argsort(every.keys, kind="stable")
    keys = every.keys[order]
    is_last = np.ones(len(keys), np.bool_)
    is_last[:-1] = keys[1:] != keys[:-1]
    if is_last.all() and (order[1:] > order[:-1]).all():
        return every
    return every.take(order[is_last])


NOTHING = Columns(
    keys=np.empty(0, np.int64), lists=np.empty(0, np.int32), qualities=np.empty(0, np.int8)
)


class Facts:
    """The facts of all entries of a table. Never changed: `with_rows` gives another."""

    __slots__ = ("_live", "parts")

    def __init__(self, parts: Sequence[Columns], live: int | None = None) -> None:
        """Of parts that are ascending by key; `live` is the number of entries, where known."""
        self.parts = tuple(part for part in parts if len(part))
        if live is None:
            live = int((newest(self.parts).lists >= 0).sum()) if self.parts else 0
        self._live = live

    def __len__(self) -> int:
        """How many entries there are, without those that are gone."""
        return self._live

    def of(self, keys: Numbers) -> Columns:
        """The rows of these keys, in this order; FORGOTTEN stands for what was never known."""
        if len(self.parts) == 1:
            return self._found_in(self.parts[0], keys)
        rows = gone(keys, FORGOTTEN)
        pending = np.arange(len(keys))
        found, places = [rows], np.arange(len(keys))
        for part in reversed(self.parts):
            at, there = _places(part, keys[pending])
            places[pending[there]] = sum(map(len, found)) + np.arange(int(there.sum()))
            found.append(part.take(at[there]))
            pending = pending[~there]
            if not len(pending):
                break
        return joined(found).take(places)

    def are_there(self, keys: Numbers) -> Flags:
        """Which of these keys are those of entries that are not gone."""
        there: Flags = self.of(keys).lists >= 0
        return there

    def _found_in(self, part: Columns, keys: Numbers) -> Columns:
        at, there = _places(part, keys)
        if there.all():
            return part.take(at)
        rows = joined([part.take(at[there]), gone(keys[~there], FORGOTTEN)])
        order = np.empty(len(keys), np.int64)
        order[there] = np.arange(int(there.sum()))
        order[~there] = np.arange(int(there.sum()), len(keys))
        return rows.take(order)

    def with_rows(self, rows: Columns) -> "Facts":
        """With these rows, ascending by key and each key once, in the place of what they had."""
        if not len(rows):
            return self
        before = self.of(rows.keys)
        live = len(self) + int((rows.lists >= 0).sum()) - int((before.lists >= 0).sum())
        parts = merged([*self.parts, rows], lambda one, other: newest([one, other]))
        if len(parts) == 1:  # nothing older that a row which says so would have to hide
            parts = (_some(parts[0], parts[0].lists != FORGOTTEN),)
        return Facts(parts, live)

    @property
    def is_worn(self) -> bool:
        """Whether most of the rows are of what is gone."""
        return is_worn(sum(map(len, self.parts)), len(self))

    def living(self) -> "Facts":
        """Without a trace of what is gone: whoever has its hashes must drop them too."""
        if not self.parts:
            return self
        rows = newest(self.parts)
        return Facts((_some(rows, rows.lists >= 0),), len(self))

    def keys_of_lists(self, numbers: Sequence[int]) -> Numbers:
        """The keys of all entries of these lists, ascending."""
        if not numbers:
            return np.empty(0, np.int64)
        wanted = np.array(sorted(numbers), np.int32)
        keys = [part.keys[np.isin(part.lists, wanted)] for part in self.parts]
        every = np.unique(np.concatenate([np.empty(0, np.int64), *keys]))
        return every[np.isin(self.of(every).lists, wanted)]


def _places(part: Columns, keys: Numbers) -> tuple[Numbers, Flags]:
    """Where in the part each key would be, and whether it is there."""
    at = np.minimum(np.searchsorted(part.keys, keys), len(part) - 1)
    return at, part.keys[at] == keys
