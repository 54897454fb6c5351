"""Edit, observe, retract."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from made_lists import NOW, last_event, make_list, md5

from safelight.errors import BadInput, ListExists
from safelight.model import Algorithm, HashRow
from safelight.store import entries, imports, lists, retract
from safelight.store.database import Store
from safelight.store.lists import Edited, NewList


def test_what_is_edited_is_audited_with_old_and_new(store: Store) -> None:
    with store.transaction() as tx:
        made = make_list(tx, "one")
    new = NewList(
        name="uno",
        source="S-one",
        meaning="source_term",
        source_term="B1",
        expires_at=NOW,
        permitted_organisations=("other",),
    )
    with store.transaction() as tx:
        edited = lists.edit(tx, made, new, now=NOW).list_
    with store.transaction() as tx:
        assert lists.get(tx, "uno") == edited
        assert {name: getattr(edited, name) for name in NewList.__dataclass_fields__} == {
            name: getattr(new, name) for name in NewList.__dataclass_fields__
        }
        event = last_event(tx)
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
        made = make_list(tx, "one")
        before = len(tx.acts)
        same = {name: getattr(made, name) for name in NewList.__dataclass_fields__}
        assert lists.edit(tx, made, NewList(**same), now=NOW) == Edited(list_=made)
        assert len(tx.acts) == before


@pytest.mark.parametrize(
    ("facts", "error"),
    [({"name": "two"}, ListExists), ({"meaning": "x"}, BadInput), ({"source": ""}, BadInput)],
)
def test_an_edit_that_cannot_be(
    store: Store, facts: dict[str, str], error: type[Exception]
) -> None:
    with store.transaction() as tx:
        made = make_list(tx, "one")
        make_list(tx, "two")
    with pytest.raises(error), store.transaction() as tx:
        lists.edit(tx, made, replace(NewList(name="one", source="S-one"), **facts), now=NOW)


def test_states(store: Store) -> None:
    with store.transaction() as tx:
        made = make_list(tx, "one")
        lists.set_state(tx, made, "observe")
        usable, _ = lists.lists_for_matching(tx, now=NOW)
        assert [(one.name, one.state) for one in usable] == [("one", "observe")]
        assert lists.lists_for_matching(tx, ["one"], now=NOW)[0] == usable
        assert tx.acts[-1].action == "list.observe"
        with pytest.raises(BadInput, match="is not a state"):
            lists.set_state(tx, made, "hidden")


def test_an_entry_is_silent_when_nobody_stands_by_it(store: Store) -> None:
    with store.transaction() as tx:
        one = make_list(tx, "one", md5(1, "a"), md5(2, "b"))
        imports.import_entries(tx, one, [md5(2, "x")], source="T")
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
        imports.import_entries(tx, one, [md5(1, "a")])
        first = entries.page(tx, one)[0][0]
        assert (first.retracted, first.change) == (False, 4)
        assert [said.retracted_at for said in first.assertions] == [None]


def test_all_that_a_source_said(store: Store) -> None:
    with store.transaction() as tx:
        one, two = make_list(tx, "one", md5(1), md5(2)), make_list(tx, "two", md5(1))
        imports.import_entries(tx, two, [md5(3)], source="S-one")
        done = retract.retract(tx, one, source="S-one", ids=None, at=NOW)
        assert done == retract.Retracted(assertions=2, entries=2)
        assert lists.count(tx, two)[Algorithm.MD5] == 2  # another list is not touched
        for source, ids in (("S-one", None), ("nobody", None), ("S-one", ["?"])):
            with pytest.raises(BadInput, match="Nothing to retract"):
                retract.retract(tx, one, source=source, ids=ids, at=NOW)


@pytest.mark.parametrize("is_known", [False, True])
def test_one_id_is_found_without_reading_the_rest(
    store: Store, database: Any, is_known: bool
) -> None:
    """Whether or not PostgreSQL has looked at the tables since they were filled."""
    with store.transaction() as tx:
        rows = [HashRow(n, Algorithm.MD5, n.to_bytes(16), None, f"{n}") for n in range(20_000)]
        one = make_list(tx, "one", *rows)
    if is_known:
        with database.owner.begin() as connection:
            connection.execute(sa.text("ANALYZE entry, entry_assertion"))
    plans: list[str] = []

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().startswith("WITH taken"):
            cursor.execute("SAVEPOINT before")
            cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement, parameters)
            plans.append(json.dumps(cursor.fetchone()[0]))
            cursor.execute("ROLLBACK TO before")

    with store.transaction() as tx:
        sa.event.listen(tx.connection, "before_cursor_execute", explain)
        retract.retract(tx, one, source="S-one", ids=["777"], at=NOW)
    (plan,) = plans
    read = [int(number) for number in re.findall(r'Removed by \w+ ?\w*": (\d+)', plan)]
    assert max(read, default=0) < 100, plan
