from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from safelight.errors import BadInput, ListExists, ListNotFound, NotPermitted
from safelight.matching.load import Sources, load_lists
from safelight.matching.rules import MatchPolicy, Standing
from safelight.model import Algorithm, HashRow
from safelight.store import audit, imports, lists
from safelight.store.database import Store

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def _new(name: str = "one", **facts: object) -> lists.NewList:
    return lists.NewList(name=name, source="Source", **facts)  # type: ignore[arg-type]


def test_a_list_comes_back_as_it_was_made(store: Store) -> None:
    new = _new(
        meaning="source_term",
        source_term="class B1",
        licence="agreement 7",
        permitted_purposes=("match", "export"),
        redistribution="forbidden",
        contract_reference="shelf 3",
        expires_at=NOW,
    )
    with store.transaction() as tx:
        made = lists.create(tx, new)
    with store.transaction() as tx:
        found = lists.get(tx, "one")
    assert found == made
    assert {name: getattr(found, name) for name in new.__dataclass_fields__} == {
        **{name: getattr(new, name) for name in new.__dataclass_fields__},
        "permitted_purposes": ("export", "match"),
    }
    assert (found.state, found.change) == ("enabled", 0)


@pytest.mark.parametrize(
    "facts",
    [
        {"name": ""},
        {"name": " a"},
        {"name": "a\nb"},
        {"name": "x" * 101},
        {"meaning": "illegal"},
        {"meaning": "source_term"},  # the term itself is missing
        {"source_term": "B1"},  # a term without that meaning
        {"permitted_purposes": ("sell",)},
        {"redistribution": "maybe"},
        {"expires_at": datetime(2027, 1, 1)},  # no time zone
    ],
)
def test_a_list_that_cannot_be(store: Store, facts: dict[str, object]) -> None:
    with pytest.raises(BadInput), store.transaction() as tx:
        lists.create(tx, _new(**{"name": "one", **facts}))  # type: ignore[arg-type]
    with store.transaction() as tx:
        assert lists.all_lists(tx) == []
        assert list(audit.events(tx)) == []


def test_a_name_is_given_once(store: Store) -> None:
    with store.transaction() as tx:
        lists.create(tx, _new())
    with pytest.raises(ListExists), store.transaction() as tx:
        lists.create(tx, _new())


def test_an_unknown_name_is_answered_with_the_known_ones(store: Store) -> None:
    with store.transaction() as tx:
        lists.create(tx, _new("aa"))
        lists.create(tx, _new("bb"))
    with pytest.raises(ListNotFound, match="There are: aa, bb"), store.transaction() as tx:
        lists.get(tx, "cc")


def test_counts_and_delete(store: Store) -> None:
    rows = [HashRow(1, Algorithm.PDQ, bytes(32)), HashRow(2, Algorithm.MD5, bytes(16))]
    with store.transaction() as tx:
        one, two = lists.create(tx, _new("one")), lists.create(tx, _new("two"))
        imports.import_entries(tx, one, rows)
    with store.transaction() as tx:
        counts = {found.name: found.counts for found in lists.all_lists(tx)}
        assert counts == {"one": {Algorithm.PDQ: 1, Algorithm.MD5: 1}, "two": {}}
        nothing = dict.fromkeys(("sha1", "sha256", "vpdq", "photodna"), 0)
        assert lists.count(tx, one) == {"pdq": 1, "md5": 1, **nothing}
        assert lists.delete(tx, one) == 2
        assert lists.delete(tx, two) == 0
    with pytest.raises(ListNotFound), store.transaction() as tx:
        lists.set_state(tx, one, "enabled")


def test_every_change_is_audited_with_its_actor(store: Store) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, _new())
        lists.set_state(tx, one, "disabled")
    with store.transaction(actor="other") as tx:
        lists.set_state(tx, one, "enabled")
        imports.import_entries(tx, one, [HashRow(1, Algorithm.MD5, bytes(16))])
        lists.delete(tx, one)
    with store.transaction() as tx:
        found = [(e.seq, e.actor, e.action, e.subject) for e in audit.events(tx)]
    assert found == [
        (1, "tester", "list.create", one.subject),
        (2, "tester", "list.disable", one.subject),
        (3, "other", "list.enable", one.subject),
        (4, "other", "list.import", one.subject),
        (5, "other", "list.delete", one.subject),
    ]


def test_a_refusal_is_audited_although_nothing_else_is_written(store: Store) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, _new(permitted_purposes=("statistics",)))
    with pytest.raises(NotPermitted), store.transaction() as tx:  # noqa: PT012
        lists.create(tx, _new("two"))
        lists.permit(tx, one, now=NOW)
    with store.transaction() as tx:
        assert [found.name for found in lists.all_lists(tx)] == ["one"]
        assert [event.action for event in audit.events(tx)] == ["list.create", "list.refuse"]


