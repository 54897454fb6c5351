"""What a reader is told that asks a list for what changed since it looked last."""

import json
import re
import select
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from made_lists import within
from psycopg import sql

from safelight.model import (
    Algorithm,
    EntryArrays,
    EntryFlag,
    HashMode,
    HashRow,
    VideoFrame,
    video_value,
)
from safelight.store import calibrate, entries, entry_arrays, imports, lists, merge, retract
from safelight.store.database import Store
from safelight.store.entry_arrays import ChangedEntries, entries_changed
from safelight.store.imports import Terms
from safelight.store.lists import HashList, NewList
from safelight.store.transaction import Transaction

NOW = datetime(2026, 11, 24, tzinfo=UTC)
END = datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)
NO_END = int(np.iinfo(np.int64).max)


def _md5(number: int, their_id: str = "", their_class: str = "") -> HashRow:
    return HashRow(number, Algorithm.MD5, bytes([number]) * 16, None, their_id, their_class)


def _pdq(number: int, quality: int | None = None, mode: HashMode | None = None) -> HashRow:
    return HashRow(number, Algorithm.PDQ, bytes([number]) * 32, quality, mode=mode)


def _made(tx: Transaction, name: str, *rows: HashRow, **more: object) -> HashList:
    made = lists.create(tx, NewList(name=name, source="S"))
    imports.import_entries(tx, made, rows, **more)  # type: ignore[arg-type]
    return lists.get(tx, name)


def _changed(tx: Transaction, list_: HashList) -> tuple[list[int], list[int]]:
    """The first bytes of the entries that stand and changed, and of those that are gone.

    `list_` is the list as it was known before.
    """
    numbers = {entry.id: entry.value[0] for entry in entries.page(tx, list_)[0]}
    found = entries_changed(tx, list_.id, list_.change)
    stand = [numbers[one] for arrays in found.arrays.values() for one in arrays.ids.tolist()]
    return sorted(stand), sorted(numbers[one] for one in _gone(found))


def _gone(found: ChangedEntries) -> list[int]:
    return [one for arrays in found.lost.values() for one in arrays.ids.tolist()]


def _same(one: EntryArrays, other: EntryArrays) -> bool:
    """Whether the arrays say the same of the same entries."""
    return sorted(_rows(one)) == sorted(_rows(other))


def _rows(arrays: EntryArrays) -> list[tuple[object, ...]]:
    number = len(arrays.ids)
    none: list[object] = [None] * number
    classes = none if arrays.classes is None else arrays.classes.tolist()
    return list(
        zip(
            arrays.ids.tolist(),
            arrays.lists.tolist(),
            map(bytes, arrays.values),
            arrays.qualities.tolist(),
            [arrays.class_names[code or 0] for code in classes],
            none if arrays.times is None else arrays.times.tolist(),
            [0] * number if arrays.flags is None else arrays.flags.tolist(),
            [NO_END] * number if arrays.until is None else arrays.until.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("rows", "more", "told"),
    [
        ([_md5(1, "a", "A"), _pdq(9, 60)], {}, []),  # the same again
        ([_md5(1, "a"), _pdq(9)], {}, []),  # less than was known
        ([_md5(3)], {}, [3]),  # a new entry
        ([_md5(1, "a", "B")], {}, [1]),  # another class
        ([_md5(1, "b")], {}, [1]),  # another id of the same source
        ([_md5(2)], {"source": "T"}, [2]),  # another source
        ([_pdq(9, 80)], {}, [9]),  # a better quality
        ([_pdq(9, 60, HashMode.EXACT)], {}, [9]),  # a better known mode
        ([_md5(2)], {"terms": Terms(until=END)}, [2]),  # an end
        ([_md5(2)], {"terms": Terms(owner="Olu")}, [2]),  # an owner
    ],
)
def test_an_import_tells_of_what_it_changed(
    store: Store, rows: list[HashRow], more: dict[str, object], told: list[int]
) -> None:
    with store.transaction() as tx:
        before = _made(tx, "one", _md5(1, "a", "A"), _md5(2), _pdq(9, 60))
        imports.import_entries(tx, before, rows, **more)  # type: ignore[arg-type]
        assert _changed(tx, before) == (told, [])


def test_what_changed_is_told_as_the_whole_list_tells_it(store: Store) -> None:
    frames = (VideoFrame(0, 100, bytes(32)), VideoFrame(1000, 50, bytes([1]) * 32))
    video = HashRow(5, Algorithm.VPDQ, video_value(frames), None, "V", "film", frames=frames)
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1, "a", "A"), _pdq(9, 60))
        imports.import_entries(
            tx, one, [_md5(2, "b", "B"), video], terms=Terms(until=END, observe=True)
        )
        imports.import_entries(
            tx, one, [_md5(2, "b", "C"), _pdq(8)], source="T", terms=Terms(until=NOW)
        )
        whole = entry_arrays.entries_for_matching(tx, [one.id])
        changed = entries_changed(tx, one.id, 0)
        assert {one: _same(whole[one], changed.arrays[one]) for one in whole} == {
            Algorithm.PDQ: True,
            Algorithm.MD5: True,
            Algorithm.VPDQ: True,
        }
        assert _gone(changed) == []
        some = entries_changed(tx, one.id, one.change).arrays
        ids = {*some[Algorithm.MD5].ids.tolist(), *some[Algorithm.PDQ].ids.tolist()}
        assert len(ids) == 2
        assert _rows(some[Algorithm.MD5])[0][4] == "B; C"
        assert len(some[Algorithm.VPDQ].ids) == 2  # its frames
        assert entries_changed(tx, one.id, 3).arrays == {}


