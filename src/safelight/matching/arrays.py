"""Entries as arrays: joined, taken apart, and told apart by keys."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from safelight.matching.facts import NEVER, Flags, Numbers
from safelight.model import Algorithm, EntryArrays

_COLUMNS = ("ids", "lists", "values", "qualities", "classes", "times", "flags", "until")


def keys_of(array: EntryArrays, *, by_row: bool) -> Numbers:
    """The keys of the rows: the ids, or numbers that are told apart where ids may not be."""
    if not by_row:
        return array.ids
    if array.algorithm is not Algorithm.VPDQ:
        return np.arange(len(array.ids), dtype=np.int64)
    both = np.stack([array.lists.astype(np.int64), array.ids], axis=1)
    return np.unique(both, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def joined_entries(algorithm: Algorithm, arrays: Sequence[EntryArrays]) -> EntryArrays | None:
    """All entries of one algorithm; None where there are none."""
    parts = [one for one in arrays if one.algorithm is algorithm and len(one.ids)]
    if len(parts) < 2:
        return parts[0] if parts else None
    return EntryArrays(
        algorithm=algorithm,
        ids=np.concatenate([part.ids for part in parts]),
        lists=np.concatenate([part.lists for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        qualities=np.concatenate([part.qualities for part in parts]),
        classes=_column(parts, "classes", _class_places(parts)),
        class_names=tuple(name for part in parts for name in part.class_names),
        times=_column(parts, "times", [np.zeros(len(one.ids), np.int32) for one in parts]),
        flags=_column(parts, "flags", [np.zeros(len(one.ids), np.uint8) for one in parts]),
        until=_column(parts, "until", [np.full(len(one.ids), NEVER) for one in parts]),
    )


def _column(parts: Sequence[EntryArrays], name: str, usual: Sequence[Any]) -> Any:
    """A column of all parts, with what is usual where a part has none; None where none has it."""
    columns = [getattr(part, name) for part in parts]
    if all(one is None for one in columns):
        return None
    if name == "classes":
        return np.concatenate(usual)
    pairs = zip(columns, usual, strict=True)
    return np.concatenate([other if one is None else one for one, other in pairs])


def _class_places(parts: Sequence[EntryArrays]) -> list[Any]:
    """The classes as positions among the names of all parts; of no class, the part's first."""
    places, names = [], 0
    for part in parts:
        classes = np.zeros(len(part.ids), np.int32) if part.classes is None else part.classes
        places.append(classes + np.int32(names))
        names += len(part.class_names)
    return places


def some_rows(array: EntryArrays, rows: Flags) -> EntryArrays:
    """Some of the entries."""
    if rows.all():
        return array
    there = {name: getattr(array, name) for name in _COLUMNS}
    some: dict[str, Any] = {name: None if one is None else one[rows] for name, one in there.items()}
    return replace(array, **some)


def joined_frames(one: EntryArrays, other: EntryArrays) -> EntryArrays:
    """The frames of both: what a table is made of, and no facts of the videos."""
    both = (one, other)
    times = [
        np.zeros(len(some.ids), np.int32) if some.times is None else some.times for some in both
    ]
    return EntryArrays(
        algorithm=Algorithm.VPDQ,
        ids=np.concatenate([some.ids for some in both]),
        lists=np.concatenate([some.lists for some in both]),
        values=np.concatenate([some.values for some in both]),
        qualities=np.concatenate([some.qualities for some in both]),
        times=np.concatenate(times),
    )
