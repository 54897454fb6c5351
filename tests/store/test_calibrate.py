"""Which entries are near to too many ordinary pictures, against counting them one by one."""

from typing import Any

import numpy as np
import pytest
from made_lists import NOW, edit_list, within

from safelight.errors import BadInput, ListNotFound, NotPermitted
from safelight.model import Algorithm, EntryFlag, HashRow
from safelight.store import audit, entries, entry_arrays, imports, lists
from safelight.store.calibrate import Calibration, calibrate, undo
from safelight.store.database import Store
from safelight.store.lists import HashList, NewList
from safelight.store.transaction import Transaction

RANDOM = np.random.default_rng(4)
REFERENCE = RANDOM.integers(0, 256, (2000, 32), np.uint8)
COMMON = RANDOM.integers(0, 256, 32, np.uint8)  # the hash that many of the reference are near to


def _moved(value: "np.ndarray[Any, Any]", bits: int) -> "np.ndarray[Any, Any]":
    """The hash with its first so many bits turned round."""
    mask = np.zeros(256, np.uint8)
    mask[:bits] = 1
    return value ^ np.packbits(mask)


REFERENCE[:10] = COMMON
REFERENCE[10:20] = _moved(COMMON, 20)


def _list(tx: Transaction, *values: "np.ndarray[Any, Any]", radius: int = 31) -> HashList:
    made = lists.create(tx, NewList(name="one", source="S", radius=radius))
    rows = [HashRow(n, Algorithm.PDQ, value.tobytes(), 90) for n, value in enumerate(values)]
    rows.append(HashRow(99, Algorithm.MD5, bytes(16)))
    imports.import_entries(tx, made, rows)
    return lists.get(tx, "one")


def _far(tx: Transaction, list_: HashList) -> set[bytes]:
    """The values that match only where equal."""
    return {one.value for one in entries.page(tx, list_, limit=10_000)[0] if not one.near}


@pytest.mark.parametrize(
    ("radius", "share", "bits", "is_far"),
    [
        (31, 0.005, 0, True),  # 20 of 2,000 are near, more than 10
        (19, 0.005, 0, False),  # of the equal ones there are 10, which is not more than 10
        (19, 0.0049, 0, True),
        (31, 0.0099, 11, True),  # 11 bits from the one ten, 9 from the other
        (31, 0.01, 11, False),
        (10, 0.004, 11, True),
        (8, 0.004, 11, False),
    ],
)
def test_the_share_and_the_radius_decide(
    store: Store, radius: int, share: float, bits: int, is_far: bool
) -> None:
    value = _moved(COMMON, bits)
    with store.transaction() as tx:
        one = _list(tx, value, radius=radius)
        done = calibrate(within(tx), "one", REFERENCE, share=share, now=NOW)
        assert done == Calibration(
            reference=2000, radius=radius, share=share, entries=1, exact_only=is_far, already=0
        )
        assert _far(tx, one) == ({value.tobytes()} if is_far else set())


def test_as_many_are_near_as_counting_says(store: Store) -> None:
    centres = REFERENCE[RANDOM.integers(0, 100, 5000)]
    flips = RANDOM.random((5000, 256)) < RANDOM.random((5000, 1)) * 0.3
    values = np.unique(centres ^ np.packbits(flips, axis=1), axis=0)
    near = [int((np.bitwise_count(REFERENCE ^ one).sum(axis=1) <= 24).sum()) for one in values]
    told: list[tuple[int, int]] = []

    def step(compared: int, total: int) -> None:
        told.append((compared, total))

    with store.transaction() as tx:
        one = _list(tx, *values)
        done = calibrate(
            within(tx),
            "one",
            REFERENCE,
            share=0.0005,
            radius=24,
            step=lambda *now: told.append(now),
            now=NOW,
        )
        expected = {value.tobytes() for value, count in zip(values, near, strict=True) if count > 1}
        assert expected
        assert _far(tx, one) == expected
        assert (done.entries, done.exact_only) == (len(values), len(expected))
        assert told[-1] == (len(values), len(values))


