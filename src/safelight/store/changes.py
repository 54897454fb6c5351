"""What of hash lists has changed since a reader last looked, and nothing else.

A list counts the changes of its entries, one writer at a time, and every changed entry carries the
number of its change. A reader that has seen a list up to n has seen all of it up to n, and asks for
what came later. So nobody who was away for a second or a month misses anything or reads all again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from safelight.errors import NotPermitted
from safelight.model import EntryArrays
from safelight.store.entry_arrays import entries_changed, entries_for_matching
from safelight.store.lists import HashList, check_use, uncounted
from safelight.store.tables import audit_event, audit_head
from safelight.store.transaction import Transaction

CHANNEL = "safelight_lists"  # told the organisation whose lists changed, at every commit

Position = Mapping[UUID, int]  # the change up to which a list has been seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment in the history of an organisation's lists: the last event of its audit trail.

    Every change of a list is audited in its own transaction, and every event carries the digest of
    all before it. So a database that has the event has all that was there at that moment, and one
    that was set back, copied or made anew since does not.
    """

    seq: int
    digest: str  # hexadecimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedLists:
    """What is new on lists: entries as they stand now, and what is gone, as it was hashed."""

    lists: tuple[HashList, ...]  # those that the arrays' `lists` point into
    arrays: tuple[EntryArrays, ...]
    lost: tuple[EntryArrays, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What has changed.

    `usable` are all lists that may be matched now, whether they have changed or not; `refused`
    those that may not, with the reason; disabled ones are in neither. `position` is where the
    reader is once it has taken the changes in; lists that no longer exist are not in it. `mark` is
    the moment of all this.
    """

    usable: tuple[HashList, ...]
    refused: tuple[tuple[HashList, str], ...]
    changed: tuple[ChangedLists, ...]
    position: Position
    mark: Mark


def changes_since(
    tx: Transaction,
    position: Position,
    *,
    only: Collection[UUID] | None = None,
    now: datetime,
) -> Changes:
    """What a reader that is at this position has not seen. The transaction must be a snapshot.

    `only`: of these lists. What may not be matched is not read; it keeps its place in the position,
    so that only what it missed is read when it may be matched again.
    """
    every = [one for one in uncounted(tx) if only is None or one.id in only]
    usable, refused = _sorted_out(every, now)
    new = [one for one in usable if one.id not in position and one.change]
    old = [one for one in usable if one.id in position and one.change != position[one.id]]
    there = {one.id for one in every}
    kept = {one: change for one, change in position.items() if one in there}
    return Changes(
        usable=tuple(usable),
        refused=tuple(refused),
        changed=(*_whole(tx, new), *(_since(tx, one, position[one.id]) for one in old)),
        position=kept | {one.id: one.change for one in usable},
        mark=_mark_of(tx),
    )


def _sorted_out(
    lists: Sequence[HashList], now: datetime
) -> tuple[list[HashList], list[tuple[HashList, str]]]:
    usable, refused = [], []
    for one in lists:
        try:
            check_use(one, now=now)
            usable.append(one)
        except NotPermitted as exc:
            if one.state != "disabled":
                refused.append((one, str(exc)))
    return usable, refused


def record_refused(tx: Transaction, refused: Collection[tuple[HashList, str]]) -> None:
    """Have it audited that these lists were not used."""
    for list_, reason in refused:
        facts = {"name": list_.name, "purpose": "match", "reason": reason}
        tx.record_refusal("list.refuse", list_.subject, **facts)


def _whole(tx: Transaction, lists: Sequence[HashList]) -> list[ChangedLists]:
    """Lists that the reader has never seen, with all their entries."""
    if not lists:
        return []
    arrays = entries_for_matching(tx, [one.id for one in lists])
    return [ChangedLists(lists=tuple(lists), arrays=tuple(arrays.values()))]


def _since(tx: Transaction, list_: HashList, after: int) -> ChangedLists:
    found = entries_changed(tx, list_.id, after)
    arrays, lost = tuple(found.arrays.values()), tuple(found.lost.values())
    return ChangedLists(lists=(list_,), arrays=arrays, lost=lost)


# -- history ---------------------------------------------------------------------------------------


def _mark_of(tx: Transaction) -> Mark:
    """The present."""
    query = sa.select(audit_head.c.seq, audit_head.c.digest)
    row = tx.connection.execute(query.where(audit_head.c.organisation == tx.organisation)).first()
    return Mark(seq=0, digest="") if row is None else Mark(seq=row.seq, digest=row.digest.hex())


def has_mark(tx: Transaction, mark: Mark) -> bool:
    """Tell whether the history leads through this moment."""
    query = sa.select(audit_event.c.digest).where(audit_event.c.organisation == tx.organisation)
    digest = tx.connection.scalar(query.where(audit_event.c.seq == mark.seq))
    return digest is not None and bytes(digest).hex() == mark.digest
