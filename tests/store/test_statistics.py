"""Figures of lists: what is only observed, what ended, what is only matched where equal, sizes."""

from datetime import UTC, datetime, timedelta

import numpy as np
from made_lists import within

from safelight.model import Algorithm, HashRow, VideoFrame, video_value
from safelight.store import (
    alarms,
    calibrate,
    compare,
    entries,
    imports,
    lists,
    matches,
    retract,
    statistics,
)
from safelight.store.alarms import NewAlarm
from safelight.store.compare import Overlap
from safelight.store.database import Store
from safelight.store.imports import Terms
from safelight.store.lists import HashList, NewList
from safelight.store.statistics import Figures, Observed
from safelight.store.transaction import Transaction

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def _md5(number: int, their_id: str = "") -> HashRow:
    return HashRow(number, Algorithm.MD5, bytes([number]) * 16, None, their_id)


def _made(tx: Transaction, name: str, *rows: HashRow) -> HashList:
    made = lists.create(tx, NewList(name=name, source="S"))
    imports.import_entries(tx, made, rows)
    return lists.get(tx, name)


def _figures(tx: Transaction, name: str = "one") -> Figures:
    return statistics.figures(tx, lists.get(tx, name), now=NOW)


def _ids(tx: Transaction, list_: HashList) -> dict[int, int]:
    return {entry.value[0]: entry.id for entry in entries.page(tx, list_)[0]}


def test_what_is_only_observed_and_would_have_matched(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1))
        assert _figures(tx).observed == Observed()
        rows = [_md5(2), _md5(3), _md5(4, "gone")]
        imports.import_entries(tx, one, rows, terms=Terms(observe=True))
        ids = _ids(tx, one)
        matches.record(tx, {ids[1]: 7, ids[2]: 5, ids[4]: 9}, at=NOW)
        retract.retract(tx, one, source="S", ids=["gone"], at=NOW)
        assert _figures(tx).observed == Observed(entries=2, matched=1, matches=5)
        lists.set_state(tx, one, "observe")  # then all of it is
        assert _figures(tx).observed == Observed(entries=3, matched=2, matches=12)
        lists.set_state(tx, one, "enabled")
        assert _figures(tx).observed == Observed()


def test_what_has_ended(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1))
        past = Terms(until=NOW - timedelta(days=1))
        imports.import_entries(tx, one, [_md5(n) for n in (1, 2, 3, 4)], source="T", terms=past)
        imports.import_entries(tx, one, [_md5(3)], source="U", terms=Terms(until=NOW))
        later = Terms(until=NOW + timedelta(seconds=1))
        imports.import_entries(tx, one, [_md5(4)], source="U", terms=later)
        figures = _figures(tx)
        assert (figures.entries[Algorithm.MD5], figures.ended) == (4, 2)  # those of 2 and 3


def test_sizes_exact_only_entries_and_alarms(store: Store) -> None:
    frames = tuple(VideoFrame(1000 * n, 90, bytes([n]) * 32) for n in range(5))
    video = HashRow(5, Algorithm.VPDQ, video_value(frames), frames=frames)
    opaque = HashRow(6, Algorithm.PHOTODNA, bytes(144))
    pdq = [HashRow(n, Algorithm.PDQ, bytes([n]) * 32, 90) for n in (0x0F, 0xF0)]
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1), video, opaque, *pdq)
        reference = np.tile(np.frombuffer(pdq[0].value, np.uint8), (1000, 1))
        assert calibrate.calibrate(within(tx), "one", reference, now=NOW).exact_only == 1
        alarm = NewAlarm(
            entry=_ids(tx, one)[1], day=NOW.date(), kind="exact", matches=9, expected=1
        )
        alarms.raise_alarms(tx, [alarm], at=NOW)
        figures = _figures(tx)
        assert figures.index_bytes == {
            Algorithm.PDQ: 2 * 137,
            Algorithm.MD5: 56,
            Algorithm.VPDQ: 5 * 137,
            Algorithm.PHOTODNA: 184,
        }
        assert (figures.exact_only, figures.open_alarms) == (1, 1)
        alarms.acknowledge(tx, [one.id for one in alarms.open_alarms(tx)], at=NOW)
        assert _figures(tx).open_alarms == 0


def test_lists_that_share_entries(store: Store) -> None:
    with store.transaction() as tx:
        a = _made(tx, "a", _md5(1), _md5(2), _md5(3))
        b = _made(tx, "b", _md5(1), _md5(2, "gone"), _md5(9))
        c = _made(tx, "c", _md5(1), _md5(2))
        d = _made(tx, "d", HashRow(1, Algorithm.PDQ, bytes([1]) * 32))
        retract.retract(tx, b, source="S", ids=["gone"], at=NOW)
        assert compare.overlaps(tx, [a, b, c, d]) == [
            Overlap(first="a", second="c", both=2),
            Overlap(first="a", second="b", both=1),
            Overlap(first="b", second="c", both=1),
        ]
        assert compare.overlaps(tx, [a, b, d]) == [Overlap(first="a", second="b", both=1)]
        assert compare.overlaps(tx, [a]) == compare.overlaps(tx, []) == []
