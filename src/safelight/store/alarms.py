"""Alarms of entries that suddenly match far more than before, until a person looks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from safelight.errors import BadInput
from safelight.store.tables import check_code, flood_alarm, hash_list
from safelight.store.transaction import Transaction

# What is told again of the same day raises the number and wakes nobody a second time.
_RAISE = """
INSERT INTO flood_alarm AS known
    (organisation, entry, list, day, kind, matches, expected, raised_at)
SELECT :organisation, entry.id, entry.list, :day, :kind, :matches, :expected, :at
FROM entry WHERE entry.id = :entry AND entry.organisation = :organisation
ON CONFLICT (entry, day, kind) DO UPDATE
    SET matches = greatest(known.matches, excluded.matches), expected = excluded.expected
RETURNING list, xmax = 0 AS is_new
"""
_NAMED = 100  # entries that the audit trail names of one list


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlarm:
    """An entry that matched `matches` times on a day, and at most `expected` were to be expected.

    `kind`: its near matches were counted, or its exact ones.
    """

    entry: int
    day: date  # in UTC
    kind: str  # near, exact
    matches: int
    expected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm(NewAlarm):
    """An alarm as stored."""

    id: int
    list_name: str
    raised_at: datetime
    acknowledged_at: datetime | None  # None: it is open
    acknowledged_by: str

    def to_json(self) -> dict[str, Any]:
        """The alarm as the CLI writes it."""
        looked = None if self.acknowledged_at is None else self.acknowledged_at.isoformat()
        return {
            "id": self.id,
            "list": self.list_name,
            "entry": self.entry,
            "day": self.day.isoformat(),
            "kind": self.kind,
            "matches": self.matches,
            "expected": self.expected,
            "raised_at": self.raised_at.isoformat(),
            "acknowledged_at": looked,
            "acknowledged_by": self.acknowledged_by,
        }


def raise_alarms(tx: Transaction, alarms: Iterable[NewAlarm], *, at: datetime) -> int:
    """Raise alarms, audited for each list; return how many there were not yet.

    There is one for each entry, day and kind: told again, it has the greater number. Entries that
    have gone are passed over.
    """
    raised: dict[str, list[int]] = {}
    for alarm in sorted(alarms, key=lambda one: (one.entry, one.day, one.kind)):
        check_code("alarm", alarm.kind)
        facts = {name: getattr(alarm, name) for name in NewAlarm.__dataclass_fields__}
        facts |= {"organisation": tx.organisation, "at": at}
        row = tx.connection.execute(sa.text(_RAISE), facts).one_or_none()
        if row is not None and row.is_new:
            raised.setdefault(f"list:{row.list}", []).append(alarm.entry)
    for subject, entries in raised.items():
        tx.record("list.alarm", subject, alarms=len(entries), entries=entries[:_NAMED])
    return sum(map(len, raised.values()))


def open_alarms(tx: Transaction, *, every: bool = False) -> list[Alarm]:
    """The alarms that nobody has acknowledged, the oldest first; `every`: the others as well."""
    query = (
        sa.select(*_columns(), hash_list.c.name.label("list_name"))
        .select_from(flood_alarm.join(hash_list, hash_list.c.id == flood_alarm.c.list))
        .where(flood_alarm.c.organisation == tx.organisation)
        .order_by(flood_alarm.c.id)
    )
    if not every:
        query = query.where(flood_alarm.c.acknowledged_at.is_(None))
    return [Alarm(**row) for row in tx.connection.execute(query).mappings()]


def acknowledge(tx: Transaction, ids: Sequence[int], *, at: datetime) -> None:
    """Note that the actor looked at these alarms; audited. Raise BadInput if one is not open."""
    alarm = flood_alarm.c
    statement = (
        sa.update(flood_alarm)
        .where(alarm.organisation == tx.organisation, alarm.id.in_(list(ids)))
        .where(alarm.acknowledged_at.is_(None))
        .values(acknowledged_at=at, acknowledged_by=tx.actor)
        .returning(alarm.id, alarm.list)
    )
    done = dict(map(tuple, tx.connection.execute(statement)))
    if missing := sorted(set(ids) - set(done)):
        raise BadInput(
            f"There is no open alarm {', '.join(map(str, missing))}. See: safelight list alarms"
        )
    for one in sorted(set(done.values())):
        mine = sorted(number for number, list_ in done.items() if list_ == one)
        tx.record("list.alarm_acknowledge", f"list:{one}", alarms=mine)


def _columns() -> "list[sa.Column[Any]]":
    return [flood_alarm.c[name] for name in Alarm.__dataclass_fields__ if name != "list_name"]
