"""Entries that are near to too many ordinary pictures: from then on they match only where equal.

Some pictures have so little in them, or so much that others have too, that a hash near theirs says
nothing. Which these are, a set of ordinary pictures shows.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from safelight.errors import BadInput, ListNotFound
from safelight.kernel.index import HashIndex
from safelight.model import MAX_RADIUS, Algorithm, EntryArrays, EntryFlag
from safelight.store.entry_arrays import entry_batches
from safelight.store.lists import HashList, by_subject, get, next_change, permit
from safelight.store.tables import entry
from safelight.store.transaction import Transaction

LEAST_REFERENCE = 1000  # hashes
USUAL_SHARE = 0.001
_AT_A_TIME = 4096  # entries

Hashes = npt.NDArray[np.uint8]
Begin = Callable[[], AbstractContextManager[Transaction]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`entries` were compared, at `radius`, with `reference` hashes of ordinary pictures.

    Of them `exact_only` match only where equal from now on, and `already` did so before.
    """

    reference: int
    radius: int
    share: float
    entries: int
    exact_only: int
    already: int


def calibrate(
    begin: Begin,
    name: str,
    reference: Hashes,
    *,
    share: float = USUAL_SHARE,
    radius: int | None = None,
    force: bool = False,
    step: Callable[[int, int], None] = lambda _, __: None,
    now: datetime,
) -> Calibration:
    """Let PDQ entries that are near to more than `share` of the reference match only where equal.

    `reference` is uint8[n, 32], a hash for each ordinary picture. `radius`, in bits, is the list's
    if not given. What matched only where equal before still does. `begin` begins a transaction: the
    entries are read in one and changed in another, none is open while they are compared, and what
    else changes meanwhile stays as it is. `step` is told how many entries are compared, and of how
    many. Audited. Raise ListNotFound; NotPermitted, audited, where the list may not be matched
    against; BadInput for a reference that is too small, unless `force`.
    """
    with begin() as tx:
        list_ = get(tx, name)
        permit(tx, list_, purpose="match", now=now)
        radius = list_.radius if radius is None else radius
        _check(len(reference), share, radius, force=force)
        batches = list(entry_batches(tx, [list_.id], Algorithm.PDQ))
    known = [_exact_only(batch) for batch in batches]
    found = _near_too_many(batches, known, reference, share, radius, step)
    with begin() as tx:
        if not by_subject(tx, [list_.subject]):
            raise ListNotFound(f"The list {list_.name!r} was deleted in the meantime.")
        done = Calibration(
            reference=len(reference),
            radius=radius,
            share=share,
            entries=sum(len(batch.ids) for batch in batches),
            exact_only=_set_near(tx, list_, _still_near(found), near=False),
            already=sum(int(one.sum()) for one in known),
        )
        tx.record("list.calibrate", list_.subject, name=list_.name, **asdict(done))
    return done


def _near_too_many(
    batches: Sequence[EntryArrays],
    known: Sequence[npt.NDArray[np.bool_]],
    reference: Hashes,
    share: float,
    radius: int,
    step: Callable[[int, int], None],
) -> npt.NDArray[np.int64]:
    """The ids of the entries that are near to too many, without those `known` to be."""
    index = HashIndex.build(reference, np.arange(len(reference), dtype=np.int64))
    most = int(share * len(reference))
    total = sum(len(batch.ids) for batch in batches)
    compared = 0
    found = [np.empty(0, np.int64)]
    for batch, is_known in zip(batches, known, strict=True):
        for first in range(0, len(batch.ids), _AT_A_TIME):
            rows = slice(first, first + _AT_A_TIME)
            is_near_many = _near_many(index, batch.values[rows], radius, most)
            found.append(batch.ids[rows][is_near_many & ~is_known[rows]])
            compared += len(batch.ids[rows])
            step(compared, total)
    return np.concatenate(found)


def _still_near(ids: npt.NDArray[np.int64]) -> "sa.ColumnElement[bool]":
    """Those of these entries that nobody else set apart meanwhile. An id keeps its hash."""
    return sa.and_(entry.c.near, entry.c.id == sa.any_(ids.tolist()))


def undo(tx: Transaction, list_: HashList) -> int:
    """Let every entry match near again; return how many did not. Audited."""
    number = _set_near(tx, list_, ~entry.c.near, near=True)
    tx.record("list.calibrate_undo", list_.subject, name=list_.name, entries=number)
    return number


def _check(number: int, share: float, radius: int, *, force: bool) -> None:
    if not 0 < share < 1:
        raise BadInput(f"The share {share:g} cannot be used: more than 0 and less than 1.")
    if not 0 <= radius <= MAX_RADIUS:
        raise BadInput(f"The radius {radius} cannot be used: 0 to {MAX_RADIUS}.")
    if number < LEAST_REFERENCE and not force:
        raise BadInput(
            f"The reference has {number:,} PDQ hashes. A share of so few says nothing: a single "
            f"picture would be more than {1 / max(1, number):.2g} of them. Give at least "
            f"{LEAST_REFERENCE:,}, of pictures such as you look through every day, or --force."
        )


def _exact_only(batch: EntryArrays) -> npt.NDArray[np.bool_]:
    if batch.flags is None:
        return np.zeros(len(batch.ids), np.bool_)
    return (batch.flags & EntryFlag.EXACT_ONLY) > 0


def _near_many(index: HashIndex, values: Hashes, radius: int, most: int) -> npt.NDArray[np.bool_]:
    """Which of the hashes are near to more than `most` of the index."""
    found = index.search(values, radius, limit=most + 1)
    return np.diff(found.offsets) > most


def _set_near(
    tx: Transaction, list_: HashList, which: "sa.ColumnElement[bool]", *, near: bool
) -> int:
    """Change what is so of entries of the list, with a change number if of any."""
    mine = (entry.c.list == list_.id) & (entry.c.organisation == tx.organisation) & which
    if tx.connection.scalar(sa.select(entry.c.id).where(mine).limit(1)) is None:
        return 0
    statement = sa.update(entry).where(mine).values(near=near, change=next_change(tx, list_))
    return int(tx.connection.execute(statement).rowcount)
