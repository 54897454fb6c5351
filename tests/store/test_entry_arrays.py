from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from safelight.model import Algorithm, EntryArrays, HashRow, VideoFrame, video_value
from safelight.store import entries, entry_arrays, imports, lists, retract
from safelight.store.database import Store
from safelight.store.lists import HashList, NewList
from safelight.store.transaction import Transaction

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def _video(line: int, *frames: tuple[int, int, int], said: tuple[str, str] = ("", "")) -> HashRow:
    made = tuple(VideoFrame(ms, quality, bytes([fill]) * 32) for ms, quality, fill in frames)
    return HashRow(line, Algorithm.VPDQ, video_value(made), None, *said, frames=made)


def _md5(number: int, their_id: str = "", their_class: str = "") -> HashRow:
    return HashRow(number, Algorithm.MD5, bytes([number]) * 16, None, their_id, their_class)


def _made(tx: Transaction, name: str, *rows: HashRow, source: str | None = None) -> HashList:
    made = lists.create(tx, NewList(name=name, source="S"))
    imports.import_entries(tx, made, rows, source=source)
    return lists.get(tx, name)


def _classes(arrays: EntryArrays) -> dict[int, str]:
    """The class of each MD5, by its first byte."""
    assert arrays.classes is not None
    names = [arrays.class_names[code] for code in arrays.classes.tolist()]
    return dict(zip((value[0] for value in arrays.values.tolist()), names, strict=True))


def test_videos_come_as_their_frames(store: Store) -> None:
    first = _video(1, (0, 100, 1), (1000, 50, 2), (2500, 0, 3), said=("V-1", "A"))
    second = _video(2, (0, 7, 9))
    with store.transaction() as tx:
        one = _made(tx, "one", first, second, first)
        two = _made(tx, "two", second)
        ids = {entry.value: entry.id for entry in entries.page(tx, one)[0]}
        frames = {entry.id: entry.frames for entry in entries.page(tx, one)[0]}
        found = entry_arrays.entries_for_matching(tx, [one.id, two.id])
    arrays = found.pop(Algorithm.VPDQ)
    assert found == {}
    assert arrays.times is not None
    assert arrays.times.dtype == np.int32
    of_one = arrays.lists == 0
    rows = list(
        zip(
            arrays.ids[of_one].tolist(),
            arrays.times[of_one].tolist(),
            arrays.qualities[of_one].tolist(),
            (value[0] for value in arrays.values[of_one].tolist()),
            strict=True,
        )
    )
    one_id, two_id = ids[first.value], ids[second.value]
    wanted = [(one_id, 0, 100, 1), (one_id, 1000, 50, 2), (one_id, 2500, 0, 3), (two_id, 0, 7, 9)]
    assert rows == sorted(wanted, key=lambda row: row[0])
    assert frames == {one_id: 3, two_id: 1}
    assert arrays.lists.tolist().count(1) == 1
    assert arrays.classes is not None
    named = [arrays.class_names[code] for code in arrays.classes[arrays.ids == one_id]]
    assert named == ["A", "A", "A"]


def test_importing_a_video_again_adds_no_frames(store: Store) -> None:
    video = _video(1, (0, 100, 1), (1000, 50, 2))
    with store.transaction() as tx:
        one = _made(tx, "one", video)
        assert imports.import_entries(tx, one, [video]).added == 0
        assert len(entry_arrays.entries_for_matching(tx, [one.id])[Algorithm.VPDQ].ids) == 2


def test_classes_of_several_sources_are_joined(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1, "a", "B"), _md5(2, "b", "B"), _md5(3), _md5(4, "c", "Z"))
        imports.import_entries(tx, one, [_md5(1, "x", "A"), _md5(2, "y", "B")], source="T")
        imports.import_entries(tx, one, [_md5(1, "x", "C"), _md5(4, "", "A; A")], source="U")
        two = _made(tx, "two", _md5(1, "", "of another list"))
        md5 = entry_arrays.entries_for_matching(tx, [one.id])[Algorithm.MD5]
        other = entry_arrays.entries_for_matching(tx, [two.id])[Algorithm.MD5]
    assert _classes(md5) == {1: "A; B; C", 2: "B", 3: "", 4: "A; A; Z"}
    assert md5.class_names[0] == ""
    assert set(md5.class_names) == {"", "A; B; C", "B", "A; A; Z"}
    assert _classes(other) == {1: "of another list"}


def test_without_classes_there_are_none(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1), _md5(2))
        md5 = entry_arrays.entries_for_matching(tx, [one.id])[Algorithm.MD5]
    assert (md5.classes, md5.class_names) == (None, ("",))


def test_what_is_retracted_is_not_matched_and_its_class_not_told(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1, "a", "A"), _md5(2, "b", "B"))
        imports.import_entries(tx, one, [_md5(2, "b", "C")], source="T")
        retract.retract(tx, one, source="S", ids=["a", "b"], at=NOW)
        md5 = entry_arrays.entries_for_matching(tx, [one.id])[Algorithm.MD5]
    assert _classes(md5) == {2: "C"}


@pytest.mark.parametrize("several", [1, 2, 5])
def test_any_number_of_classes(store: Store, several: int) -> None:
    rows = [
        _md5(number, str(n), f"c{n}") for number in range(50) for n in range(number % several + 1)
    ]
    with store.transaction() as tx:
        one = _made(tx, "one", *rows)
        md5 = entry_arrays.entries_for_matching(tx, [one.id])[Algorithm.MD5]
    assert _classes(md5) == {
        number: "; ".join(f"c{n}" for n in range(number % several + 1)) for number in range(50)
    }


@pytest.mark.parametrize("named_singly", [20_000, 5])
def test_of_other_lists_no_class_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, named_singly: int
) -> None:
    """A list that is new to a reader costs what is on it, however large the others are."""
    read: list[int] = []
    combined = entry_arrays._combined

    def counted(entries: Any, numbers: Any, names: Any) -> Any:
        read.append(len(entries))
        return combined(entries, numbers, names)

    monkeypatch.setattr(entry_arrays, "_combined", counted)
    monkeypatch.setattr(entry_arrays, "_NAMED_SINGLY", named_singly)
    with store.transaction() as tx:
        for name in ("before", "small", "after"):
            _made(tx, name, *(_md5(n, f"{n}", name) for n in range(10)))
        found = entry_arrays.entries_for_matching(tx, [lists.get(tx, "small").id])
    assert read == [10]
    assert _classes(found[Algorithm.MD5]) == dict.fromkeys(range(10), "small")
