"""Entries that are near to too many ordinary pictures: from then on they match only where equal.

Some pictures have so little in them, or so much that others have too, that a hash near theirs says
nothing. Which these are, a set of ordinary pictures shows.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from safelight.errors import BadInput
from safelight.kernel.index import HashIndex
from safelight.model import MAX_RADIUS, Algorithm, EntryArrays, EntryFlag
from safelight.store.entry_arrays import entry_batches
from safelight.store.lists import HashList, next_change
from safelight.store.tables import entry
from safelight.store.transaction import Transaction

LEAST_REFERENCE = 1000  # hashes
USUAL_SHARE = 0.001
_AT_A_TIME = 4096  # entries

Hashes = npt.NDArray[np.uint8]


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
    tx: Transaction,
    list_: HashList,
    reference: Hashes,
    *,
    share: float = USUAL_SHARE,
    radius: int | None = None,
    force: bool = False,
    step: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Let PDQ entries that are near to more than `share` of the reference match only where equal.

    `reference` is uint8[n, 32], a hash for each ordinary picture. `radius`, in bits, is the list's
    if not given. What matched only where equal before still does. `step` is told how many entries
    are compared. Raise BadInput for a reference that is too small, unless `force`; audited.
    """
    radius = list_.radius if radius is None else radius
    _check(len(reference), share, radius, force=force)
    most = int(share * len(reference))
    index = HashIndex.build(reference, np.arange(len(reference), dtype=np.int64))
    compared = already = 0
    found = []
    for batch in entry_batches(tx, [list_.id], Algorithm.PDQ):
        known = _exact_only(batch)
        already += int(known.sum())
        for first in range(0, len(batch.ids), _AT_A_TIME):
            rows = slice(first, first + _AT_A_TIME)
            is_near_many = _near_many(index, batch.values[rows], radius, most)
            found.append(batch.ids[rows][is_near_many & ~known[rows]])
            compared += len(batch.ids[rows])
            step(compared)
    ids = np.concatenate([np.empty(0, np.int64), *found])
    _set_near(tx, list_, sa.and_(entry.c.id == sa.any_(ids.tolist())), near=False)
    done = Calibration(
        reference=len(reference),
        radius=radius,
        share=share,
        entries=compared,
        exact_only=len(ids),
        already=already,
    )
    tx.record("list.calibrate", list_.subject, name=list_.name, **asdict(done))
    return done


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
