import random
import resource
import threading
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from safelight.errors import BadHashFile, BadInput, DiskFull, ListNotFound
from safelight.model import Algorithm, HashMode, HashRow, VideoFrame, video_value
from safelight.store import entries, entry_arrays, imports, lists
from safelight.store.database import Store
from safelight.store.imports import ImportCounts
from safelight.store.lists import HashList, NewList


def _rows(number: int, seed: int = 0) -> list[HashRow]:
    source = random.Random(seed)
    kinds = [source.choice(list(Algorithm)) for _ in range(number)]
    return [
        HashRow(line, kind, source.randbytes(kind.size), line % 101, f"id{line}", "A")
        for line, kind in enumerate(kinds, 1)
    ]


def _make(store: Store, name: str = "one") -> HashList:
    with store.transaction() as tx:
        return lists.create(tx, NewList(name=name, source="Source"))


def _assertions(store: Store) -> list[dict[str, Any]]:
    query = sa.text(
        "SELECT e.value, a.source, a.their_id, a.their_class FROM entry_assertion a "
        "JOIN entry e ON e.id = a.entry WHERE a.organisation = :org "
        "ORDER BY a.entry, a.their_id, a.source"
    )
    with store.transaction() as tx:
        rows = tx.connection.execute(query, {"org": tx.organisation}).mappings()
        return [dict(row) for row in rows]


def test_everything_imported_is_loaded_for_matching(store: Store) -> None:
    one, two = _make(store, "one"), _make(store, "two")
    rows = {one.id: _rows(500, 1), two.id: _rows(300, 2)}
    with store.transaction() as tx:
        imports.import_entries(tx, one, iter(rows[one.id]))
        imports.import_entries(tx, two, iter(rows[two.id]))
    wanted = [two.id, one.id]
    with store.transaction() as tx:
        loaded = entry_arrays.entries_for_matching(tx, wanted)
        page, following = entries.page(tx, one, limit=1000)
    assert following is None
    ids = {entry.id: entry.value for entry in page}
    for algorithm, arrays in loaded.items():
        found = sorted(zip(arrays.lists.tolist(), map(bytes, arrays.values), strict=True))
        assert found == sorted(
            (wanted.index(list_id), row.value)
            for list_id, some in rows.items()
            for row in some
            if row.algorithm is algorithm
        )
        of_one = arrays.lists == 1
        values = [ids[number] for number in arrays.ids[of_one].tolist()]
        assert values == list(map(bytes, arrays.values[of_one]))
        assert arrays.values.dtype == np.uint8
        assert arrays.ids.dtype == np.int64
    qualities = dict(
        zip(map(bytes, loaded[Algorithm.PDQ].values), loaded[Algorithm.PDQ].qualities, strict=True)
    )
    of_pdq = [r for some in rows.values() for r in some if r.algorithm is Algorithm.PDQ]
    assert qualities == {row.value: row.quality for row in of_pdq}
    assert set(loaded[Algorithm.MD5].qualities.tolist()) == {-2}


def test_batches_split_anywhere_give_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = _make(store)
    with store.transaction() as tx:
        imports.import_entries(tx, one, _rows(400))
        whole = entry_arrays.entries_for_matching(tx, [one.id])[Algorithm.SHA1]
        monkeypatch.setattr(entry_arrays, "_BATCH_BYTES", 200)
        batches = list(entry_arrays.entry_batches(tx, [one.id], Algorithm.SHA1))
    assert len(batches) > 10
    assert np.array_equal(np.concatenate([b.values for b in batches]), whole.values)


def test_importing_again_adds_nothing(store: Store) -> None:
    one, rows = _make(store), _rows(200)
    with store.transaction() as tx:
        assert imports.import_entries(tx, one, rows) == ImportCounts(added=200, already_there=0)
    before = _assertions(store)
    with store.transaction() as tx:
        again = imports.import_entries(tx, one, [*rows, *_rows(10, 9)])
    assert again == ImportCounts(added=10, already_there=200)
    assert _assertions(store)[:200] == before
    assert len(_assertions(store)) == 210


def test_a_hash_given_twice_is_one_entry_with_two_assertions(store: Store) -> None:
    one = _make(store)
    twice = [
        HashRow(1, Algorithm.PDQ, bytes(32), None, "x", "A"),
        HashRow(2, Algorithm.PDQ, bytes(32), 70, "y", "B"),
        HashRow(3, Algorithm.PDQ, bytes(32), 70, "y", "B"),
    ]
    with store.transaction() as tx:
        counts = imports.import_entries(tx, one, twice)
        (entry,), _ = entries.page(tx, one)
    assert counts == ImportCounts(added=1, already_there=2)
    assert entry.quality == 70
    said = [(row["source"], row["their_id"], row["their_class"]) for row in _assertions(store)]
    assert said == [("Source", "x", "A"), ("Source", "y", "B")]


def test_how_a_hash_was_made_is_kept(store: Store) -> None:
    one = _make(store)
    rows = [
        HashRow(1, Algorithm.PDQ, bytes(32)),
        HashRow(2, Algorithm.PDQ, bytes([1] * 32), mode=HashMode.EXACT),
        HashRow(3, Algorithm.PDQ, bytes([1] * 32)),
        HashRow(4, Algorithm.MD5, bytes(16)),
    ]
    with store.transaction() as tx:
        imports.import_entries(tx, one, rows)
        page, _ = entries.page(tx, one)
    modes = {(entry.algorithm.value, entry.value[0], entry.mode) for entry in page}
    assert modes == {("pdq", 0, "unknown"), ("pdq", 1, "exact"), ("md5", 0, "not_applicable")}
    with pytest.raises(BadInput, match="'fast' is not a mode"), store.transaction() as tx:
        imports.import_entries(tx, one, [HashRow(1, Algorithm.PDQ, bytes(32), mode=HashMode.FAST)])


