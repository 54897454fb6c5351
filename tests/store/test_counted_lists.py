"""Compare and count."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from made_lists import NOW, last_event, make_list, md5, pdq

from safelight.errors import NotPermitted
from safelight.model import Algorithm
from safelight.store import audit, compare, entries, lists, matches, merge, retract, statistics
from safelight.store.compare import Difference, OneSided, Overlap
from safelight.store.database import Store
from safelight.store.statistics import Matched, SourceFigures


def test_what_two_lists_share(store: Store) -> None:
    with store.transaction() as tx:
        one = make_list(tx, "one", md5(1), md5(2), pdq(1))
        two = make_list(tx, "two", md5(2), md5(3), md5(4), md5(5, "gone"))
        retract.retract(tx, two, source="S-two", ids=["gone"], at=NOW)
        assert compare.differences(tx, one, two, now=NOW) == [
            Difference(algorithm=Algorithm.PDQ, only_first=1, only_second=0, both=0),
            Difference(algorithm=Algorithm.MD5, only_first=1, only_second=2, both=1),
        ]
        sided = list(compare.one_sided(tx, one, two, limit=10))
        ids = {
            entry.value[0]: entry.id for entry in entries.page(tx, one)[0] if len(entry.value) < 20
        }
        assert sided[0] == OneSided(
            algorithm=Algorithm.MD5, value=bytes([1]) * 16, first=ids[1], second=None
        )
        assert [row.value[0] for row in sided if row.first is None] == [3, 4]
        assert len(list(compare.one_sided(tx, one, two, limit=2))) == 2
        make_list(tx, "three", md5(2))
        assert compare.overlaps(tx, lists.all_lists(tx)) == [
            Overlap(first="one", second="three", both=1),
            Overlap(first="one", second="two", both=1),
            Overlap(first="three", second="two", both=1),
        ]


def test_what_one_list_shares_with_others_is_what_comparing_all_says(store: Store) -> None:
    with store.transaction() as tx:
        one = make_list(tx, "one", md5(1), md5(2, "gone"), md5(3), pdq(4))
        retract.retract(tx, one, source="S-one", ids=["gone"], at=NOW)
        two = make_list(tx, "two", md5(1), md5(2), md5(3), pdq(1))
        three = make_list(tx, "three", md5(2), md5(3, "gone"), pdq(4))
        retract.retract(tx, three, source="S-three", ids=["gone"], at=NOW)
        every = [one, two, three, make_list(tx, "four", md5(9))]
        of_all = compare.overlaps(tx, every)
        for list_ in every:
            others = [other for other in every if other is not list_]
            named = [found for found in of_all if list_.name in (found.first, found.second)]
            assert compare.overlaps_of(tx, list_, others) == named
        assert compare.overlaps_of(tx, one, []) == []
    assert [(found.first, found.second, found.both) for found in of_all] == [
        ("one", "two", 2),
        ("one", "three", 1),
        ("three", "two", 1),
    ]


def test_entries_that_never_matched_can_be_looked_at(store: Store) -> None:
    with store.transaction() as tx:
        one = make_list(tx, "one", *(md5(n, f"{n}") for n in range(1, 8)))
        retract.retract(tx, one, source="S-one", ids=["3"], at=NOW)
        ids = {e.value[0]: e.id for e in entries.page(tx, one)[0]}
        matches.record(tx, {ids[1]: 1, ids[4]: 2, ids[7]: 1}, at=NOW)
        seen, after = [], 0
        for _ in range(3):
            shown = entries.show(tx, one, after=after, limit=2, never_matched=True, now=NOW)
            seen.append([e.value[0] for e in shown.entries])
            after = shown.following or after
        assert seen == [[2, 5], [6], [6]]
        assert statistics.figures(tx, one, now=NOW).never_matched == 3
        shut = make_list(tx, "shut", md5(1), permitted_purposes=("match",))
    with pytest.raises(NotPermitted, match="for statistics"), store.transaction() as tx:
        entries.show(tx, shut, never_matched=True, now=NOW)
    with store.transaction() as tx:
        assert last_event(tx).action == "list.refuse"
        assert entries.show(tx, shut, now=NOW).entries[0].value[0] == 1


def test_figures_of_a_list(store: Store) -> None:
    with store.transaction() as tx:
        other = make_list(tx, "other", md5(1, "o"))
        one = make_list(tx, "one", md5(1, "a"), md5(2, "b"), md5(3, "c"), pdq(1))
        merge.merge(tx, one, [other])
        retract.retract(tx, one, source="S-one", ids=["c"], at=NOW)
        ids = {(e.algorithm, e.value[0]): e.id for e in entries.page(tx, one)[0]}
        first, second = ids[Algorithm.MD5, 1], ids[Algorithm.PDQ, 1]
        matches.record(tx, {first: 3, second: 9, 10**12: 5}, at=NOW)
        matches.record(tx, {first: 1}, at=NOW + timedelta(days=1))
        matches.record(tx, {}, at=NOW)
        found = statistics.figures(tx, one, most=5, now=NOW)
        now = tx.connection.scalar(sa.text("SELECT now()"))
    assert found == statistics.Figures(
        entries={
            Algorithm.PDQ: 1,
            Algorithm.MD5: 2,
            **dict.fromkeys(("sha1", "sha256", "vpdq", "photodna"), 0),
        },
        retracted=1,
        sources=(
            SourceFigures(source="S-one", assertions=4, retracted=1, derived=0),
            SourceFigures(source="S-other", assertions=1, retracted=0, derived=1),
        ),
        months={f"{now:%Y-%m}": 3},
        ever_matched=2,
        most_matched=(
            Matched(entry=second, algorithm=Algorithm.PDQ, matches=9, last_at=NOW),
            Matched(
                entry=first, algorithm=Algorithm.MD5, matches=4, last_at=NOW + timedelta(days=1)
            ),
        ),
        index_bytes={Algorithm.PDQ: 137, Algorithm.MD5: 2 * 56},
    )
    assert found.never_matched == 1


def test_statistics_need_that_purpose_and_are_audited(store: Store) -> None:
    with store.transaction() as tx:
        one = make_list(tx, "one", md5(1))
        shut = make_list(tx, "shut", md5(1), permitted_purposes=("match",))
        make_list(tx, "old", expires_at=NOW)
        assert statistics.look(tx, one, action="list.stats", now=NOW).entries[Algorithm.MD5] == 1
        assert [made.name for made in statistics.others_countable(tx, shut, now=NOW)] == ["one"]
        assert statistics.others_countable(tx, one, now=NOW) == []
        usable, reasons = statistics.countable(tx, now=NOW)
        assert [made.name for made in usable] == ["one"]
        assert [reason[:60] for reason in reasons] == [
            "The permission to use the list 'old' ended on 2026-11-24. Ag",
            "The list 'shut' may not be used for statistics; it permits: ",
        ]
    with store.transaction() as tx:
        told = [(event.action, event.detail["name"]) for event in audit.events(tx)][-3:]
        assert told == [("list.stats", "one"), ("list.refuse", "old"), ("list.refuse", "shut")]
    with pytest.raises(NotPermitted), store.transaction() as tx:
        statistics.look(tx, shut, action="list.describe", now=NOW)
    for pair in ((one, shut), (shut, one)):
        refused = pytest.raises(NotPermitted, match="may not be used for statistics")
        with refused, store.transaction() as tx:
            compare.differences(tx, *pair, now=NOW)
        with store.transaction() as tx:
            assert last_event(tx).action == "list.refuse"


def test_matches_of_another_organisation_are_not_counted(store: Store) -> None:
    with store.transaction("alpha") as tx:
        made = make_list(tx, f"m-{store._organisation}", md5(1))
        (entry,), _ = entries.page(tx, made)
    with store.transaction("beta") as tx:
        matches.record(tx, {entry.id: 7}, at=NOW)
    with store.transaction("alpha") as tx:
        assert statistics.figures(tx, made, now=NOW).ever_matched == 0
