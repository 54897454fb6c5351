"""Who answers for entries and until when: on lists to ignore always, elsewhere as was said."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from made_lists import NOW, edit_list, last_event, make_list, md5

from safelight.errors import BadInput
from safelight.model import Algorithm
from safelight.store import entries, entry_arrays, imports, lists, retract
from safelight.store.database import Store
from safelight.store.imports import Terms
from safelight.store.lists import HashList, NewList
from safelight.store.transaction import Transaction

LATER = datetime(2098, 1, 31, 23, 59, 59, tzinfo=UTC)
USUAL = datetime(2027, 11, 24, 23, 59, 59, tzinfo=UTC)


def _terms(tx: Transaction, list_: HashList) -> dict[int, list[tuple[str, datetime | None]]]:
    """Owner and end of what stands, by the entry's first byte."""
    return {
        one.value[0]: [(s.owner, s.expires_at) for s in one.assertions if not s.retracted_at]
        for one in entries.page(tx, list_)[0]
    }


def test_what_is_ignored_from_now_on_gets_an_owner_and_an_end(store: Store) -> None:
    with store.transaction() as tx:
        one = make_list(tx, "one", md5(1), md5(2, "gone"))
        imports.import_entries(tx, one, [md5(3)], terms=Terms(owner="Olu"))
        imports.import_entries(tx, one, [md5(4)], terms=Terms(until=LATER))
        imports.import_entries(tx, one, [md5(5)], terms=Terms(owner="Olu", until=LATER))
        retract.retract(tx, one, source="S-one", ids=["gone"], at=NOW)
        other = make_list(tx, "other", md5(1))
        before = lists.get(tx, "one")
        same = {name: getattr(before, name) for name in NewList.__dataclass_fields__}
        edited = lists.edit(tx, before, NewList(**{**same, "meaning": "ignore"}), now=NOW)
        assert edited == lists.Edited(list_=lists.get(tx, "one"), given=3)
        assert _terms(tx, one) == {
            1: [("tester", USUAL)],
            2: [],
            3: [("Olu", USUAL)],
            4: [("tester", LATER)],
            5: [("Olu", LATER)],
        }
        assert _terms(tx, other) == {1: [("", None)]}
        told = entry_arrays.entries_changed(tx, one.id, before.change).arrays[Algorithm.MD5]
        assert sorted(value[0] for value in told.values.tolist()) == [1, 3, 4]
        assert told.until is not None
        assert np.unique(told.until).tolist() == [int(USUAL.timestamp()), int(LATER.timestamp())]
    with store.transaction() as tx:
        assert last_event(tx).detail["given_terms"] == 3


def test_where_all_is_said_an_edit_takes_no_change_number(store: Store) -> None:
    with store.transaction() as tx:
        one = make_list(tx, "one", md5(1), meaning="ignore")
        now = edit_list(tx, edit_list(tx, one, meaning="unverified"), meaning="ignore")
        assert (now.meaning, now.change) == ("ignore", one.change)


@pytest.mark.parametrize("terms", [Terms(), Terms(owner="Olu"), Terms(until=LATER)])
def test_nothing_comes_on_a_list_to_ignore_without_an_owner_and_an_end(
    store: Store, terms: Terms
) -> None:
    with store.transaction() as tx:
        stale = make_list(tx, "one")
        edit_list(tx, stale, meaning="ignore")
    with store.transaction() as tx:
        with pytest.raises(BadInput, match="needs an owner and an end"):
            imports.import_entries(tx, stale, [md5(1)], terms=terms)  # it knew no better
        full = Terms(owner="Olu", until=LATER)
        assert imports.import_entries(tx, stale, [md5(1)], terms=full).added == 1


def test_an_end_stays_until_another_is_said_or_that_there_is_none(store: Store) -> None:
    with store.transaction() as tx:
        one = make_list(tx, "one")
        ends = []
        for terms in (
            Terms(until=LATER),
            Terms(),
            Terms(until=LATER - timedelta(days=1)),
            Terms(owner="Olu"),
            Terms(endless=True),
            Terms(),
        ):
            imports.import_entries(tx, one, [md5(1)], terms=terms)
            ends.append(_terms(tx, one)[1][0][1])
    day_before = LATER - timedelta(days=1)
    assert ends == [LATER, LATER, day_before, day_before, None, None]


def test_what_is_said_again_and_has_ended_is_counted(store: Store) -> None:
    past = Terms(until=datetime(2020, 1, 1, tzinfo=UTC))
    with store.transaction() as tx:
        one = make_list(tx, "one")
        imports.import_entries(tx, one, [md5(1), md5(2), md5(3), md5(4)], terms=past)
        imports.import_entries(tx, one, [md5(2)], source="T")  # somebody stands by it
        retract.retract(tx, one, source="S-one", ids=[""], at=NOW)
        again = imports.import_entries(tx, one, [md5(1), md5(2), md5(3), md5(9)])
        assert (again.added, again.already_there, again.ended) == (1, 3, 2)
        renewed = imports.import_entries(tx, one, [md5(1), md5(3)], terms=Terms(endless=True))
        assert renewed.ended == 0


@pytest.mark.parametrize(
    ("meaning", "until"), [("ignore", None), ("ignore", LATER), ("unverified", LATER)]
)
def test_there_is_an_end_or_none(store: Store, meaning: str, until: datetime | None) -> None:
    with store.transaction() as tx:
        one = make_list(tx, "one", meaning=meaning)
        with pytest.raises(BadInput, match="There is an end, or there is none"):
            imports.terms_of(tx, one, until=until, endless=True, now=NOW)
        plain = make_list(tx, "plain")
        assert imports.terms_of(tx, plain, endless=True, now=NOW) == Terms(endless=True)