def test_many_changed_entries_are_told_as_few_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", *(_md5(n, "", f"c{n}") for n in range(9)), terms=Terms(until=END))
        _made(tx, "two", _md5(1, "", "of another list"))
        few = entries_changed(tx, one.id, 0).arrays[Algorithm.MD5]
        monkeypatch.setattr(entry_arrays, "_NAMED_SINGLY", 5)
        many = entries_changed(tx, one.id, 0).arrays[Algorithm.MD5]
    assert _same(few, many)
    assert few.class_names == many.class_names == ("", *(f"c{n}" for n in range(9)))


def test_a_retraction_tells_of_what_stands_less_and_of_what_is_gone(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1, "a"), _md5(2, "b", "B"), _md5(3))
        imports.import_entries(tx, one, [_md5(2, "x", "C")], source="T")
        before = lists.get(tx, "one")
        retract.retract(tx, before, source="S", ids=["a", "b"], at=NOW)
        assert _changed(tx, before) == ([2], [1])
        before = lists.get(tx, "one")
        imports.import_entries(tx, before, [_md5(1, "a")])
        assert _changed(tx, before) == ([1], [])


def test_a_merge_tells_of_what_it_added_and_of_what_more_is_said(store: Store) -> None:
    with store.transaction() as tx:
        into = _made(tx, "into", _md5(1, "a"), _md5(2, "b"))
        other = _made(tx, "other", _md5(1, "x", "X"), _md5(3), source="T", terms=Terms(until=END))
        merge.merge(tx, into, [other])
        assert _changed(tx, into) == ([1, 3], [])
        before = lists.get(tx, "into")
        merge.merge(tx, before, [other])
        assert _changed(tx, before) == ([], [])
        ends = [
            [said.expires_at for said in entry.assertions] for entry in entries.page(tx, into)[0]
        ]
        assert ends == [[None, END], [None], [END]]


def test_enabling_a_list_releases_what_was_only_observed(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1))
        imports.import_entries(tx, one, [_md5(1), _md5(2), _md5(3)], terms=Terms(observe=True))
        arrays = entry_arrays.entries_for_matching(tx, [one.id])[Algorithm.MD5]
        assert arrays.flags is not None
        observed = EntryFlag.OBSERVED.value
        flags = dict(zip(arrays.values[:, 0].tolist(), arrays.flags.tolist(), strict=True))
        assert flags == {1: 0, 2: observed, 3: observed}
        before = lists.get(tx, "one")
        imports.import_entries(tx, before, [_md5(2)])  # said again: it stays observed
        assert lists.set_state(tx, before, "enabled") == 2
        assert _changed(tx, before) == ([2, 3], [])
        assert entry_arrays.entries_for_matching(tx, [one.id])[Algorithm.MD5].flags is None
        before = lists.get(tx, "one")
        assert lists.set_state(tx, before, "enabled") == 0
        assert lists.get(tx, "one").change == before.change


def test_what_comes_back_while_observed_is_observed(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1, "a"), _md5(2, "b"))
        retract.retract(tx, one, source="S", ids=None, at=NOW)
        imports.import_entries(tx, one, [_md5(1, "a")], terms=Terms(observe=True))
        imports.import_entries(tx, one, [_md5(2, "b")])
        observed = {entry.value[0]: entry.observed for entry in entries.page(tx, one)[0]}
    assert observed == {1: True, 2: False}


