"""What is counted while a command runs is noted now and then, and never lost by a failure."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

import safelight.app
from safelight.cli import match_notes
from safelight.cli.match_notes import MatchNotes
from safelight.errors import DatabaseUnavailable
from safelight.matching.flood import Flood, FloodGuard, FloodLimits
from safelight.model import Algorithm, History, Match
from safelight.settings import Settings
from safelight.store import alarms, matches

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PAST = {1: History(days=5, greatest=0, today=0)}


class Database:
    """Stands for the one that is opened: what was noted in it, and whether it is there."""

    def __init__(self) -> None:
        self.now, self.is_there = NOW, True
        self.counted: list[tuple[datetime, dict[int, int]]] = []
        self.alarms: list[tuple[str, int]] = []

    @contextmanager
    def opened(self, _settings: Settings) -> Iterator[Any]:
        if not self.is_there:
            raise DatabaseUnavailable("it is away.")
        yield SimpleNamespace(transaction=self.transaction)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield None

    def record(self, _tx: None, counts: dict[int, int], *, at: datetime) -> None:
        self.counted.append((at, dict(counts)))

    def raise_alarms(self, _tx: None, raised: list[alarms.NewAlarm], *, at: datetime) -> None:
        assert all(one.day == at.date() for one in raised)
        self.alarms += [(one.kind, one.matches) for one in raised]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    database = Database()
    monkeypatch.setattr(safelight.app, "open_app", database.opened)
    monkeypatch.setattr(match_notes, "utc_now", lambda: database.now)
    monkeypatch.setattr(matches, "record", database.record)
    monkeypatch.setattr(alarms, "raise_alarms", database.raise_alarms)
    monkeypatch.setattr(matches, "history", lambda *_, **_today: {})
    monkeypatch.setattr(matches, "histories", lambda *_, **_today: PAST)
    return database


def guard() -> FloodGuard:
    return FloodGuard(FloodLimits(least=1, times=1), PAST, NOW.date())


def found(some: FloodGuard, notes: MatchNotes, times: int) -> None:
    match = Match(list_name="a", entry=1, algorithm=Algorithm.PDQ, distance=4)
    for _ in range(times):
        some.mark((match,), ())
        notes.add({1})


def test_it_is_due_about_once_a_minute(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(match_notes.time, "monotonic", lambda: seconds[0])
    some = guard()
    notes = MatchNotes(Settings(), some)
    for seconds[0] in (1.0, 59.0, 60.0, 119.0, 120.0):
        found(some, notes, 1)
        notes.note_if_due()
    notes.note()
    assert database.counted == [(NOW, {1: 3}), (NOW, {1: 2})]


def test_a_failure_loses_neither_counts_nor_alarms(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    some = guard()
    notes = MatchNotes(Settings(), some)
    database.is_there = False
    found(some, notes, 3)
    notes.note()
    notes.note()
    err = " ".join(capsys.readouterr().err.split())
    assert err.count("could not be noted yet: it is away.") == 1
    assert err.count("entry 1 of list a had 3 near matches today") == 1
    database.is_there = True
    found(some, notes, 1)
    notes.note()
    assert (database.counted, database.alarms) == ([(NOW, {1: 4})], [("near", 4)])
    notes.note()
    assert (len(database.counted), some.floods()) == (1, [])


def test_a_new_day_begins_when_it_is_noted_and_is_no_part_of_the_last(database: Database) -> None:
    some = guard()
    notes = MatchNotes(Settings(), some)
    found(some, notes, 1)
    database.now += timedelta(days=1)
    notes.note()
    assert database.counted == [(database.now, {1: 1})]
    assert some.day == database.now.date()
    found(some, notes, 1)
    assert some.floods() == []
    found(some, notes, 1)
    flood = Flood(list_name="a", entry=1, kind="near", matches=2, expected=1)
    assert some.floods() == [flood]


def test_without_a_guard_nothing_is_noted(database: Database) -> None:
    notes = MatchNotes(Settings(), None)
    notes.add({1: 5})
    notes.note()
    assert database.counted == []