def test_it_holds_until_it_is_undone_and_readers_are_told(store: Store) -> None:
    other = REFERENCE[1000]
    with store.transaction() as tx:
        one = _list(tx, COMMON, other)
        assert calibrate(within(tx), "one", REFERENCE, share=0.001, now=NOW).exact_only == 1
        changed = entry_arrays.entries_changed(tx, one.id, one.change).arrays[Algorithm.PDQ]
        assert changed.values.tobytes() == COMMON.tobytes()
        assert changed.flags is not None
        assert changed.flags.tolist() == [EntryFlag.EXACT_ONLY]
        far = REFERENCE[500:1500]
        again = calibrate(
            within(tx), "one", far, share=0.5, now=NOW
        )  # near to none of these, and yet it stays
        assert (again.exact_only, again.already) == (0, 1)
        before = lists.get(tx, "one").change
        assert before == 2  # nothing changed, so no number was taken
        imports.import_entries(tx, one, [HashRow(1, Algorithm.PDQ, COMMON.tobytes(), 95)])
        assert _far(tx, one) == {COMMON.tobytes()}
        before = lists.get(tx, "one").change
        assert undo(tx, one) == 1
        assert _far(tx, one) == set()
        changed = entry_arrays.entries_changed(tx, one.id, before).arrays[Algorithm.PDQ]
        assert changed.flags is None
        assert undo(tx, one) == 0
    with store.transaction() as tx:
        events = [e for e in audit.events(tx) if "calibrate" in e.action]
    assert [(e.action, e.detail.get("exact_only", e.detail.get("entries"))) for e in events] == [
        ("list.calibrate", 1),
        ("list.calibrate", 0),
        ("list.calibrate_undo", 1),
        ("list.calibrate_undo", 0),
    ]


@pytest.mark.parametrize(
    ("number", "how", "message"),
    [
        (999, {}, "The reference has 999 PDQ hashes. A share of so few says nothing"),
        (0, {}, "The reference has 0 PDQ hashes"),
        (2000, {"share": 0.0}, "share 0 cannot be used"),
        (2000, {"share": 1.0}, "share 1 cannot be used"),
        (2000, {"radius": 65}, "radius 65 cannot be used"),
    ],
)
def test_what_says_nothing_is_refused(
    store: Store, number: int, how: dict[str, Any], message: str
) -> None:
    with store.transaction() as tx:
        one = _list(tx, COMMON)
        with pytest.raises(BadInput, match=message):
            calibrate(within(tx), "one", REFERENCE[:number], **how, now=NOW)
        assert _far(tx, one) == set()


def test_a_small_reference_can_be_forced(store: Store) -> None:
    with store.transaction() as tx:
        _list(tx, COMMON)
        assert calibrate(within(tx), "one", REFERENCE[:500], force=True, now=NOW).exact_only == 1
        assert calibrate(within(tx), "one", REFERENCE[:0], force=True, now=NOW).exact_only == 0


@pytest.mark.parametrize(
    ("facts", "state", "said"),
    [
        ({"permitted_purposes": ("statistics", "export")}, "enabled", "may not be used to match"),
        ({"expires_at": NOW}, "enabled", "ended on 2026-11-24"),
        ({}, "disabled", "is disabled"),
    ],
)
def test_a_list_that_may_not_be_matched_is_not_compared(
    store: Store, facts: dict[str, Any], state: str, said: str
) -> None:
    with store.transaction() as tx:
        one = _list(tx, COMMON)
        edit_list(tx, one, **facts)
        lists.set_state(tx, one, state)
    with pytest.raises(NotPermitted, match=said):
        calibrate(store.transaction, "one", REFERENCE, now=NOW)
    with store.transaction() as tx:
        refused = [event for event in audit.events(tx) if event.action == "list.refuse"]
        assert [event.detail["purpose"] for event in refused] == ["match"]
        assert _far(tx, one) == set()


def test_what_changes_while_entries_are_compared_is_not_lost(store: Store) -> None:
    """No transaction is open meanwhile: others import, retract and even calibrate."""
    second, third = _moved(COMMON, 1), _moved(COMMON, 2)
    with store.transaction() as tx:
        one = _list(tx, COMMON, second)

    def meanwhile(_compared: int, _total: int) -> None:
        with store.transaction() as tx:
            rows = [HashRow(1, Algorithm.PDQ, COMMON.tobytes(), 97, "x", "C")]
            rows.append(HashRow(2, Algorithm.PDQ, third.tobytes(), 90))
            imports.import_entries(tx, one, rows)
            (far,) = [e.id for e in entries.page(tx, one)[0] if e.value == second.tobytes()]
            tx.connection.exec_driver_sql("UPDATE entry SET near = false WHERE id = %s", (far,))

    done = calibrate(store.transaction, "one", REFERENCE, now=NOW, step=meanwhile)
    assert (done.entries, done.exact_only) == (2, 1)
    with store.transaction() as tx:
        there = {e.value: e for e in entries.page(tx, one)[0]}
    assert not there[COMMON.tobytes()].near
    assert there[COMMON.tobytes()].quality == 97
    assert {said.their_class for said in there[COMMON.tobytes()].assertions} == {"", "C"}
    assert there[third.tobytes()].near  # it came too late


def test_a_list_that_is_deleted_meanwhile(store: Store) -> None:
    with store.transaction() as tx:
        one = _list(tx, COMMON)

    def meanwhile(_compared: int, _total: int) -> None:
        with store.transaction() as tx:
            lists.delete(tx, one)

    with pytest.raises(ListNotFound, match="deleted"):
        calibrate(store.transaction, "one", REFERENCE, now=NOW, step=meanwhile)