def test_an_entry_ends_with_the_last_that_stands_by_it(store: Store) -> None:
    later = END + timedelta(days=1)
    with store.transaction() as tx:
        one = _made(tx, "one", *(_md5(n) for n in range(1, 7)), terms=Terms(until=END))
        imports.import_entries(tx, one, [_md5(1)], source="T", terms=Terms(until=later))
        imports.import_entries(tx, one, [_md5(2)], source="T")  # has no end
        imports.import_entries(tx, one, [_md5(3)])  # said again, without a word of an end
        imports.import_entries(tx, one, [_md5(6)], terms=Terms(endless=True))
        imports.import_entries(tx, one, [_md5(4, "x")], source="T", terms=Terms(until=later))
        retract.retract(tx, one, source="T", ids=["x"], at=NOW)
        arrays = entry_arrays.entries_for_matching(tx, [one.id])[Algorithm.MD5]
        assert arrays.until is not None
        ends = dict(zip(arrays.values[:, 0].tolist(), arrays.until.tolist(), strict=True))
        two = _made(tx, "two", _md5(1))
        assert entry_arrays.entries_for_matching(tx, [two.id])[Algorithm.MD5].until is None
    end = int(END.timestamp())
    assert ends == {1: end + 86_400, 2: NO_END, 3: end, 4: end, 5: end, 6: NO_END}


def test_whoever_listens_is_told_of_every_change_of_a_list(store: Store, database: Any) -> None:
    connection = database.owner.connect().execution_options(isolation_level="AUTOCOMMIT")
    listener: Any = connection.connection.driver_connection
    try:
        listener.execute("LISTEN safelight_lists")
        with store.transaction() as tx:
            made = lists.create(tx, NewList(name="x", source="S"))
            organisation = str(tx.organisation)
        assert _told(listener) == {organisation}
        with store.transaction() as tx:
            imports.import_entries(tx, made, [_md5(1)])
        assert _told(listener) == {organisation}
        with store.transaction() as tx:
            lists.set_state(tx, made, "disabled")
        assert _told(listener) == {organisation}
        with store.transaction() as tx:
            lists.delete(tx, made)
        assert _told(listener) == {organisation}
        with store.transaction() as tx:
            lists.all_lists(tx)
        assert _told(listener, wait=0.2) == set()
    finally:
        connection.close()


def _told(listener: Any, wait: float = 5.0) -> set[str]:
    select.select([listener.fileno()], [], [], wait)
    return {note.payload for note in listener.notifies(timeout=0)}


@pytest.mark.parametrize("is_known", [False, True])
def test_what_changed_is_found_without_reading_the_rest(
    store: Store, database: Any, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    """Whether or not PostgreSQL has looked at the tables since they were filled."""
    with store.transaction() as tx:
        rows = [HashRow(n, Algorithm.MD5, n.to_bytes(16), None, f"{n}") for n in range(20_000)]
        one = _made(tx, "one", *rows)
        imports.import_entries(tx, one, [_md5(255, "x", "X")])
    if is_known:
        with database.owner.begin() as connection:
            connection.execute(sa.text("ANALYZE entry, entry_assertion"))
    plans: list[str] = []
    copied = entry_arrays._copied

    def explain(tx: Transaction, query: sql.Composable) -> None:
        driver: Any = tx.connection.connection.driver_connection
        plan = driver.execute(sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + query).fetchone()[0]
        plans.append(json.dumps(plan))

    def explained(tx: Transaction, query: sql.Composable, row: Any) -> Any:
        explain(tx, query)
        return copied(tx, query, row)

    monkeypatch.setattr(entry_arrays, "_copied", explained)
    with store.transaction() as tx:
        found = entries_changed(tx, one.id, 1)
        scope = entry_arrays._Scope(tx=tx, lists=[one.id], after=1)
        explain(tx, scope.filled(entry_arrays._KINDS))
        said = scope.said([found.arrays[Algorithm.MD5].ids])
        explain(tx, scope.filled(entry_arrays._FEW_CLASSES, said=said))
    assert len(found.arrays[Algorithm.MD5].ids) == 1
    assert len(plans) == 4  # the entry, its class, its end, and before which kinds there are
    read = [int(one) for plan in plans for one in re.findall(r'Removed by \w+ ?\w*": (\d+)', plan)]
    assert max(read, default=0) < 100, plans


def test_a_merge_keeps_what_sets_entries_apart(store: Store) -> None:
    with store.transaction() as tx:
        into = _made(tx, "into", _md5(1, "a"), _md5(2, "b"))
        other = _made(tx, "other", _pdq(9, 60))
        tried = [_md5(1), _md5(2), _md5(3)]
        imports.import_entries(tx, other, tried, source="T", terms=Terms(observe=True))
        reference = np.tile(np.full(32, 9, np.uint8), (1000, 1))
        assert calibrate.calibrate(within(tx), "other", reference, now=NOW).exact_only == 1
        retract.retract(tx, into, source="S", ids=["b"], at=NOW)
        merge.merge(tx, into, [lists.get(tx, "other")])
        apart = {
            entry.value[0]: (entry.observed, entry.near) for entry in entries.page(tx, into)[0]
        }
    assert apart == {
        1: (False, True),  # it was there and is used
        2: (True, True),  # it was retracted there, and comes back as what it is on the other
        3: (True, True),
        9: (False, False),
    }
