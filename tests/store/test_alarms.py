from datetime import UTC, date, datetime, timedelta

import pytest

from safelight.errors import BadInput
from safelight.model import Algorithm, HashRow
from safelight.store import alarms, audit, entries, imports, lists, matches
from safelight.store.alarms import Alarm, NewAlarm
from safelight.store.database import Store
from safelight.store.lists import NewList
from safelight.store.matches import History
from safelight.store.transaction import Transaction

NOW = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
TODAY = NOW.date()
DAY = timedelta(days=1)


def _three(tx: Transaction, name: str = "one") -> list[int]:
    made = lists.create(tx, NewList(name=name, source="S"))
    rows = [HashRow(n, Algorithm.MD5, bytes([n]) * 16) for n in range(3)]
    imports.import_entries(tx, made, rows)
    return [entry.id for entry in entries.page(tx, made)[0]]


def _alarm(entry: int, matches: int = 500, kind: str = "near", day: date = TODAY) -> NewAlarm:
    return NewAlarm(entry=entry, day=day, kind=kind, matches=matches, expected=200)


def test_the_history_of_an_entry(store: Store) -> None:
    with store.transaction() as tx:
        first, second, third = _three(tx)
        for days, number in ((0, 4), (0, 3), (1, 9), (28, 5), (29, 50)):
            matches.record(tx, {first: number}, at=NOW - days * DAY)
        matches.record(tx, {second: 1}, at=NOW)
        matches.record(tx, {third: 1}, at=NOW - 29 * DAY)
        found = matches.history(tx, [first, second, third, 10**12], today=TODAY)
        assert found == {first: History(2, 9, 7), second: History(0, 0, 1)}
        assert matches.history(tx, [first], today=TODAY, days=1) == {first: History(1, 9, 7)}
        assert matches.histories(tx, today=TODAY) == found
        assert matches.history(tx, [], today=TODAY) == {}


def test_a_day_is_one_in_utc(store: Store) -> None:
    with store.transaction() as tx:
        first, *_ = _three(tx)
        east = datetime.fromisoformat("2026-11-25T00:30:00+01:00")  # still the 24th
        matches.record(tx, {first: 2}, at=east)
        assert matches.history(tx, [first], today=TODAY) == {first: History(0, 0, 2)}


def test_single_days_are_forgotten(store: Store) -> None:
    with store.transaction() as tx:
        first, second, _ = _three(tx)
        matches.record(tx, {first: 1, second: 1}, at=NOW - 90 * DAY)
        matches.record(tx, {first: 1}, at=NOW - 89 * DAY)
        matches.record(tx, {}, at=NOW)
        assert matches.history(tx, [first, second], today=TODAY, days=365) == {
            first: History(2, 1, 0),
            second: History(1, 1, 0),
        }
        matches.record(tx, {}, at=NOW + DAY)
        assert matches.history(tx, [first, second], today=TODAY, days=365) == {
            first: History(1, 1, 0)
        }


def test_an_alarm_is_raised_once_a_day_and_stays_until_it_is_acknowledged(store: Store) -> None:
    with store.transaction() as tx:
        first, second, _ = _three(tx)
        told = [_alarm(first), _alarm(second, 300), _alarm(first, 400, "exact"), _alarm(10**12)]
        assert alarms.raise_alarms(tx, told, at=NOW) == 3
        again = [_alarm(first, 900), _alarm(second, 100), _alarm(first, day=TODAY - DAY)]
        assert alarms.raise_alarms(tx, again, at=NOW + DAY) == 1
        open_ = alarms.open_alarms(tx)
        assert [(a.entry, a.kind, a.matches, a.day) for a in open_] == [
            (first, "exact", 400, TODAY),
            (first, "near", 900, TODAY),
            (second, "near", 300, TODAY),
            (first, "near", 500, TODAY - DAY),
        ]
        assert open_[0] == Alarm(
            id=open_[0].id,
            list_name="one",
            entry=first,
            day=TODAY,
            kind="exact",
            matches=400,
            expected=200,
            raised_at=NOW,
            acknowledged_at=None,
            acknowledged_by="",
        )
        alarms.acknowledge(tx, [open_[0].id, open_[2].id], at=NOW)
        assert [one.id for one in alarms.open_alarms(tx)] == [open_[1].id, open_[3].id]
        every = alarms.open_alarms(tx, every=True)
        assert [(one.acknowledged_at, one.acknowledged_by) for one in every] == [
            (NOW, "tester"),
            (None, ""),
            (NOW, "tester"),
            (None, ""),
        ]
        subject = lists.get(tx, "one").subject
    with store.transaction() as tx:
        events = [e for e in audit.events(tx) if "alarm" in e.action]
    assert [(e.action, e.subject, dict(e.detail)) for e in events] == [
        ("list.alarm", subject, {"alarms": 3, "entries": [first, first, second]}),
        ("list.alarm", subject, {"alarms": 1, "entries": [first]}),
        ("list.alarm_acknowledge", subject, {"alarms": [open_[0].id, open_[2].id]}),
    ]


def test_only_open_alarms_are_acknowledged_all_or_none(store: Store) -> None:
    with store.transaction() as tx:
        first, *_ = _three(tx)
        alarms.raise_alarms(tx, [_alarm(first)], at=NOW)
        (one,) = alarms.open_alarms(tx)
    with pytest.raises(BadInput, match="no open alarm 0"), store.transaction() as tx:
        alarms.acknowledge(tx, [one.id, 0], at=NOW)
    with store.transaction() as tx:
        assert alarms.open_alarms(tx) == [one]


def test_alarms_go_with_their_list(store: Store) -> None:
    with store.transaction() as tx:
        first, *_ = _three(tx)
        alarms.raise_alarms(tx, [_alarm(first)], at=NOW)
        lists.delete(tx, lists.get(tx, "one"))
        assert alarms.open_alarms(tx, every=True) == []


def test_a_kind_there_is_not_is_refused(store: Store) -> None:
    with store.transaction() as tx:
        first, *_ = _three(tx)
        with pytest.raises(BadInput, match="alarm"):
            alarms.raise_alarms(tx, [_alarm(first, kind="far")], at=NOW)
