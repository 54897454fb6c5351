"""Lists kept on disk: whether they are used or not, what is found is the same."""

import os
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_changes
from test_changes import NOW, Life, answers, row

from safelight import doctor
from safelight.app import App
from safelight.errors import CorruptFile, NotPermitted
from safelight.kernel.index import HashIndex
from safelight.matching import begin as beginning
from safelight.matching import kept, kept_files
from safelight.matching.begin import Begun, begin
from safelight.matching.kept import check_kept, keep, kept_folder, open_kept
from safelight.matching.kept_files import CHECKED, CURRENT, MANIFEST, read_current, writing
from safelight.matching.live import LiveMatcher
from safelight.matching.load import Loaded, Sources, load_from
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm
from safelight.settings import load_settings
from safelight.store import imports, lists, retract
from safelight.store.changes import changes_since
from safelight.store.database import Store
from safelight.store.lists import NewList

KINDS = (Algorithm.PDQ, Algorithm.MD5, Algorithm.SHA256, Algorithm.VPDQ)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "LEAST_KEPT", 1)


def _begun(store: Store, home: Path | None, told: list[str], *names: str) -> Begun:
    begun = begin(store, names, home=home, now=NOW, tell=told.append)
    if home is not None and (thread := begun.settle(home, now=NOW, tell=told.append)):
        thread.join()
    return begun


def _filled(store: Store, *names: str) -> None:
    with store.transaction() as tx:
        for number, name in enumerate(names):
            made = lists.create(tx, NewList(name=name, source="S"))
            rows = [row(kind, 3 * number + n, "AB"[n % 2]) for kind in KINDS for n in range(3)]
            imports.import_entries(tx, made, rows)


def _folder(store: Store, home: Path) -> Path:
    with store.transaction() as tx:
        return kept_folder(home, tx.organisation)


def _facts(loaded: Loaded) -> tuple[Any, ...]:
    about = [asdict(one) for one in loaded.about]
    return loaded.fingerprint, loaded.entries, about, loaded.warnings


def _load(store: Store, home: Path | None, told: list[str], *names: str) -> Loaded:
    return load_from(store, Sources(lists=names), home=home, now=NOW, tell=told.append)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happened_the_answers_are_the_same(
    store: Store, tmp_path: Path, told: list[str], seed: int
) -> None:
    rng = random.Random(seed)
    _filled(store, "one", "two")
    for _ in range(12):
        for _ in range(rng.randrange(4)):
            with store.transaction() as tx:
                Life(tx, rng).happen()
        opened = _begun(store, tmp_path, told)
        fresh = _begun(store, None, told)
        assert answers(opened.followed) == answers(fresh.followed)
        assert test_changes.digests(opened.followed) == test_changes.digests(fresh.followed)
        assert opened.lists == fresh.lists
    assert told == []
    assert opened.kept is not None


def test_what_is_told_of_lists_is_the_same(store: Store, tmp_path: Path, told: list[str]) -> None:
    _filled(store, "one", "two")
    _begun(store, tmp_path, told)
    with store.transaction() as tx:
        imports.import_entries(tx, lists.get(tx, "two"), [row(Algorithm.PDQ, 8)])
    for names in ((), ("two",), ("two", "one")):
        assert _facts(_load(store, tmp_path, told, *names)) == _facts(
            _load(store, None, told, *names)
        )
    assert told == []


def test_lists_that_were_not_asked_for_do_not_match(
    store: Store, tmp_path: Path, told: list[str]
) -> None:
    _filled(store, "one", "two")
    _begun(store, tmp_path, told)
    begun = _begun(store, tmp_path, told, "two")
    assert begun.kept is not None
    found = {hit.match.list_name for hits in answers(begun.followed) for hit in hits}
    assert found == {"two"}
    with store.transaction() as tx:
        lists.set_state(tx, lists.get(tx, "two"), "disabled")
    with pytest.raises(NotPermitted):
        _begun(store, tmp_path, told, "two")


