"""What two lists share, and what only one of them has."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from safelight.model import Algorithm
from safelight.store.lists import HashList, permit
from safelight.store.tables import entry, hash_list
from safelight.store.transaction import Transaction

_SIDES = """
SELECT {what} FROM (SELECT id, algorithm, value FROM entry WHERE list = :one
    AND organisation = :organisation AND NOT retracted) AS one
FULL JOIN (SELECT id, algorithm, value FROM entry WHERE list = :other
    AND organisation = :organisation AND NOT retracted) AS other
USING (algorithm, value)
"""
_COUNTS = _SIDES.format(
    what="algorithm, count(*) FILTER (WHERE other.id IS NULL), "
    "count(*) FILTER (WHERE one.id IS NULL), count(one.id + other.id)"
)
_VALUES = _SIDES.format(what="algorithm, value, one.id AS one, other.id AS other") + (
    "WHERE one.id IS NULL OR other.id IS NULL ORDER BY algorithm, value LIMIT :limit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The numbers of entries of one algorithm; retracted entries are on neither list."""

    algorithm: Algorithm
    only_first: int
    only_second: int
    both: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSided:
    """An entry that only one of two lists has: `first` or `second` is its number there."""

    algorithm: Algorithm
    value: bytes
    first: int | None
    second: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """How many entries two lists share."""

    first: str
    second: str
    both: int


def differences(
    tx: Transaction, one: HashList, other: HashList, *, shown: int = 0, now: datetime
) -> list[Difference]:
    """The numbers for every algorithm that one of the lists has entries of; audited.

    `shown` is up to how many entries a person is shown besides. Raise NotPermitted, audited, where
    a list does not permit statistics.
    """
    for list_ in (one, other):
        permit(tx, list_, purpose="statistics", now=now)
    facts = {"one": one.id, "other": other.id, "organisation": tx.organisation}
    rows = tx.connection.execute(sa.text(_COUNTS + "GROUP BY algorithm"), facts)
    found = {
        algorithm: Difference(
            algorithm=Algorithm(algorithm), only_first=first, only_second=second, both=both
        )
        for algorithm, first, second, both in rows
    }
    tx.record("list.diff", one.subject, name=one.name, other=other.name, shown=shown)
    return [found[algorithm] for algorithm in Algorithm if algorithm in found]


def one_sided(tx: Transaction, one: HashList, other: HashList, *, limit: int) -> Iterator[OneSided]:
    """Entries that only one of the lists has, up to `limit`, by algorithm and value."""
    facts = {"one": one.id, "other": other.id, "organisation": tx.organisation, "limit": limit}
    for algorithm, value, first, second in tx.connection.execute(sa.text(_VALUES), facts):
        yield OneSided(
            algorithm=Algorithm(algorithm), value=bytes(value), first=first, second=second
        )


def overlaps(tx: Transaction) -> list[Overlap]:
    """Every two lists that share entries."""
    mine = hash_list.c.organisation == tx.organisation
    if (tx.connection.scalar(sa.select(sa.func.count()).where(mine)) or 0) < 2:
        return []
    tx.connection.execute(sa.text("SET LOCAL work_mem = '64MB'"))
    one, other = entry.alias(), entry.alias()
    first, second = hash_list.alias(), hash_list.alias()
    pairs = (
        sa.select(one.c.list.label("one"), other.c.list.label("other"), sa.func.count().label("n"))
        .join(other, (other.c.algorithm == one.c.algorithm) & (other.c.value == one.c.value))
        .where(one.c.list < other.c.list, ~one.c.retracted, ~other.c.retracted)
        .where(one.c.organisation == tx.organisation, other.c.organisation == tx.organisation)
        .group_by(one.c.list, other.c.list)
        .subquery()
    )
    query = (
        sa.select(first.c.name, second.c.name, pairs.c.n)
        .select_from(pairs)
        .join(first, first.c.id == pairs.c.one)
        .join(second, second.c.id == pairs.c.other)
    )
    found = [
        Overlap(first=min(a, b), second=max(a, b), both=both)
        for a, b, both in tx.connection.execute(query)
    ]
    return sorted(found, key=lambda one: (-one.both, one.first, one.second))
