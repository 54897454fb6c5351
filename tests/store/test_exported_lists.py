"""Export."""

from typing import Any

import pytest
from made_lists import NOW, VIDEO, edit_list, last_event, make_list, md5

from safelight.errors import NotPermitted
from safelight.store import entries, export, lists, merge, origins, retract
from safelight.store.database import Store

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
        made = make_list(tx, "one", **facts)
    with pytest.raises(NotPermitted, match=said), store.transaction() as tx:
        export.check_export(tx, made, i_may=i_may, now=NOW)
    with store.transaction() as tx:
        assert last_event(tx).detail["purpose"] == "export"


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
        partner = make_list(tx, "partner", md5(1))
        ours = make_list(tx, "ours")
        merge.merge(tx, ours, [partner])
        edit_list(tx, partner, **facts)
        ours = edit_list(tx, ours, **MAY, redistribution="permitted")
        shown = entries.show(tx, ours, now=NOW)
        assert (shown.whole, said in shown.reason) == (False, True)
        assert origins.why_shortened(tx, ours, origins.origins_of(tx, ours), now=NOW)
    refused = pytest.raises(NotPermitted, match=f"taken from 'partner'.*{said}")
    with refused, store.transaction() as tx:
        export.check_export(tx, ours, i_may="we may", now=NOW)
    with store.transaction() as tx:
        event = last_event(tx)
        assert (event.action, event.subject) == ("list.refuse", ours.subject)
        assert said in event.detail["reason"]
        edit_list(tx, partner, **MAY, redistribution="permitted", expires_at=None)
        export.check_export(tx, ours, now=NOW)
        assert entries.show(tx, ours, now=NOW).whole


def test_nobody_can_ask_a_list_that_is_gone(store: Store) -> None:
    with store.transaction() as tx:
        partner, ours = make_list(tx, "partner", md5(1)), make_list(tx, "ours")
        merge.merge(tx, ours, [partner])
        lists.delete(tx, partner)
        ours = edit_list(tx, ours, **MAY, redistribution="permitted")
        assert not entries.show(tx, ours, now=NOW).whole
        with pytest.raises(NotPermitted, match="taken from a list that is gone"):
            export.check_export(tx, ours, now=NOW)
        export.check_export(tx, ours, i_may="agreed on 3 November", now=NOW)


def test_what_was_taken_back_asks_no_list(store: Store) -> None:
    with store.transaction() as tx:
        partner, ours = make_list(tx, "partner", md5(1)), make_list(tx, "ours", md5(2))
        merge.merge(tx, ours, [partner])
        ours = edit_list(tx, ours, **MAY, redistribution="permitted")
        retract.retract(tx, ours, source="S-partner", ids=None, at=NOW)
        export.check_export(tx, ours, now=NOW)
        # but the retracted entry is among those that are shown
        assert not entries.show(tx, ours, now=NOW).whole


def test_all_that_stands_is_exported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_PAGE", 2)
    with store.transaction() as tx:
        rows = [*(md5(number, str(number)) for number in range(1, 8)), VIDEO]
        made = make_list(tx, "one", *rows, **MAY)
        retract.retract(tx, made, source="S-one", ids=["3"], at=NOW)
        export.check_export(tx, made, i_may="our own", now=NOW)
        found = list(export.entries_to_export(tx, made, now=NOW))
        values = {one.entry.value: one.frames for one in found}
        assert values == {row.value: row.frames for row in rows if row.their_id != "3"}
        export.record_export(tx, made, form="csv", entries=7, left_out=0, i_may="our own")
    with store.transaction() as tx:
        assert last_event(tx).detail == {
            "name": "one", "format": "csv", "entries": 7, "left_out": 0, "reason": "our own",
        }  # fmt: skip
