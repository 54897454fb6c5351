"""What two lists share, and what only one of them has."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from safelight.model import Algorithm
from safelight.store.lists import HashList, permit
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


# First which lists each value is on; then these sets of lists, which are few; then their pairs.
_OVERLAPS = """
WITH shared AS (
    SELECT array_agg(list ORDER BY list) AS lists FROM entry
    WHERE organisation = :organisation AND NOT retracted AND list = ANY(CAST(:lists AS uuid[]))
    GROUP BY algorithm, value HAVING count(*) > 1
), alike AS (SELECT lists, count(*) AS number FROM shared GROUP BY lists)
SELECT one, other, CAST(sum(number) AS bigint) FROM alike, unnest(lists) AS one,
    unnest(lists) AS other
WHERE one < other GROUP BY one, other
"""
# What one list shares with each of the others: only what is on it is compared.
_OVERLAPS_OF = """
SELECT other.list, count(*) FROM entry AS one JOIN entry AS other USING (algorithm, value)
WHERE one.list = :one AND one.organisation = :organisation AND NOT one.retracted
AND other.list = ANY(CAST(:others AS uuid[])) AND other.organisation = :organisation
AND NOT other.retracted GROUP BY other.list
"""


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


def overlaps(tx: Transaction, among: Sequence[HashList]) -> list[Overlap]:
    """Every two of these lists that share entries; ask each for the purpose statistics first."""
    if len(among) < 2:
        return []
    names = {list_.id: list_.name for list_ in among}
    tx.connection.execute(sa.text("SET LOCAL work_mem = '64MB'"))
    facts = {"organisation": tx.organisation, "lists": list(names)}
    rows = tx.connection.execute(sa.text(_OVERLAPS), facts)
    return _sorted(_overlap(names[one], names[other], both) for one, other, both in rows)


def overlaps_of(tx: Transaction, one: HashList, others: Sequence[HashList]) -> list[Overlap]:
    """The others that share entries with the list; ask each for the purpose statistics first."""
    names = {list_.id: list_.name for list_ in others}
    tx.connection.execute(sa.text("SET LOCAL work_mem = '64MB'"))
    facts = {"organisation": tx.organisation, "one": one.id, "others": list(names)}
    rows = tx.connection.execute(sa.text(_OVERLAPS_OF), facts)
    return _sorted(_overlap(one.name, names[other], both) for other, both in rows)


def _overlap(one: str, other: str, both: int) -> Overlap:
    first, second = sorted((one, other))
    return Overlap(first=first, second=second, both=both)


def _sorted(found: Iterable[Overlap]) -> list[Overlap]:
    return sorted(found, key=lambda one: (-one.both, one.first, one.second))
