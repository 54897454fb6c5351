"""Figures about lists: sizes, sources, ages, and which entries ever matched."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from safelight.errors import NotPermitted
from safelight.model import Algorithm
from safelight.store.lists import HashList, check_use, permit, uncounted
from safelight.store.tables import (
    entry,
    entry_assertion,
    entry_frame,
    entry_match_count,
    flood_alarm,
)
from safelight.store.transaction import Transaction

# Memory that one hash takes in what is searched, about: a PDQ hash or frame of a video in the
# index, and what a digest takes beside its value.
_INDEX_BYTES = 137
_DIGEST_BYTES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFigures:
    """What one source said about the entries of a list."""

    source: str
    assertions: int
    retracted: int
    derived: int  # taken over from other lists

    def to_json(self) -> dict[str, Any]:
        """The figures as the CLI writes them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """An entry, and how often it was matched."""

    entry: int
    algorithm: Algorithm
    matches: int
    last_at: datetime

    def to_json(self) -> dict[str, Any]:
        """The figures as the CLI writes them."""
        return {
            "entry": self.entry,
            "algorithm": self.algorithm.value,
            "matches": self.matches,
            "last_at": self.last_at.isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Entries that no verdict hangs on, and what matched them.

    Every match counts that there ever was: where a list was used before it was observed, those too.
    """

    entries: int = 0
    matched: int = 0  # of the entries, so many were
    matches: int = 0

    def to_json(self) -> dict[str, Any]:
        """The figures as the CLI writes them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


NONE_OBSERVED = Observed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures of one list. `months` counts the entries that stand by when they came, as 2026-11.

    `ended` entries are among those in `entries`: nobody retracted them, and they match nothing.
    `index_bytes` is about the memory that each kind takes while it is matched against.
    """

    entries: dict[Algorithm, int]
    retracted: int
    sources: tuple[SourceFigures, ...]
    months: dict[str, int]
    ever_matched: int
    most_matched: tuple[Matched, ...]
    index_bytes: dict[Algorithm, int] = field(default_factory=dict)  # of the kinds there are
    observed: Observed = NONE_OBSERVED
    exact_only: int = 0  # match only where they are equal
    ended: int = 0
    open_alarms: int = 0

    @property
    def never_matched(self) -> int:
        """Entries that stand and that no scan has found yet."""
        return sum(self.entries.values()) - self.ever_matched

    def to_json(self) -> dict[str, Any]:
        """The figures as the CLI writes them."""
        return {
            "entries": {algorithm.value: number for algorithm, number in self.entries.items()},
            "retracted": self.retracted,
            "sources": [source.to_json() for source in self.sources],
            "months": self.months,
            "ever_matched": self.ever_matched,
            "never_matched": self.never_matched,
            "most_matched": [matched.to_json() for matched in self.most_matched],
            "index_bytes_about": {one.value: size for one, size in self.index_bytes.items()},
            "observed": self.observed.to_json(),
            "exact_only": self.exact_only,
            "ended": self.ended,
            "open_alarms": self.open_alarms,
        }


def look(
    tx: Transaction, list_: HashList, *, action: str, most: int = 10, now: datetime
) -> Figures:
    """`figures` for a person, audited as this action; raise NotPermitted, audited."""
    permit(tx, list_, purpose="statistics", now=now)
    tx.record(action, list_.subject, name=list_.name)
    return figures(tx, list_, most=most, now=now)


def countable(tx: Transaction, *, now: datetime) -> tuple[list[HashList], list[str]]:
    """The lists that permit statistics, by name, and why any other does not, which is audited."""
    usable, reasons = [], []
    for list_ in uncounted(tx):
        try:
            permit(tx, list_, purpose="statistics", now=now)
            usable.append(list_)
        except NotPermitted as exc:
            reasons.append(str(exc))
    return usable, reasons


def others_countable(tx: Transaction, list_: HashList, *, now: datetime) -> list[HashList]:
    """The other lists that permit statistics; nobody asked for the rest, and none is refused."""
    usable = []
    for other in uncounted(tx):
        with suppress(NotPermitted):
            check_use(other, purpose="statistics", now=now)
            usable.append(other)
    return [other for other in usable if other.id != list_.id]


def figures(tx: Transaction, list_: HashList, *, most: int = 10, now: datetime) -> Figures:
    """The figures of a list, with up to `most` of its most-matched entries."""
    mine = (entry.c.list == list_.id) & (entry.c.organisation == tx.organisation)
    stands = mine & ~entry.c.retracted
    month = sa.func.to_char(sa.func.timezone("UTC", entry.c.added_at), "YYYY-MM")
    far = sa.func.count().filter(~entry.c.near)
    query = sa.select(entry.c.algorithm, month, sa.func.count(), far).where(stands)
    rows = tx.connection.execute(query.group_by(entry.c.algorithm, month).order_by(month)).all()
    entries = {
        algorithm: sum(number for name, _, number, _ in rows if name == algorithm)
        for algorithm in Algorithm
    }
    months: dict[str, int] = {}
    for _, name, number, _ in rows:
        months[name] = months.get(name, 0) + number
    retracted = sa.select(sa.func.count()).where(mine & entry.c.retracted)
    matched = sa.select(sa.func.count()).select_from(_matched()).where(stands)
    return Figures(
        entries=entries,
        retracted=int(tx.connection.scalar(retracted) or 0),
        sources=tuple(_sources(tx, mine)),
        months=months,
        ever_matched=int(tx.connection.scalar(matched) or 0),
        most_matched=tuple(_most_matched(tx, stands, most)),
        index_bytes=_index_bytes(tx, stands, entries),
        observed=_observed(tx, list_, stands),
        exact_only=sum(number for *_, number in rows),
        ended=_ended(tx, stands, now),
        open_alarms=_open_alarms(tx, list_),
    )


def _index_bytes(
    tx: Transaction, stands: "sa.ColumnElement[bool]", entries: dict[Algorithm, int]
) -> dict[Algorithm, int]:
    query = sa.select(sa.func.count()).where(stands)
    query = query.select_from(entry.join(entry_frame, entry_frame.c.entry == entry.c.id))
    sizes: dict[Algorithm, int] = {}
    for algorithm, number in entries.items():
        if not number:
            continue
        if algorithm is Algorithm.VPDQ:
            sizes[algorithm] = int(tx.connection.scalar(query) or 0) * _INDEX_BYTES
        elif algorithm is Algorithm.PDQ:
            sizes[algorithm] = number * _INDEX_BYTES
        else:
            sizes[algorithm] = number * (algorithm.size + _DIGEST_BYTES)
    return sizes


def _observed(tx: Transaction, list_: HashList, stands: "sa.ColumnElement[bool]") -> Observed:
    """All entries of a list that is observed; else those that only are until it is enabled."""
    if list_.state != "observe":
        stands &= entry.c.observed
    count = sa.func.coalesce(sa.func.sum(entry_match_count.c.matches), 0)
    query = sa.select(sa.func.count(), count).select_from(_matched()).where(stands)
    matched, matches = tx.connection.execute(query).one()
    number = tx.connection.scalar(sa.select(sa.func.count()).where(stands))
    return Observed(entries=int(number or 0), matched=matched, matches=int(matches))


def _ended(tx: Transaction, stands: "sa.ColumnElement[bool]", now: datetime) -> int:
    """Entries of which all that was not retracted has ended."""
    said = entry_assertion.c
    some = sa.select(said.entry).where(
        said.organisation == tx.organisation, said.expires_at <= now, said.retracted_at.is_(None)
    )
    goes_on = sa.exists().where(
        said.organisation == tx.organisation,
        said.entry == entry.c.id,
        said.retracted_at.is_(None),
        said.expires_at.is_(None) | (said.expires_at > now),
    )
    query = sa.select(sa.func.count()).where(stands, entry.c.id.in_(some), ~goes_on)
    return int(tx.connection.scalar(query) or 0)


def _open_alarms(tx: Transaction, list_: HashList) -> int:
    alarm = flood_alarm.c
    query = sa.select(sa.func.count()).where(
        alarm.organisation == tx.organisation,
        alarm.list == list_.id,
        alarm.acknowledged_at.is_(None),
    )
    return int(tx.connection.scalar(query) or 0)


def _matched() -> "sa.Join":
    return entry.join(entry_match_count, entry_match_count.c.entry == entry.c.id)


def _sources(tx: Transaction, mine: "sa.ColumnElement[bool]") -> Iterator[SourceFigures]:
    said = entry_assertion.c
    query = (
        sa.select(
            said.source,
            sa.func.count().label("assertions"),
            sa.func.count(said.retracted_at).label("retracted"),
            sa.func.count().filter(said.derived_from != "").label("derived"),
        )
        .select_from(entry_assertion.join(entry, entry.c.id == said.entry))
        .where(mine, said.organisation == tx.organisation)
        .group_by(said.source)
        .order_by(said.source)
    )
    for row in tx.connection.execute(query).mappings():
        yield SourceFigures(**row)


def _most_matched(
    tx: Transaction, stands: "sa.ColumnElement[bool]", most: int
) -> Iterator[Matched]:
    count = entry_match_count.c
    query = sa.select(entry.c.id, entry.c.algorithm, count.matches, count.last_at)
    query = query.select_from(_matched()).where(stands)
    query = query.order_by(count.matches.desc(), entry.c.id).limit(most)
    for identity, algorithm, matches, last_at in tx.connection.execute(query):
        yield Matched(
            entry=identity, algorithm=Algorithm(algorithm), matches=matches, last_at=last_at
        )
