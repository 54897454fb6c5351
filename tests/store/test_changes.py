"""What follows the lists of the database finds what a fresh load finds, whatever happened."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from made_lists import within

from safelight.errors import BadInput, NotPermitted
from safelight.matching.content import ListContents
from safelight.matching.following import Followed
from safelight.matching.live import LiveMatcher
from safelight.matching.load import Sources, load_lists
from safelight.matching.rules import Hit, MatchPolicy, current
from safelight.model import Algorithm, HashRow, VideoFrame, video_value
from safelight.store import calibrate, imports, lists, merge, retract
from safelight.store.changes import changes_since
from safelight.store.database import Store
from safelight.store.lists import NewList
from safelight.store.transaction import Transaction

NOW = datetime(2026, 11, 24, tzinfo=UTC)
END = NOW + timedelta(days=7)
POLICY = MatchPolicy()


def _value(number: int, size: int) -> bytes:
    return random.Random(number).randbytes(size)


def row(algorithm: Algorithm, number: int, said: str = "") -> HashRow:
    if algorithm is Algorithm.VPDQ:
        frames = tuple(VideoFrame(1000 * n, 90, _value(100 * number + n, 32)) for n in range(6))
        return HashRow(1, algorithm, video_value(frames), None, f"v{number}", said, frames=frames)
    value, quality = _value(number, algorithm.size), (None, 100, 30)[number % 3]
    named = f"{algorithm}{number}"
    return HashRow(number, algorithm, value, quality, named, said)


def answers(followed: Followed) -> list[list[Hit]]:
    """All hits of everything there is to ask about."""
    asked = [
        (algorithm, _value(number, algorithm.size))
        for algorithm in (Algorithm.PDQ, Algorithm.MD5, Algorithm.SHA256)
        for number in range(9)
    ]
    asked += [(Algorithm.PDQ, _value(100 * number + 2, 32)) for number in range(4)]
    found = [followed.matcher.hash_hits(algorithm, value, POLICY) for algorithm, value in asked]
    return [sorted(current(hits, NOW), key=lambda hit: hit.match.entry) for hits in found]


def digests(followed: Followed) -> dict[object, tuple[int, str]]:
    contents = followed.contents
    assert contents is not None
    usable = followed.matcher.state.lists.every
    return {
        one: (contents.entries(number), contents.digest(number))
        for one, number in followed.place.numbers.items()
        if usable[number] is not None
    }


class Life:
    """Random things that people do with lists."""

    def __init__(self, tx: Transaction, rng: random.Random) -> None:
        self.tx, self.rng = tx, rng
        self.every = lists.uncounted(tx)

    def happen(self) -> None:
        acts = (
            [self._import] * 5
            + [self._retract] * 3
            + [self._merge, self._edit, self._state] * 2
            + [self._calibrate]
        )
        if not self.every or self.rng.random() < 0.15:
            self._create()
        elif self.rng.random() < 0.05:
            lists.delete(self.tx, self.rng.choice(self.every))
        else:
            self.rng.choice(acts)()

    def _create(self) -> None:
        meaning = self.rng.choice(["unverified", "unverified", "ignore"])
        made = NewList(name=f"list-{self.rng.randrange(10**9)}", source="S", meaning=meaning)
        lists.create(self.tx, made)

    def _import(self) -> None:
        algorithms = [Algorithm.PDQ, Algorithm.MD5, Algorithm.SHA256, Algorithm.VPDQ]
        rows = [
            row(self.rng.choice(algorithms), self.rng.randrange(9), self.rng.choice(["", "A", "B"]))
            for _ in range(self.rng.choice([1, 3, 8]))
        ]
        until = self.rng.choice([None, None, NOW - timedelta(days=1), NOW + timedelta(days=1)])
        one = self.rng.choice(self.every)
        owner = "Olu" if one.meaning == "ignore" else ""
        until = until or (END if owner else None)
        terms = imports.Terms(owner=owner, until=until, observe=self.rng.random() < 0.3)
        source = self.rng.choice(["S", "T"])
        imports.import_entries(self.tx, one, rows, source=source, terms=terms)

    def _retract(self) -> None:
        algorithm = self.rng.choice([Algorithm.PDQ, Algorithm.MD5])
        ids = [None, [f"{algorithm}{self.rng.randrange(9)}"], [f"v{self.rng.randrange(9)}"]]
        one, source = self.rng.choice(self.every), self.rng.choice(["S", "T"])
        with suppress(BadInput):  # there may be nothing to retract
            retract.retract(self.tx, one, source=source, ids=self.rng.choice(ids), at=NOW)

    def _merge(self) -> None:
        into, other = self.rng.choice(self.every), self.rng.choice(self.every)
        with suppress(BadInput, NotPermitted):  # these two may not go together
            merge.merge(self.tx, into, [other], i_may="a test")

    def _edit(self) -> None:
        one = self.rng.choice(self.every)
        changed = self.rng.choice(
            [
                {"name": f"renamed-{self.rng.randrange(10**9)}"},
                {"expires_at": NOW + timedelta(days=self.rng.choice([-1, 1]))},
                {"expires_at": None},
                {"permitted_purposes": self.rng.choice([("match",), ("statistics",)])},
                {"radius": self.rng.choice([0, 31])},
                {"min_quality": self.rng.choice([0, 50])},
                {"meaning": self.rng.choice(["unverified", "ignore"])},
            ]
        )
        facts = {name: getattr(one, name) for name in NewList.__dataclass_fields__}
        lists.edit(self.tx, one, NewList(**(facts | changed)), now=NOW)

    def _calibrate(self) -> None:
        one = self.rng.choice(self.every)
        if self.rng.random() < 0.4:
            calibrate.undo(self.tx, one)
            return
        ordinary = np.frombuffer(_value(self.rng.randrange(9), 32) * 1000, np.uint8).reshape(-1, 32)
        with suppress(NotPermitted):
            calibrate.calibrate(within(self.tx), one.name, ordinary, share=0.01, now=NOW)

    def _state(self) -> None:
        state = self.rng.choice(["enabled", "observe", "disabled"])
        lists.set_state(self.tx, self.rng.choice(self.every), state)


@contextmanager
def _caught_up(store: Store, followed: Followed) -> Iterator[Followed]:
    with store.transaction(snapshot=True) as tx:
        followed.take(changes_since(tx, followed.place.position, now=NOW))
    yield followed


@pytest.mark.parametrize("seed", range(8))
def test_following_gives_what_a_fresh_load_gives(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    followed = Followed(contents=ListContents())
    for number in range(36):
        with store.transaction() as tx:
            Life(tx, rng).happen()
        if rng.random() < 0.6:
            with _caught_up(store, followed):
                pass
        if number % 6 == 5:
            with (
                _caught_up(store, followed),
                _caught_up(store, Followed(contents=ListContents())) as fresh,
            ):
                assert answers(followed) == answers(fresh)
                assert digests(followed) == digests(fresh)
                assert followed.place.doubtful() or not fresh.place.doubtful()
                usable = set(fresh.place.position)
                position = followed.place.position
                assert {one: position[one] for one in usable} == dict(fresh.place.position)


def test_only_what_changed_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S"))
        two = lists.create(tx, NewList(name="two", source="S"))
        imports.import_entries(tx, one, [row(Algorithm.MD5, n) for n in range(9)])
        imports.import_entries(tx, two, [row(Algorithm.MD5, n) for n in range(9)])
    with store.transaction(snapshot=True) as tx:
        first = changes_since(tx, {}, now=NOW)
    with store.transaction() as tx:
        imports.import_entries(tx, two, [row(Algorithm.MD5, 8), row(Algorithm.PDQ, 1)])
        retract.retract(tx, two, source="S", ids=["md53"], at=NOW)
    with store.transaction(snapshot=True) as tx:
        then = changes_since(tx, first.position, now=NOW)
        nothing = changes_since(tx, then.position, now=NOW)
    (changed,) = then.changed
    assert [one.name for one in changed.lists] == ["two"]
    assert [(array.algorithm, len(array.ids)) for array in changed.arrays] == [(Algorithm.PDQ, 1)]
    assert [(array.algorithm, len(array.ids)) for array in changed.lost] == [(Algorithm.MD5, 1)]
    assert bytes(changed.lost[0].values[0]) == _value(3, 16)
    assert nothing.changed == ()
    assert dict(nothing.position) == {one.id: 1, two.id: 3}


def test_a_list_that_may_not_be_matched_keeps_its_place(store: Store) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S"))
        imports.import_entries(tx, one, [row(Algorithm.MD5, 1)])
    with _caught_up(store, Followed()) as followed:
        pass
    with store.transaction() as tx:
        lists.set_state(tx, one, "disabled")
        imports.import_entries(tx, one, [row(Algorithm.MD5, 2)])
    with _caught_up(store, followed):
        assert followed.matcher.lists == ()
        assert followed.place.position == {one.id: 1}
        assert followed.matcher.hash_hits(Algorithm.MD5, _value(1, 16), POLICY) == []
    with store.transaction() as tx:
        lists.set_state(tx, one, "enabled")
    with _caught_up(store, followed):
        assert followed.place.position == {one.id: 2}
    for number in (1, 2):
        assert len(followed.matcher.hash_hits(Algorithm.MD5, _value(number, 16), POLICY)) == 1


def test_digits_that_may_be_sha_256_are_matched_as_both_as_long_as_they_may_be(
    store: Store,
) -> None:
    half = bytes([0x0F] * 32)
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S"))
        imports.import_entries(tx, one, [HashRow(1, Algorithm.PDQ, half, None)])
    with _caught_up(store, Followed()) as followed:
        assert followed.matcher.hash_hits(Algorithm.SHA256, half, POLICY) == []
    with store.transaction() as tx:
        odd = HashRow(1, Algorithm.PDQ, bytes(32), None, "odd")
        imports.import_entries(tx, one, [odd])
    with _caught_up(store, followed):
        (hit,) = followed.matcher.hash_hits(Algorithm.SHA256, half, POLICY)
        assert (hit.match.algorithm, hit.match.distance) == (Algorithm.SHA256, 0)
    with store.transaction() as tx:
        retract.retract(tx, one, source="S", ids=["odd"], at=NOW)
    with _caught_up(store, followed):
        assert followed.matcher.hash_hits(Algorithm.SHA256, half, POLICY) == []


# ---- in the background ----


def _waited_for(live: LiveMatcher, number: int, *, hits: int = 1, seconds: float = 10.0) -> float:
    """How long until so many entries match."""
    began = time.monotonic()
    while len(live.matcher.hash_hits(Algorithm.MD5, _value(number, 16), POLICY)) != hits:
        assert time.monotonic() - began < seconds, live.problem
        time.sleep(0.001)
    return time.monotonic() - began


def test_a_commit_is_matched_a_moment_later(store: Store) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S"))
    with LiveMatcher(store, every=600) as live:
        for number in range(5):
            with store.transaction() as tx:
                imports.import_entries(tx, one, [row(Algorithm.MD5, number)])
            assert _waited_for(live, number) < 1.0
        with store.transaction() as tx:
            lists.set_state(tx, one, "disabled")
        _waited_for(live, 0, hits=0)
        assert (live.problem, live.age < 5) == ("", True)
    assert live.position == {one.id: 5}


def test_what_was_not_heard_is_found_by_looking(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S"))
    monkeypatch.setattr("safelight.matching.live.CHANNEL", "nobody_says_anything_here")
    with LiveMatcher(store, every=0.2) as live:
        with store.transaction() as tx:
            imports.import_entries(tx, one, [row(Algorithm.MD5, 1)])
        _waited_for(live, 1)


def test_a_lost_connection_is_made_again_and_nothing_is_missed(store: Store, database: Any) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S"))
    with LiveMatcher(store, every=600) as live:
        for number in range(3):
            with database.owner.begin() as connection:
                query = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE query LIKE 'LISTEN%' AND datname = current_database()"""
                assert connection.execute(sa.text(query)).rowcount
            with store.transaction() as tx:
                imports.import_entries(tx, one, [row(Algorithm.MD5, number)])
            _waited_for(live, number)
        time.sleep(0.05)
        assert live.problem == ""


