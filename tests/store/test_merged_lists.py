"""Merge."""

from datetime import timedelta
from typing import Any

import pytest
from made_lists import NOW, VIDEO, edit_list, last_event, make_list, md5, pdq, said_of

from safelight.errors import BadInput, NotPermitted
from safelight.model import Algorithm
from safelight.store import entries, lists, merge, retract
from safelight.store.database import Store


def test_a_merge_keeps_who_said_what_and_from_where(store: Store) -> None:
    with store.transaction() as tx:
        a = make_list(tx, "a", md5(1, "a1", "A"), md5(2, "a2"), pdq(7, 60), VIDEO)
        b = make_list(tx, "b", md5(1, "b1", "B"), md5(3), md5(9))
        retract.retract(tx, b, source="S-b", ids=[""], at=NOW)  # 3 and 9
        into = make_list(tx, "into", md5(1, "own", "C"), pdq(7))
        counts = merge.merge(tx, into, [a, b])
        assert counts == merge.MergeCounts(added=2, already_there=3)
        said = said_of(tx, into)
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
        assert said_of(tx, into) == said
        # the lists they came from may go: what was taken over stays, and says from where
        lists.delete(tx, a)
        assert said_of(tx, into) == said
        merged = next(act.detail for act in tx.acts if act.action == "list.merge")
        assert merged["merged"][0] == {"name": "a", "list": a.subject}


def test_what_was_derived_once_names_its_first_list(store: Store) -> None:
    with store.transaction() as tx:
        a, b, c = make_list(tx, "a", md5(1)), make_list(tx, "b"), make_list(tx, "c")
        merge.merge(tx, b, [a])
        merge.merge(tx, c, [b])
        assert said_of(tx, c) == {1: [("S-a", "", "", a.subject)]}


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
        one, two = make_list(tx, "one", md5(1), **source), make_list(tx, "two", **into)
    with pytest.raises(NotPermitted, match=said), store.transaction() as tx:
        merge.merge(tx, two, [one])
    with store.transaction() as tx:
        assert lists.count(tx, two)[Algorithm.MD5] == 0
        assert last_event(tx).action == "list.refuse"


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
        made = [make_list(tx, "one", md5(1)), make_list(tx, "two")]
        for list_, facts in zip(made, (source, into), strict=True):
            lists.set_state(tx, list_, facts.get("state", "enabled"))
            edit_list(tx, list_, **{name: fact for name, fact in facts.items() if name != "state"})
        one, two = (lists.get(tx, name) for name in ("one", "two"))
    with pytest.raises(NotPermitted, match=said), store.transaction() as tx:
        merge.merge(tx, two, [one])
    with store.transaction() as tx:
        refused = last_event(tx)
        assert (refused.action, refused.detail["purpose"]) == ("list.refuse", "merge")
        assert merge.merge(tx, two, [one], i_may="they looked").added == 1
    with store.transaction() as tx:
        assert last_event(tx).detail["reason"] == "they looked"


@pytest.mark.parametrize("facts", [OWN, CONFIRMED, {}])
def test_a_merge_may_say_and_do_less(store: Store, facts: dict[str, str]) -> None:
    with store.transaction() as tx:
        one, same, less = (
            make_list(tx, "one", md5(1), **facts),
            make_list(tx, "same", **facts),
            make_list(tx, "less"),
        )
        lists.set_state(tx, less, "disabled")
        less = lists.get(tx, "less")
        for into in (same, less):
            assert merge.merge(tx, into, [one]).added == 1


def test_what_was_taken_back_stays_so_in_a_merge_and_is_counted(store: Store) -> None:
    with store.transaction() as tx:
        one, two = make_list(tx, "one", md5(1, "a"), md5(2, "b")), make_list(tx, "two", md5(1, "z"))
        into = make_list(tx, "into")
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
        one, ignore = make_list(tx, "one"), make_list(tx, "ignore", meaning="ignore")
        with pytest.raises(BadInput, match="into itself"):
            merge.merge(tx, one, [one])
        with pytest.raises(BadInput, match="do not go on one list"):
            merge.merge(tx, one, [ignore])