def test_lists_left_out_are_audited_and_said_when_none_remains(store: Store) -> None:
    with store.transaction() as tx:
        lists.create(tx, _new("old", expires_at=NOW - timedelta(seconds=1)))
    said = "no enabled hash list .* The permission to use the list 'old' ended on 2026-11-21"
    with pytest.raises(BadInput, match=said), store.transaction() as tx:
        load_lists(tx, Sources(), now=NOW)
    with store.transaction() as tx:
        assert [event.action for event in audit.events(tx)] == ["list.create", "list.refuse"]


def test_a_refusal_is_audited_whatever_ends_the_transaction(store: Store) -> None:
    with store.transaction() as tx:
        one = lists.create(tx, _new(permitted_purposes=("statistics",)))
    for error in (KeyboardInterrupt, sa.exc.ProgrammingError):
        with pytest.raises(error), store.transaction() as tx:  # noqa: PT012
            with pytest.raises(NotPermitted):
                lists.permit(tx, one, now=NOW)
            if error is KeyboardInterrupt:
                raise KeyboardInterrupt
            tx.connection.execute(sa.text("SELECT nonsense"))
    with store.transaction() as tx:
        actions = [event.action for event in audit.events(tx)]
    assert actions == ["list.create", "list.refuse", "list.refuse"]


def test_which_lists_are_matched_against(store: Store) -> None:
    with store.transaction() as tx:
        lists.create(tx, _new("good"))
        lists.set_state(tx, lists.create(tx, _new("off")), "disabled")
        lists.create(tx, _new("old", expires_at=NOW - timedelta(seconds=1)))
        usable, reasons = lists.lists_for_matching(tx, now=NOW)
        assert [found.name for found in usable] == ["good"]
        assert reasons == [
            "The permission to use the list 'old' ended on 2026-11-21. "
            "Agree on a new one with Source."
        ]
    for name in ("off", "old"):
        with pytest.raises(NotPermitted), store.transaction() as tx:
            lists.lists_for_matching(tx, ["good", name], now=NOW)


def test_the_word_of_a_source_is_a_fact_of_its_own(store: Store) -> None:
    with store.transaction() as tx:
        made = lists.create(tx, _new("a", meaning="source_term", source_term="CAT_A"))
        imports.import_entries(tx, made, [HashRow(1, Algorithm.MD5, bytes([1]) * 16)])
        (facts,) = load_lists(tx, Sources(), now=NOW).about
    assert (facts.meaning, facts.source_term) == ("source_term", "CAT_A")


def test_what_is_observed_or_ignored_is_told_and_changes_no_verdict(store: Store) -> None:
    rows = {name: HashRow(1, Algorithm.MD5, bytes([n]) * 16) for n, name in enumerate("abc")}
    with store.transaction() as tx:
        for name, row in rows.items():
            made = lists.create(tx, _new(name, meaning="ignore" if name == "c" else "unverified"))
            terms = imports.terms_of(tx, made, now=NOW)
            imports.import_entries(tx, made, [row], terms=terms)
            if name == "b":
                lists.set_state(tx, made, "observe")
        loaded = load_lists(tx, Sources(), now=NOW)
        for facts in loaded.about:
            assert (facts.permitted_purposes, facts.redistribution) == (
                lists.get(tx, facts.name).permitted_purposes,
                "unknown",
            )
        lists.set_state(tx, lists.get(tx, "b"), "enabled")
        enabled = load_lists(tx, Sources(), now=NOW)
    assert (loaded.observed, loaded.ignore) == ({"b"}, {"c"})
    assert [(one.name, one.source, one.change, one.entries) for one in loaded.about] == [
        ("a", "Source", 1, 1),
        ("b", "Source", 1, 1),
        ("c", "Source", 1, 1),
    ]
    policy = MatchPolicy(radius=31, min_quality=50)
    hits = [loaded.matcher.hash_hits(Algorithm.MD5, row.value, policy) for row in rows.values()]
    assert [[(hit.match.list_name, hit.standing) for hit in some] for some in hits] == [
        [("a", Standing.COUNTS)],
        [("b", Standing.OBSERVED)],
        [("c", Standing.IGNORE)],
    ]
    # the same entries with another say over the verdict are not the same lists
    assert enabled.fingerprint != loaded.fingerprint
    assert [one.digest for one in enabled.about] == [one.digest for one in loaded.about]