def test_while_the_database_is_away_it_matches_with_what_it_has(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S"))
        imports.import_entries(tx, one, [row(Algorithm.MD5, 1)])
    with LiveMatcher(store, every=600) as live:
        away = BadInput("away")

        def fail(*_: object, **__: object) -> None:
            raise away

        with monkeypatch.context() as patched:
            patched.setattr("safelight.matching.live.changes_since", fail)
            with store.transaction() as tx:
                imports.import_entries(tx, one, [row(Algorithm.MD5, 2)])
            began = time.monotonic()
            while not live.problem:
                assert time.monotonic() - began < 10
                time.sleep(0.001)
            assert live.problem == "away"
            _waited_for(live, 1)
            age = live.age
            time.sleep(0.05)
            assert live.age > age
        _waited_for(live, 2)
        began = time.monotonic()
        while live.problem:
            assert time.monotonic() - began < 10
            time.sleep(0.001)


def test_named_lists_are_followed_through_a_new_name_and_others_are_not(store: Store) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S"))
        two = lists.create(tx, NewList(name="two", source="S"))
        for each in (one, two):
            imports.import_entries(tx, each, [row(Algorithm.MD5, 1)])
    with LiveMatcher(store, ["one"], every=600) as live:
        with store.transaction() as tx:
            facts = {name: getattr(one, name) for name in NewList.__dataclass_fields__}
            renamed = lists.edit(tx, one, NewList(**(facts | {"name": "new"})), now=NOW).list_
            lists.edit(tx, two, replace(two, name="one"), now=NOW)
            imports.import_entries(tx, renamed, [row(Algorithm.MD5, 2)])
        _waited_for(live, 2)
        (hit,) = live.matcher.hash_hits(Algorithm.MD5, _value(1, 16), POLICY)
        assert hit.match.list_name == "new"


def test_a_refusal_is_audited_once(store: Store) -> None:
    ended = NOW - timedelta(days=1)
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S", expires_at=ended))
    live = LiveMatcher(store, clock=lambda: NOW)
    for _ in range(3):
        live.catch_up()
    with LiveMatcher(store, clock=lambda: NOW) as started:  # a start is one use, not two
        for _ in range(3):
            started.catch_up()
    for one_of in (live, started):
        assert [reason.startswith("The permission to use") for reason in one_of.refused] == [True]
    with store.transaction() as tx:
        query = "SELECT count(*) FROM audit_event WHERE action = 'list.refuse' AND subject = :list"
        assert tx.connection.scalar(sa.text(query), {"list": one.subject}) == 2


def test_hashes_that_cannot_be_joined_are_told_of(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LiveMatcher(store)
    assert live.slowed == ""
    good = live.matcher.state.pdq.index.statistics()
    bad = replace(good, merge_error="no memory")
    monkeypatch.setattr("safelight.kernel.index.HashIndex.statistics", lambda _: bad)
    assert live.slowed == "New hashes cannot be joined with the others: no memory"


def test_a_list_that_is_loaded_says_what_it_holds_as_before(store: Store) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, NewList(name="one", source="S", radius=20))
        two = lists.create(tx, NewList(name="two", source="S"))
        imports.import_entries(tx, one, [row(Algorithm.MD5, n) for n in range(3)])
        imports.import_entries(tx, two, [row(Algorithm.VPDQ, n) for n in range(2)])
        both = load_lists(tx, Sources(), now=NOW).about
        alone = [
            load_lists(tx, Sources(lists=(name,)), now=NOW).about[0] for name in ("one", "two")
        ]
    assert [(facts.name, facts.entries, facts.radius) for facts in both] == [
        ("one", 3, 20),
        ("two", 2, 31),
    ]
    assert list(both) == alone
