"""Edit, observe, retract, merge, compare, count, export."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from safelight.errors import BadInput, ListExists, NotPermitted
from safelight.model import Algorithm, HashRow, VideoFrame, video_value
from safelight.store import (
    audit,
    compare,
    entries,
    export,
    imports,
    lists,
    matches,
    merge,
    origins,
    retract,
    statistics,
)
from safelight.store.compare import Difference, OneSided, Overlap
from safelight.store.database import Store
from safelight.store.lists import HashList, NewList
from safelight.store.statistics import Matched, SourceFigures
from safelight.store.transaction import Transaction

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FRAMES = (VideoFrame(0, 100, bytes(32)), VideoFrame(1000, 90, bytes([1]) * 32))
VIDEO = HashRow(1, Algorithm.VPDQ, video_value(FRAMES), None, "V", "A", frames=FRAMES)


def _md5(number: int, their_id: str = "", their_class: str = "") -> HashRow:
    return HashRow(number, Algorithm.MD5, bytes([number]) * 16, None, their_id, their_class)


def _pdq(number: int, quality: int | None = None) -> HashRow:
    return HashRow(number, Algorithm.PDQ, bytes([number]) * 32, quality)


def _made(tx: Transaction, name: str, *rows: HashRow, **facts: Any) -> HashList:
    made = lists.create(tx, NewList(**{"name": name, "source": f"S-{name}", **facts}))
    imports.import_entries(tx, made, rows)
    return lists.get(tx, name)


def _said(tx: Transaction, list_: HashList) -> dict[int, list[tuple[str, str, str, str]]]:
    return {
        entry.value[0]: [
            (one.source, one.their_id, one.their_class, one.derived_from)
            for one in entry.assertions
            if one.retracted_at is None
        ]
        for entry in entries.page(tx, list_)[0]
    }


def _edited(tx: Transaction, list_: HashList, **facts: Any) -> HashList:
    now = lists.get(tx, list_.name)
    same = {name: getattr(now, name) for name in NewList.__dataclass_fields__}
    return lists.edit(tx, now, NewList(**{**same, **facts}))


def _last(tx: Transaction) -> audit.AuditEvent:
    return list(audit.events(tx))[-1]


# -- edit ------------------------------------------------------------------------------------


def test_what_is_edited_is_audited_with_old_and_new(store: Store) -> None:
    with store.transaction() as tx:
        made = _made(tx, "one")
    new = NewList(
        name="uno",
        source="S-one",
        meaning="source_term",
        source_term="B1",
        expires_at=NOW,
        permitted_organisations=("other",),
    )
    with store.transaction() as tx:
        edited = lists.edit(tx, made, new)
    with store.transaction() as tx:
        assert lists.get(tx, "uno") == edited
        assert {name: getattr(edited, name) for name in NewList.__dataclass_fields__} == {
            name: getattr(new, name) for name in NewList.__dataclass_fields__
        }
        event = _last(tx)
    assert event.action == "list.edit"
    assert event.detail == {
        "name": "one",
        "changed": {
            "name": {"old": "one", "new": "uno"},
            "meaning": {"old": "unverified", "new": "source_term"},
            "source_term": {"old": "", "new": "B1"},
            "expires_at": {"old": None, "new": NOW.isoformat()},
            "permitted_organisations": {"old": [], "new": ["other"]},
        },
    }


def test_editing_nothing_writes_nothing(store: Store) -> None:
    with store.transaction() as tx:
        made = _made(tx, "one")
        before = len(tx.acts)
        same = {name: getattr(made, name) for name in NewList.__dataclass_fields__}
        assert lists.edit(tx, made, NewList(**same)) == made
        assert len(tx.acts) == before


@pytest.mark.parametrize(
    ("facts", "error"),
    [({"name": "two"}, ListExists), ({"meaning": "x"}, BadInput), ({"source": ""}, BadInput)],
)
def test_an_edit_that_cannot_be(
    store: Store, facts: dict[str, str], error: type[Exception]
) -> None:
    with store.transaction() as tx:
        made = _made(tx, "one")
        _made(tx, "two")
    with pytest.raises(error), store.transaction() as tx:
        lists.edit(tx, made, replace(NewList(name="one", source="S-one"), **facts))


def test_states(store: Store) -> None:
    with store.transaction() as tx:
        made = _made(tx, "one")
        lists.set_state(tx, made, "observe")
        usable, _ = lists.lists_for_matching(tx, now=NOW)
        assert [(one.name, one.state) for one in usable] == [("one", "observe")]
        assert lists.lists_for_matching(tx, ["one"], now=NOW)[0] == usable
        assert tx.acts[-1].action == "list.observe"
        with pytest.raises(BadInput, match="is not a state"):
            lists.set_state(tx, made, "hidden")


# -- retract ---------------------------------------------------------------------------------


def test_an_entry_is_silent_when_nobody_stands_by_it(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1, "a"), _md5(2, "b"))
        imports.import_entries(tx, one, [_md5(2, "x")], source="T")
        done = retract.retract(tx, one, source="S-one", ids=["a", "b"], at=NOW)
        assert done == retract.Retracted(assertions=2, entries=1)
        first, second = entries.page(tx, one)[0]
        assert (first.retracted, first.change) == (True, 3)
        assert [said.retracted_at for said in first.assertions] == [NOW]
        assert (second.retracted, second.change) == (False, 3)  # one source fewer says it
        assert lists.count(tx, one)[Algorithm.MD5] == 1
        assert tx.acts[-1].detail == {
            "name": "one",
            "source": "S-one",
            "assertions": 2,
            "entries": 1,
            "ids": ["a", "b"],
        }
        # said again, it stands again
        imports.import_entries(tx, one, [_md5(1, "a")])
        first = entries.page(tx, one)[0][0]
        assert (first.retracted, first.change) == (False, 4)
        assert [said.retracted_at for said in first.assertions] == [None]


def test_all_that_a_source_said(store: Store) -> None:
    with store.transaction() as tx:
        one, two = _made(tx, "one", _md5(1), _md5(2)), _made(tx, "two", _md5(1))
        imports.import_entries(tx, two, [_md5(3)], source="S-one")
        done = retract.retract(tx, one, source="S-one", ids=None, at=NOW)
        assert done == retract.Retracted(assertions=2, entries=2)
        assert lists.count(tx, two)[Algorithm.MD5] == 2  # another list is not touched
        for source, ids in (("S-one", None), ("nobody", None), ("S-one", ["?"])):
            with pytest.raises(BadInput, match="Nothing to retract"):
                retract.retract(tx, one, source=source, ids=ids, at=NOW)


# -- merge -----------------------------------------------------------------------------------


def test_a_merge_keeps_who_said_what_and_from_where(store: Store) -> None:
    with store.transaction() as tx:
        a = _made(tx, "a", _md5(1, "a1", "A"), _md5(2, "a2"), _pdq(7, 60), VIDEO)
        b = _made(tx, "b", _md5(1, "b1", "B"), _md5(3), _md5(9))
        retract.retract(tx, b, source="S-b", ids=[""], at=NOW)  # 3 and 9
        into = _made(tx, "into", _md5(1, "own", "C"), _pdq(7))
        counts = merge.merge(tx, into, [a, b])
        assert counts == merge.MergeCounts(added=2, already_there=3)
        said = _said(tx, into)
        assert said[1] == [
            ("S-a", "a1", "A", a.subject),
            ("S-b", "b1", "B", b.subject),
            ("S-into", "own", "C", ""),
        ]
        assert said[2] == [("S-a", "a2", "", a.subject)]
        assert said.keys() == {1, 2, 7, VIDEO.value[0]}
        page, _ = entries.page(tx, into)
        assert {entry.value[0]: entry.quality for entry in page}[7] == 60
        assert [entry.frames for entry in page if entry.algorithm is Algorithm.VPDQ] == [2]
        again = merge.merge(tx, into, [a, b])
        assert again == merge.MergeCounts(added=0, already_there=5)
        assert _said(tx, into) == said
        # the lists they came from may go: what was taken over stays, and says from where
        lists.delete(tx, a)
        assert _said(tx, into) == said
        merged = next(act.detail for act in tx.acts if act.action == "list.merge")
        assert merged["merged"][0] == {"name": "a", "list": a.subject}


def test_what_was_derived_once_names_its_first_list(store: Store) -> None:
    with store.transaction() as tx:
        a, b, c = _made(tx, "a", _md5(1)), _made(tx, "b"), _made(tx, "c")
        merge.merge(tx, b, [a])
        merge.merge(tx, c, [b])
        assert _said(tx, c) == {1: [("S-a", "", "", a.subject)]}


@pytest.mark.parametrize(
    ("source", "into", "said"),
    [
        # what the target may do and the source may not
        ({}, {"permitted_purposes": ("match", "export")}, "the purposes export"),
        ({"redistribution": "forbidden"}, {}, "redistribution is unknown, not forbidden"),
        ({}, {"redistribution": "permitted"}, "redistribution is permitted, not unknown"),
        ({"expires_at": NOW}, {}, "it does not end on 2026-11-24"),
        ({"expires_at": NOW}, {"expires_at": NOW + timedelta(days=1)}, "it does not end on"),
        ({}, {"permitted_organisations": ("x",)}, "the organisations x"),
    ],
)
def test_a_merge_may_not_widen_what_is_permitted(
    store: Store, source: dict[str, Any], into: dict[str, Any], said: str
) -> None:
    with store.transaction() as tx:
        one, two = _made(tx, "one", _md5(1), **source), _made(tx, "two", **into)
    with pytest.raises(NotPermitted, match=said), store.transaction() as tx:
        merge.merge(tx, two, [one])
    with store.transaction() as tx:
        assert lists.count(tx, two)[Algorithm.MD5] == 0
        assert _last(tx).action == "list.refuse"


OWN = {"meaning": "source_term", "source_term": "CAT_A"}
CONFIRMED = {"meaning": "confirmed_by_source"}


@pytest.mark.parametrize(
    ("source", "into", "said"),
    [
        # what entries would be called, or do, that on their list they are not and do not
        ({}, CONFIRMED, "said to be confirmed by source, and what is on 'one' unverified"),
        ({}, OWN, "said to be 'CAT_A', and what is on 'one' unverified"),
        (OWN, CONFIRMED, "said to be confirmed by source, and what is on 'one' 'CAT_A'"),
        (OWN, {**OWN, "source_term": "CAT A"}, "said to be 'CAT A', and what is on 'one' 'CAT_A'"),
        ({"state": "disabled"}, {}, "'one' is disabled, and 'two' is enabled"),
        ({"state": "observe"}, {}, "'one' is only observed, and 'two' is enabled"),
        ({"state": "disabled"}, {"state": "observe"}, "disabled, and 'two' is only observed"),
    ],
)
def test_a_merge_gives_entries_no_meaning_and_no_use_that_they_lack(
    store: Store, source: dict[str, Any], into: dict[str, Any], said: str
) -> None:
    with store.transaction() as tx:
        made = [_made(tx, "one", _md5(1)), _made(tx, "two")]
        for list_, facts in zip(made, (source, into), strict=True):
            lists.set_state(tx, list_, facts.get("state", "enabled"))
            _edited(tx, list_, **{name: fact for name, fact in facts.items() if name != "state"})
        one, two = (lists.get(tx, name) for name in ("one", "two"))
    with pytest.raises(NotPermitted, match=said), store.transaction() as tx:
        merge.merge(tx, two, [one])
    with store.transaction() as tx:
        refused = _last(tx)
        assert (refused.action, refused.detail["purpose"]) == ("list.refuse", "merge")
        assert merge.merge(tx, two, [one], i_may="they looked").added == 1
    with store.transaction() as tx:
        assert _last(tx).detail["reason"] == "they looked"


@pytest.mark.parametrize("facts", [OWN, CONFIRMED, {}])
def test_a_merge_may_say_and_do_less(store: Store, facts: dict[str, str]) -> None:
    with store.transaction() as tx:
        one, same, less = (
            _made(tx, "one", _md5(1), **facts),
            _made(tx, "same", **facts),
            _made(tx, "less"),
        )
        lists.set_state(tx, less, "disabled")
        less = lists.get(tx, "less")
        for into in (same, less):
            assert merge.merge(tx, into, [one]).added == 1


def test_what_was_taken_back_stays_so_in_a_merge_and_is_counted(store: Store) -> None:
    with store.transaction() as tx:
        one, two = _made(tx, "one", _md5(1, "a"), _md5(2, "b")), _made(tx, "two", _md5(1, "z"))
        into = _made(tx, "into")
        merge.merge(tx, into, [one])
        retract.retract(tx, into, source="S-one", ids=["a"], at=NOW)
        again = merge.merge(tx, into, [one])
        assert again == merge.MergeCounts(added=0, already_there=1, retracted_here=1)
        assert lists.count(tx, into)[Algorithm.MD5] == 1
        # another source says it: it stands
        both = merge.merge(tx, into, [one, two])
        assert both == merge.MergeCounts(added=0, already_there=3, retracted_here=0)
        assert lists.count(tx, into)[Algorithm.MD5] == 2


def test_lists_that_do_not_go_together(store: Store) -> None:
    with store.transaction() as tx:
        one, ignore = _made(tx, "one"), _made(tx, "ignore", meaning="ignore")
        with pytest.raises(BadInput, match="into itself"):
            merge.merge(tx, one, [one])
        with pytest.raises(BadInput, match="do not go on one list"):
            merge.merge(tx, one, [ignore])


# -- compare and count -----------------------------------------------------------------------


def test_what_two_lists_share(store: Store) -> None:
    with store.transaction() as tx:
        one = _made(tx, "one", _md5(1), _md5(2), _pdq(1))
        two = _made(tx, "two", _md5(2), _md5(3), _md5(4), _md5(5, "gone"))
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
        _made(tx, "three", _md5(2))
        assert compare.overlaps(tx, lists.all_lists(tx)) == [
            Overlap(first="one", second="three", both=1),
            Overlap(first="one", second="two", both=1),
            Overlap(first="three", second="two", both=1),
        ]


def test_figures_of_a_list(store: Store) -> None:
    with store.transaction() as tx:
        other = _made(tx, "other", _md5(1, "o"))
        one = _made(tx, "one", _md5(1, "a"), _md5(2, "b"), _md5(3, "c"), _pdq(1))
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
        one = _made(tx, "one", _md5(1))
        shut = _made(tx, "shut", _md5(1), permitted_purposes=("match",))
        _made(tx, "old", expires_at=NOW)
        assert statistics.look(tx, one, action="list.stats", now=NOW).entries[Algorithm.MD5] == 1
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
            assert _last(tx).action == "list.refuse"


def test_matches_of_another_organisation_are_not_counted(store: Store) -> None:
    with store.transaction("alpha") as tx:
        made = _made(tx, f"m-{store._organisation}", _md5(1))
        (entry,), _ = entries.page(tx, made)
    with store.transaction("beta") as tx:
        matches.record(tx, {entry.id: 7}, at=NOW)
    with store.transaction("alpha") as tx:
        assert statistics.figures(tx, made, now=NOW).ever_matched == 0


# -- export ----------------------------------------------------------------------------------

MAY = {"permitted_purposes": ("match", "export")}


@pytest.mark.parametrize(
    ("facts", "i_may", "said"),
    [
        # purpose, expiry, redistribution
        ({}, "reason", "may not be used to export"),
        ({**MAY, "redistribution": "forbidden"}, "reason", "redistribution is forbidden"),
        ({**MAY, "redistribution": "unknown"}, "", "Nobody noted whether"),
        ({**MAY, "redistribution": "unknown"}, "  ", "Nobody noted whether"),
        ({**MAY, "redistribution": "permitted", "expires_at": NOW}, "", "ended on 2026-11-24"),
    ],
)
def test_an_export_that_is_refused_is_audited(
    store: Store, facts: dict[str, Any], i_may: str, said: str
) -> None:
    with store.transaction() as tx:
        made = _made(tx, "one", **facts)
    with pytest.raises(NotPermitted, match=said), store.transaction() as tx:
        export.check_export(tx, made, i_may=i_may, now=NOW)
    with store.transaction() as tx:
        assert _last(tx).detail["purpose"] == "export"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        # what the list they came from says now, whatever the list that has them says
        ({}, "may not be used to export"),
        ({**MAY, "redistribution": "forbidden"}, "redistribution is forbidden"),
        ({**MAY, "redistribution": "permitted", "expires_at": NOW}, "ended on 2026-11-24"),
    ],
)
def test_what_was_taken_from_a_list_is_given_away_only_if_that_list_permits_it(
    store: Store, facts: dict[str, Any], said: str
) -> None:
    with store.transaction() as tx:
        partner = _made(tx, "partner", _md5(1))
        ours = _made(tx, "ours")
        merge.merge(tx, ours, [partner])
        _edited(tx, partner, **facts)
        ours = _edited(tx, ours, **MAY, redistribution="permitted")
        shown = entries.show(tx, ours, now=NOW)
        assert (shown.whole, said in shown.reason) == (False, True)
        assert origins.why_shortened(tx, ours, origins.origins_of(tx, ours), now=NOW)
    refused = pytest.raises(NotPermitted, match=f"taken from 'partner'.*{said}")
    with refused, store.transaction() as tx:
        export.check_export(tx, ours, i_may="we may", now=NOW)
    with store.transaction() as tx:
        event = _last(tx)
        assert (event.action, event.subject) == ("list.refuse", ours.subject)
        assert said in event.detail["reason"]
        _edited(tx, partner, **MAY, redistribution="permitted", expires_at=None)
        export.check_export(tx, ours, now=NOW)
        assert entries.show(tx, ours, now=NOW).whole


def test_nobody_can_ask_a_list_that_is_gone(store: Store) -> None:
    with store.transaction() as tx:
        partner, ours = _made(tx, "partner", _md5(1)), _made(tx, "ours")
        merge.merge(tx, ours, [partner])
        lists.delete(tx, partner)
        ours = _edited(tx, ours, **MAY, redistribution="permitted")
        assert not entries.show(tx, ours, now=NOW).whole
        with pytest.raises(NotPermitted, match="taken from a list that is gone"):
            export.check_export(tx, ours, now=NOW)
        export.check_export(tx, ours, i_may="agreed on 3 November", now=NOW)


def test_what_was_taken_back_asks_no_list(store: Store) -> None:
    with store.transaction() as tx:
        partner, ours = _made(tx, "partner", _md5(1)), _made(tx, "ours", _md5(2))
        merge.merge(tx, ours, [partner])
        ours = _edited(tx, ours, **MAY, redistribution="permitted")
        retract.retract(tx, ours, source="S-partner", ids=None, at=NOW)
        export.check_export(tx, ours, now=NOW)
        # but the retracted entry is among those that are shown
        assert not entries.show(tx, ours, now=NOW).whole


def test_all_that_stands_is_exported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_PAGE", 2)
    with store.transaction() as tx:
        rows = [*(_md5(number, str(number)) for number in range(1, 8)), VIDEO]
        made = _made(tx, "one", *rows, **MAY)
        retract.retract(tx, made, source="S-one", ids=["3"], at=NOW)
        export.check_export(tx, made, i_may="our own", now=NOW)
        found = list(export.entries_to_export(tx, made, now=NOW))
        values = {one.entry.value: one.frames for one in found}
        assert values == {row.value: row.frames for row in rows if row.their_id != "3"}
        export.record_export(tx, made, form="csv", entries=7, left_out=0, i_may="our own")
    with store.transaction() as tx:
        assert _last(tx).detail == {
            "name": "one", "format": "csv", "entries": 7, "left_out": 0, "reason": "our own",
        }  # fmt: skip
