"""Figures about lists: sizes, sources, ages, and which entries ever matched."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from safelight.errors import NotPermitted
from safelight.model import Algorithm
from safelight.store.lists import HashList, all_lists, permit
from safelight.store.tables import entry, entry_assertion, entry_match_count
from safelight.store.transaction import Transaction


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
class Figures:
    """Figures of one list. `months` counts the entries that stand by when they came, as 2026-11."""

    entries: dict[Algorithm, int]
    retracted: int
    sources: tuple[SourceFigures, ...]
    months: dict[str, int]
    ever_matched: int
    most_matched: tuple[Matched, ...]

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
        }


def look(
    tx: Transaction, list_: HashList, *, action: str, most: int = 10, now: datetime
) -> Figures:
    """`figures` for a person, audited as this action; raise NotPermitted, audited."""
    permit(tx, list_, purpose="statistics", now=now)
    tx.record(action, list_.subject, name=list_.name)
    return figures(tx, list_, most=most)


def countable(tx: Transaction, *, now: datetime) -> tuple[list[HashList], list[str]]:
    """The lists that permit statistics, by name, and why any other does not, which is audited."""
    usable, reasons = [], []
    for list_ in all_lists(tx):
        try:
            permit(tx, list_, purpose="statistics", now=now)
            usable.append(list_)
        except NotPermitted as exc:
            reasons.append(str(exc))
    return usable, reasons


def figures(tx: Transaction, list_: HashList, *, most: int = 10) -> Figures:
    """The figures of a list, with up to `most` of its most-matched entries."""
    mine = (entry.c.list == list_.id) & (entry.c.organisation == tx.organisation)
    stands = mine & ~entry.c.retracted
    month = sa.func.to_char(sa.func.timezone("UTC", entry.c.added_at), "YYYY-MM")
    query = sa.select(entry.c.algorithm, month, sa.func.count()).where(stands)
    rows = tx.connection.execute(query.group_by(entry.c.algorithm, month).order_by(month)).all()
    entries = {
        algorithm: sum(number for name, _, number in rows if name == algorithm)
        for algorithm in Algorithm
    }
    months: dict[str, int] = {}
    for _, name, number in rows:
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
    )


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