def test_only_the_owner_may_read_it(store: Store, tmp_path: Path, told: list[str]) -> None:
    _filled(store, "one")
    _begun(store, tmp_path, told)
    every = list((tmp_path / "index").rglob("*"))
    assert len(every) > 10
    for path in every:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_one_generation_is_there_and_counts(store: Store, tmp_path: Path, told: list[str]) -> None:
    _filled(store, "one")
    for number in range(3):
        with store.transaction() as tx:
            imports.import_entries(tx, lists.get(tx, "one"), [row(Algorithm.MD5, 10 + number)])
        begun = _begun(store, tmp_path, told)
    folder = _folder(store, tmp_path)
    (generation,) = [path for path in folder.iterdir() if path.is_dir()]
    assert (folder / CURRENT).read_text() == generation.name
    with writing(folder) as is_ours:
        assert is_ours
        assert not keep(_folder(store, tmp_path), begun.organisation, begun.followed, now=NOW)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [_cut, _flip, Path.unlink])
def test_what_is_damaged_is_not_used_and_is_made_anew(
    store: Store, tmp_path: Path, told: list[str], harm: Callable[[Path], None]
) -> None:
    _filled(store, "one", "two")
    fresh = answers(_begun(store, tmp_path, told).followed)
    folder = _folder(store, tmp_path)
    generation = read_current(folder)
    assert generation is not None
    names = ["pdq.index", "pdq.facts.keys.npy", "md5.digests.values.npy", "vpdq.0.keys.npy"]
    assert set(names) <= generation.facts["files"].keys()
    for name in (*names, MANIFEST):
        current = read_current(folder)
        assert current is not None
        harm(current.path(name))
        begun = _begun(store, tmp_path, told)
        assert answers(begun.followed) == fresh
        assert begun.kept is None
        assert told.pop().startswith("What is kept on disk cannot be used")
    assert _begun(store, tmp_path, told).kept is not None
    harm(folder / CURRENT)
    assert answers(_begun(store, tmp_path, told).followed) == fresh
    assert len(told) == (0 if harm is Path.unlink else 1)