def test_what_is_known_beats_what_is_not_across_imports(store: Store) -> None:
    one, value = _make(store), bytes(32)
    steps = [
        # quality and mode as given; quality, mode and change as kept
        (None, None, (-1, "unknown", 1)),
        (60, None, (60, "unknown", 2)),
        (None, HashMode.EXACT, (60, "exact", 3)),
        (None, None, (60, "exact", 3)),
        (50, None, (60, "exact", 3)),
        (70, HashMode.EXACT, (70, "exact", 6)),
    ]
    for quality, mode, kept in steps:
        with store.transaction() as tx:
            row = HashRow(1, Algorithm.PDQ, value, quality, mode=mode)
            other = HashRow(2, Algorithm.MD5, bytes(16))
            counts = imports.import_entries(tx, one, [row, other])
            page, _ = entries.page(tx, one)
        (found,) = [entry for entry in page if entry.algorithm is Algorithm.PDQ]
        assert (found.quality, found.mode, found.change) == kept
        assert counts.added == (2 if kept[2] == 1 else 0)
        assert {entry.change for entry in page if entry is not found} == {1}


def test_a_class_that_is_not_repeated_stays(store: Store) -> None:
    one = _make(store)
    for class_ in ("A", ""):
        with store.transaction() as tx:
            row = HashRow(1, Algorithm.MD5, bytes(16), None, "1", class_)
            imports.import_entries(tx, one, [row])
    assert [row["their_class"] for row in _assertions(store)] == ["A"]


def test_sources_may_disagree_and_change_their_mind(store: Store) -> None:
    one = _make(store)
    for source, class_ in (("P", "A"), ("Q", "B"), ("P", "C")):
        with store.transaction() as tx:
            row = HashRow(1, Algorithm.MD5, bytes(16), None, "1", class_)
            imports.import_entries(tx, one, [row], source=source)
    said = {(row["source"], row["their_class"]) for row in _assertions(store)}
    assert said == {("P", "C"), ("Q", "B")}


def test_a_failing_file_leaves_nothing(store: Store) -> None:
    one = _make(store)

    def rows() -> Any:
        yield from _rows(50)
        raise BadHashFile

    with pytest.raises(BadHashFile), store.transaction() as tx:
        imports.import_entries(tx, one, rows())
    with store.transaction() as tx:
        assert sum(lists.count(tx, one).values()) == 0
        assert lists.get(tx, "one").change == 0


def test_two_importers_at_once(store: Store) -> None:
    one, rows = _make(store), _rows(2000)
    counts: list[ImportCounts] = []

    def work() -> None:
        with store.transaction() as tx:
            counts.append(imports.import_entries(tx, one, rows))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(c.added for c in counts) == [0, 2000]
    with store.transaction() as tx:
        assert sum(lists.count(tx, one).values()) == 2000
        assert lists.get(tx, "one").change == 2


def test_importing_into_a_deleted_list(store: Store) -> None:
    one = _make(store)
    with store.transaction() as tx:
        lists.delete(tx, one)
    with pytest.raises(ListNotFound), store.transaction() as tx:
        imports.import_entries(tx, one, _rows(1))


def test_pages_follow_one_another(store: Store) -> None:
    one = _make(store)
    with store.transaction() as tx:
        imports.import_entries(tx, one, _rows(25))
        seen, after = [], 0
        while after is not None:
            page, following = entries.page(tx, one, after=after, limit=10)
            seen.append([entry.id for entry in page])
            after = following
    assert [len(ids) for ids in seen] == [10, 10, 5]
    flat = [identity for ids in seen for identity in ids]
    assert flat == sorted(set(flat))


def test_a_full_disk_for_temporary_files_is_told_and_adds_nothing(store: Store) -> None:
    made = _make(store)
    frames = tuple(VideoFrame(n, 100, n.to_bytes(32, "big")) for n in range(100_000))
    row = HashRow(1, Algorithm.VPDQ, video_value(frames), None, frames=frames)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(DiskFull), store.transaction() as tx:
            imports.import_entries(tx, made, [row])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with store.transaction() as tx:
        assert lists.count(tx, made)[Algorithm.VPDQ] == 0


def test_a_class_that_the_source_changed_its_mind_about_is_counted(store: Store) -> None:
    made = _make(store)
    rows = [HashRow(1, Algorithm.MD5, bytes([n]) * 16, None, f"id{n}", "A1") for n in range(3)]
    changed = [rows[0]._replace(their_class="B9"), rows[1]._replace(their_class=""), rows[2]]
    with store.transaction() as tx:
        first = imports.import_entries(tx, made, rows)
        second = imports.import_entries(tx, made, changed)
        again = imports.import_entries(tx, made, changed)
    assert (first.reclassified, second.reclassified, again.reclassified) == (0, 1, 0)
    assert second == ImportCounts(added=0, already_there=3, reclassified=1)
    assert [one["their_class"] for one in _assertions(store)] == ["B9", "A1", "A1"]
