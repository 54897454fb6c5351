"""The entries of a list, a page at a time, with who says what of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from safelight.model import Algorithm
from safelight.store.lists import HashList, permit
from safelight.store.origins import why_shortened
from safelight.store.tables import entry, entry_assertion, entry_frame, entry_match_count
from safelight.store.transaction import Transaction

_DIGITS_SHOWN = 8
_COLUMNS = ("id", "algorithm", "value", "quality", "mode", "change", "added_at")
_FACTS = ("retracted", "observed", "near")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """Who says that the entry belongs on the list, in what words; empty where they gave none."""

    source: str
    their_id: str
    their_class: str
    asserted_at: datetime
    retracted_at: datetime | None = None  # None: it stands
    derived_from: str = ""  # the list it was taken over from; empty: claimed independently
    owner: str = ""  # who answers for it here; empty: the source alone does
    expires_at: datetime | None = None  # from then on it does not stand; None: no end was agreed

    def stands(self, now: datetime) -> bool:
        """Whether it counts."""
        return self.retracted_at is None and (self.expires_at is None or self.expires_at > now)

    def to_json(self) -> dict[str, Any]:
        """The assertion as the CLI writes it."""
        retracted = None if self.retracted_at is None else self.retracted_at.isoformat()
        return {
            "source": self.source,
            "id": self.their_id,
            "class": self.their_class,
            "asserted_at": self.asserted_at.isoformat(),
            "retracted_at": retracted,
            "derived_from": self.derived_from,
            "owner": self.owner,
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as stored; `quality` is -1 where unknown, -2 where there is no such thing."""

    id: int
    algorithm: Algorithm
    value: bytes
    quality: int
    mode: str  # exact, unknown, or not_applicable
    change: int
    added_at: datetime
    retracted: bool = False  # every assertion about it is: it is not matched
    observed: bool = False  # matched and counted, and no verdict hangs on it
    near: bool = True  # False: matches only where it is equal
    frames: int = 0  # of a video
    assertions: tuple[Assertion, ...] = ()

    def to_json(self, *, whole: bool) -> dict[str, Any]:
        """The entry as the CLI writes it; its value is shortened if not `whole`."""
        return {
            "id": self.id,
            "algorithm": self.algorithm.value,
            "value": self.shown(whole=whole),
            "quality": self.quality if self.quality >= 0 else None,
            "mode": self.mode,
            "added_at": self.added_at.isoformat(),
            "retracted": self.retracted,
            "observed": self.observed,
            "exact_only": not self.near,
            **({"frames": self.frames} if self.algorithm is Algorithm.VPDQ else {}),
            "assertions": [assertion.to_json() for assertion in self.assertions],
        }

    def shown(self, *, whole: bool) -> str:
        """The value as text, as the function `shown` gives it."""
        return shown(self.algorithm, self.value, whole=whole)


def shown(algorithm: Algorithm, value: bytes, *, whole: bool) -> str:
    """A value as text; if not `whole`, enough to recognise it and no more."""
    text = algorithm.text(value)
    return text if whole else text[:_DIGITS_SHOWN] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Entries a person may look at; values may only be given in full where `whole`."""

    entries: tuple[Entry, ...]
    following: int | None  # the `after` of the next page, if any
    whole: bool
    reason: str = ""  # why not whole


def show(
    tx: Transaction,
    list_: HashList,
    *,
    after: int = 0,
    limit: int = 100,
    never_matched: bool = False,
    now: datetime,
) -> Shown:
    """A page for a person to look at, audited: whole values are an export, which must be permitted.

    Where the list, or one that entries of the page came from, does not permit that, or no longer,
    the values are to be shortened. `never_matched`: of those that stand and that nothing has
    matched yet; raise NotPermitted, audited, where the list does not permit statistics.
    """
    if never_matched:
        permit(tx, list_, purpose="statistics", now=now)
    found, following = page(tx, list_, after=after, limit=limit, never_matched=never_matched)
    reason = why_shortened(tx, list_, _origins(found), now=now)
    facts: dict[str, Any] = {"name": list_.name, "after": after, "entries": len(found)}
    facts |= {"never_matched": True} if never_matched else {}
    tx.record("list.show" if reason else "list.export", list_.subject, **facts)
    return Shown(entries=tuple(found), following=following, whole=not reason, reason=reason)


def _origins(entries: Sequence[Entry]) -> set[str]:
    """The lists that entries were taken from; a retracted entry is shown as well, and has one."""
    return {
        said.derived_from
        for one in entries
        for said in one.assertions
        if said.derived_from and (one.retracted or said.retracted_at is None)
    }


def page(
    tx: Transaction,
    list_: HashList,
    *,
    after: int = 0,
    limit: int = 100,
    never_matched: bool = False,
) -> tuple[list[Entry], int | None]:
    """Up to `limit` entries with an id past `after`, and the `after` of the next page if any.

    `never_matched`: of those that stand and that nothing has matched yet.
    """
    columns = [entry.c[name] for name in (*_COLUMNS, *_FACTS)]
    query = sa.select(*columns).where(
        entry.c.list == list_.id, entry.c.organisation == tx.organisation
    )
    if never_matched:
        matched = sa.exists().where(
            entry_match_count.c.entry == entry.c.id,
            entry_match_count.c.organisation == tx.organisation,
        )
        query = query.where(~entry.c.retracted, ~matched)
    query = query.where(entry.c.id > after).order_by(entry.c.id).limit(limit + 1)
    rows = tx.connection.execute(query).mappings().all()
    more, rows = len(rows) > limit, rows[:limit]
    ids = [row["id"] for row in rows]
    said, frames = _assertions(tx, ids), _frames(tx, ids)
    entries = [
        Entry(
            **{**row, "algorithm": Algorithm(row["algorithm"])},
            assertions=tuple(said.get(row["id"], ())),
            frames=frames.get(row["id"], 0),
        )
        for row in rows
    ]
    return entries, entries[-1].id if more else None


def _assertions(tx: Transaction, ids: Sequence[int]) -> dict[int, list[Assertion]]:
    """The assertions about these entries, in the order they came, retracted ones too."""
    table = entry_assertion.c
    query = sa.select(*(table[name] for name in ("entry", *Assertion.__dataclass_fields__)))
    query = query.where(table.organisation == tx.organisation, _among(table.entry, ids))
    query = query.order_by(table.asserted_at, table.source, table.their_id)
    found: dict[int, list[Assertion]] = {}
    for row in tx.connection.execute(query).mappings():
        facts = dict(row)
        found.setdefault(facts.pop("entry"), []).append(Assertion(**facts))
    return found


def _frames(tx: Transaction, ids: Sequence[int]) -> dict[int, int]:
    table = entry_frame.c
    query = sa.select(table.entry, sa.func.count()).where(_among(table.entry, ids))
    query = query.where(table.organisation == tx.organisation).group_by(table.entry)
    return dict(map(tuple, tx.connection.execute(query)))


def _among(column: "sa.Column[Any]", ids: Sequence[int]) -> "sa.ColumnElement[bool]":
    return column == sa.any_(sa.literal(list(ids), ARRAY(sa.BigInteger)))