def test_damage_that_is_found_meanwhile_is_told_and_not_used_again(
    store: Store, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safelight.matching.kept.CHECKED_FIRST", 0)
    _filled(store, "one")
    _begun(store, tmp_path, told)
    assert _begun(store, tmp_path, told).kept is not None
    assert told == []
    current = read_current(_folder(store, tmp_path))
    assert current is not None
    _flip(current.path("md5.digests.values.npy"))
    assert _begun(store, tmp_path, told).kept is not None
    assert told == []  # it was found whole a moment ago, and is not read to the end at each start
    long_ago = time.time() - 25 * 60 * 60
    os.utime(current.path(CHECKED), (long_ago, long_ago))
    assert _begun(store, tmp_path, told).kept is not None
    (text,) = told
    assert "is not what was written. Matches may have been missed" in text
    assert _begun(store, tmp_path, told).kept is None


def test_what_is_of_another_organisation_or_database_is_not_used(
    store: Store, tmp_path: Path, told: list[str]
) -> None:
    _filled(store, "one")
    _begun(store, tmp_path, told)
    theirs = _folder(store, tmp_path)
    store._organisation += "-2"
    _filled(store, "one")
    ours = _folder(store, tmp_path)
    shutil.copytree(theirs, ours)
    assert _begun(store, tmp_path, told).kept is None
    assert "another organisation's" in told.pop()
    # As one that was set back would be: it has another event where the kept one was the last.
    with store.transaction() as tx:
        organisation = tx.organisation
    found = open_kept(ours, organisation)
    assert found is not None
    mark = found.followed.place.mark
    assert mark is not None
    for other in (
        type(mark)(seq=mark.seq, digest="00" * 32),
        type(mark)(seq=99, digest=mark.digest),
    ):
        object.__setattr__(found.followed.place, "mark", other)
        keep(_folder(store, tmp_path), organisation, found.followed, now=NOW)
        assert _begun(store, tmp_path, told).kept is None
        assert "another past" in told.pop()
    assert _begun(store, tmp_path, told).kept is not None


def test_few_entries_are_not_kept(
    store: Store, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "LEAST_KEPT", 1000)
    _filled(store, "one")
    _begun(store, tmp_path, told)
    assert list(tmp_path.iterdir()) == []


def test_a_generation_that_is_removed_stays_with_who_has_it(
    store: Store, tmp_path: Path, told: list[str]
) -> None:
    _filled(store, "one")
    _begun(store, tmp_path, told)
    begun = _begun(store, tmp_path, told)
    before = answers(begun.followed)
    shutil.rmtree(tmp_path / "index")
    assert answers(begun.followed) == before


def test_several_tables_of_videos_are_kept(store: Store, tmp_path: Path, told: list[str]) -> None:
    _filled(store, "one")
    for number in range(4):
        with store.transaction() as tx:
            new = [row(Algorithm.VPDQ, 20 + number), row(Algorithm.PDQ, 30 + number)]
            imports.import_entries(tx, lists.get(tx, "one"), new)
        begun = _begun(store, tmp_path, told)
    assert told == []
    assert len(begun.followed.matcher.state.videos.parts) > 2
    again = _begun(store, tmp_path, told)
    value = row(Algorithm.VPDQ, 22).frames[2].value
    for one in (begun, again):
        (hit,) = one.followed.matcher.hash_hits(Algorithm.PDQ, value, MatchPolicy())
        assert hit.match.video is not None
        assert hit.match.video.scenes[0].list_start == 2.0


def test_what_changes_while_it_is_kept_is_found_all_the_same(
    store: Store, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _filled(store, "one", "two")
    begun = _begun(store, None, told)
    rng, written = random.Random(3), kept._write

    def write(*facts: Any) -> None:
        written(*facts)
        with store.transaction() as tx:
            Life(tx, rng).happen()
        with store.transaction(snapshot=True) as tx:
            begun.followed.take(changes_since(tx, begun.followed.place.position, now=NOW))

    with monkeypatch.context() as patched:
        patched.setattr(kept, "_write", write)
        assert keep(_folder(store, tmp_path), begun.organisation, begun.followed, now=NOW)
    again, fresh = _begun(store, tmp_path, told), _begun(store, None, told)
    assert again.kept is not None
    for one in (begun, again):
        assert answers(one.followed) == answers(fresh.followed)
        assert test_changes.digests(one.followed) == test_changes.digests(fresh.followed)
    assert told == []


def test_a_follower_begins_with_what_is_kept(store: Store, tmp_path: Path, told: list[str]) -> None:
    _filled(store, "one")
    _begun(store, tmp_path, told)
    with store.transaction() as tx:
        imports.import_entries(tx, lists.get(tx, "one"), [row(Algorithm.MD5, 8)])
    with LiveMatcher(store, home=tmp_path, tell=told.append, clock=lambda: NOW) as live:
        value = row(Algorithm.MD5, 8).value
        assert len(live.matcher.hash_hits(Algorithm.MD5, value, MatchPolicy())) == 1
        assert live.matcher.state.pdq.index.statistics().mapped
    assert told == []


def test_doctor_looks_at_every_byte_and_says_how_far_it_is(
    store: Store, tmp_path: Path, told: list[str]
) -> None:
    _filled(store, "one")
    settings = replace(load_settings({"SAFELIGHT_HOME": str(tmp_path)}), contact="x")
    app = App(settings=settings, store=store)
    assert list(doctor._kept(app)) == []
    _begun(store, tmp_path, told)
    (check,) = doctor._kept(app)
    assert check.health is doctor.Health.OK
    assert check.detail.startswith("12 entries, ")
    assert check.detail.endswith(" whole, written 2026-11-24T00:00:00; up to date")
    with store.transaction() as tx:
        imports.import_entries(tx, lists.get(tx, "one"), [row(Algorithm.MD5, 8)])
    (check,) = doctor._kept(app)
    assert check.detail.endswith("changes to be read at the next start: 1")
    current = read_current(_folder(store, tmp_path))
    assert current is not None
    _flip(current.path("pdq.index"))
    (check,) = doctor._kept(app)
    assert check.health is doctor.Health.ATTENTION
    assert "pdq.index' is damaged" in check.detail
    assert "They are read from the database" in check.detail


def test_what_is_gone_is_not_kept_for_ever(store: Store, tmp_path: Path, told: list[str]) -> None:
    _filled(store, "one", "two")
    _begun(store, tmp_path, told)
    with store.transaction() as tx:
        lists.delete(tx, lists.get(tx, "one"))
    for _ in range(2):
        state = _begun(store, tmp_path, told).followed.matcher.state
    assert len(state.digests[Algorithm.MD5].index.joined()) == 3
    with store.transaction() as tx:
        imports.import_entries(tx, lists.get(tx, "two"), [row(Algorithm.MD5, n) for n in range(9)])
    _begun(store, tmp_path, told)
    state = _begun(store, tmp_path, told).followed.matcher.state
    assert state.pdq.index.statistics().entries == 3
    assert told == []


# ---- what is gone leaves the disk ----


def _on_disk(home: Path, number: int) -> set[str]:
    """In which kinds of kept files the hashes of this number are: as bytes, or in an index."""
    frames = row(Algorithm.VPDQ, number).frames
    values = [*(row(kind, number).value for kind in KINDS[:3]), *(one.value for one in frames)]
    found = set()
    for path in (home / "index").rglob("*.*"):
        if path.suffix == ".index":
            asked = np.array([list(one) for one in values if len(one) == 32], np.uint8)
            is_there = len(HashIndex.open(path).search(asked, radius=0).ids) > 0
        else:
            data = path.read_bytes() if path.is_file() else b""
            is_there = any(value in data for value in values)
        if is_there:
            found.add(path.name.split(".")[0])
    return found


EVERY = {"pdq", "md5", "sha256", "vpdq"}


def _delete(store: Store, name: str) -> None:
    with store.transaction() as tx:
        lists.delete(tx, lists.get(tx, name))


def test_hashes_of_a_deleted_list_leave_the_disk(
    store: Store, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "WORN_SHARE", 100)
    _filled(store, "one", "two")
    _begun(store, tmp_path, told)
    assert [_on_disk(tmp_path, number) for number in (1, 4)] == [EVERY, EVERY]
    _delete(store, "one")
    _begun(store, tmp_path, told)
    assert [_on_disk(tmp_path, number) for number in (1, 2)] == [set(), set()]
    assert _on_disk(tmp_path, 4) == EVERY
    again, fresh = _begun(store, tmp_path, told), _begun(store, None, told)
    assert again.kept is not None
    assert answers(again.followed) == answers(fresh.followed)
    monkeypatch.setattr(beginning, "LEAST_KEPT", 1000)  # where few are left nothing is kept
    _delete(store, "two")
    _begun(store, tmp_path, told)
    assert [one.name for one in _folder(store, tmp_path).iterdir()] == ["lock"]
    assert told == []


def test_what_was_taken_back_leaves_the_disk_within_a_day(
    store: Store, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "WORN_SHARE", 100)
    _filled(store, "two", "three", "one")
    _begun(store, tmp_path, told)
    with store.transaction() as tx:
        names = [row(kind, 7).their_id for kind in KINDS]
        retract.retract(tx, lists.get(tx, "one"), source="S", ids=names, at=NOW)
    _begun(store, tmp_path, told)
    assert _on_disk(tmp_path, 7) == EVERY
    begun = begin(store, (), home=tmp_path, now=NOW, tell=told.append)
    begun.settle(tmp_path, now=NOW + timedelta(days=1), tell=told.append).join()
    assert (_on_disk(tmp_path, 7), _on_disk(tmp_path, 8)) == (set(), EVERY)
    assert told == []


@pytest.mark.parametrize("left", KINDS)
def test_what_is_left_of_one_kind_alone_is_kept(
    store: Store, tmp_path: Path, told: list[str], left: Algorithm
) -> None:
    _filled(store, "one")
    _begun(store, tmp_path, told)
    others = [row(kind, n).their_id for kind in KINDS for n in range(3) if kind is not left]
    with store.transaction() as tx:
        retract.retract(tx, lists.get(tx, "one"), source="S", ids=others, at=NOW)
    _begun(store, tmp_path, told)
    again, fresh = _begun(store, tmp_path, told), _begun(store, None, told)
    assert again.kept is not None
    assert again.kept.generation.facts["live"][left.value] == 3
    assert answers(again.followed) == answers(fresh.followed)
    assert told == []


def test_a_hash_that_came_while_it_was_kept_is_not_kept(
    store: Store, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _filled(store, "one")
    begun, written = _begun(store, None, told), kept._write

    def write(*facts: Any) -> None:
        with store.transaction() as tx:
            imports.import_entries(tx, lists.get(tx, "one"), [row(Algorithm.PDQ, 8)])
        with store.transaction(snapshot=True) as tx:
            begun.followed.take(changes_since(tx, begun.followed.place.position, now=NOW))
        written(*facts)

    monkeypatch.setattr(kept, "_write", write)
    assert keep(_folder(store, tmp_path), begun.organisation, begun.followed, now=NOW)
    assert len(begun.followed.matcher.state.pdq.index) == 4
    assert (_on_disk(tmp_path, 8), _on_disk(tmp_path, 1)) == (set(), EVERY)


def test_a_follower_keeps_anew_while_it_follows(
    store: Store, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safelight.matching.live.KEPT_EVERY", 0)
    _filled(store, "one", "two")
    with LiveMatcher(store, home=tmp_path, tell=told.append, clock=lambda: NOW) as live:
        _until(lambda: _on_disk(tmp_path, 1) == EVERY)
        _delete(store, "one")
        _until(lambda: len(live.matcher) == 12)
        with store.transaction() as tx:  # something more is heard, should the first come too early
            imports.import_entries(tx, lists.get(tx, "two"), [row(Algorithm.MD5, 8)])
        _until(lambda: _on_disk(tmp_path, 1) == set())
    assert _begun(store, tmp_path, told).kept is not None
    assert told == []


def _until(holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 20
        time.sleep(0.01)


def test_of_two_followers_one_keeps(store: Store, tmp_path: Path, told: list[str]) -> None:
    _filled(store, "one")
    _begun(store, tmp_path, told)
    both = [begin(store, (), home=tmp_path, now=NOW, tell=told.append) for _ in range(2)]
    with store.transaction() as tx:
        imports.import_entries(tx, lists.get(tx, "one"), [row(Algorithm.MD5, 8)])
    names = set()
    for one in both:
        with store.transaction(snapshot=True) as tx:
            one.followed.take(changes_since(tx, one.followed.place.position, now=NOW))
        one.settle(tmp_path, now=NOW, tell=told.append, again=True).join()
        names.add((_folder(store, tmp_path) / CURRENT).read_text())
        assert not kept.is_worn(one.followed, NOW)
    assert len(names) == 1


def test_what_a_killed_process_left_is_removed(
    store: Store, tmp_path: Path, told: list[str]
) -> None:
    _filled(store, "one")
    _begun(store, tmp_path, told)
    folder = _folder(store, tmp_path)
    (folder / "g0123").mkdir()
    (folder / "g0123" / "md5.digests.values.npy").write_bytes(b"half")
    begun = _begun(store, tmp_path, told)
    assert begun.kept is not None
    assert {one.name for one in folder.iterdir()} == {
        "lock",
        CURRENT,
        begun.kept.generation.folder.name,
    }


# ---- while others write ----


@pytest.mark.parametrize("read", ["_read_manifest", "map_array"])
def test_what_is_replaced_while_it_is_opened_is_read_again(
    store: Store, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    _filled(store, "one")
    begun = _begun(store, tmp_path, told)
    folder, reading = _folder(store, tmp_path), getattr(kept_files, read)
    names = []

    def replaced(path: Path) -> Any:
        if not names:
            names.append(path.parent.name)
            begun.followed.written = None
            assert keep(folder, begun.organisation, begun.followed, now=NOW)
        return reading(path)

    monkeypatch.setattr(kept_files, read, replaced)
    found = _begun(store, tmp_path, told)
    assert found.kept is not None
    assert found.kept.generation.folder.name not in names
    assert told == []


def test_the_next_generation_is_not_forgotten_for_the_last(
    store: Store, tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _filled(store, "one")
    _begun(store, tmp_path, told)
    begun = _begun(store, tmp_path, told)
    assert begun.kept is not None
    begun.followed.written = None
    assert keep(_folder(store, tmp_path), begun.organisation, begun.followed, now=NOW)
    check_kept(begun.kept)  # its files are gone, which is no damage

    def bad(_: object) -> None:
        raise CorruptFile("bad")

    with monkeypatch.context() as patched:
        patched.setattr(kept_files.Generation, "check", bad)
        with pytest.raises(CorruptFile, match="bad"):
            check_kept(begun.kept)
    assert _begun(store, tmp_path, told).kept is not None
    assert told == []


def test_an_index_of_another_generation_is_not_used(
    store: Store, tmp_path: Path, told: list[str]
) -> None:
    _filled(store, "one")
    begun = _begun(store, tmp_path, told)
    first = read_current(_folder(store, tmp_path))
    assert first is not None
    other = first.path("pdq.index").read_bytes()
    begun.followed.written = None
    assert keep(_folder(store, tmp_path), begun.organisation, begun.followed, now=NOW)
    second = read_current(_folder(store, tmp_path))
    assert second is not None
    second.path("pdq.index").write_bytes(other)
    assert _begun(store, tmp_path, told).kept is None
    assert "is of another generation" in told[0]
