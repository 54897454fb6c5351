from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from tests_store_owner import owner_transaction

from safelight.errors import DatabaseUnavailable
from safelight.store import audit
from safelight.store.database import Store
from safelight.store.transaction import Transaction


@contextmanager
def _tampered(store: Store, owner: sa.Engine, statement: str) -> Iterator[Transaction]:
    """A trail of six events after the statement, which is undone afterwards."""
    with store.transaction() as tx:
        for number in range(6):
            tx.record("thing.do", f"thing:{number}", number=number, text="ä\ud800\0", none=None)
    with owner_transaction(owner, tx.organisation) as own:
        own.connection.execute(sa.text("ALTER TABLE audit_event DISABLE TRIGGER is_final"))
        own.connection.execute(sa.text("ALTER TABLE audit_event DROP CONSTRAINT audit_event_pkey"))
        own.connection.execute(sa.text(statement))
        yield own


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        # nothing at all
        ("SELECT 1", []),
        # another actor, another detail, another time
        ("UPDATE audit_event SET actor = 'x' WHERE seq = 3", [(3, "changed")]),
        ("UPDATE audit_event SET detail = '{}' WHERE seq = 6", [(6, "changed")]),
        ("UPDATE audit_event SET at = at + interval '1 us' WHERE seq = 1", [(1, "changed")]),
        # an event whose digest was put right again no longer fits the next
        ("UPDATE audit_event SET digest = sha256('x') WHERE seq = 2",
         [(2, "changed"), (3, "relinked")]),
        # dropped: the first, one between, several, the last, all
        ("DELETE FROM audit_event WHERE seq = 1", [(1, "missing")]),
        ("DELETE FROM audit_event WHERE seq = 4", [(4, "missing")]),
        ("DELETE FROM audit_event WHERE seq IN (2, 3)", [(2, "missing")]),
        ("DELETE FROM audit_event WHERE seq = 6", [(6, "missing")]),
        ("DELETE FROM audit_event", [(1, "missing")]),
        # two change places
        (
            "UPDATE audit_event SET seq = 7 - seq WHERE seq IN (3, 4)",
            [(3, "moved"), (3, "relinked"), (4, "moved"), (4, "relinked"), (5, "relinked")],
        ),
        # the head is set back, or gone
        ("UPDATE audit_head SET seq = 5", [(6, "head")]),
        ("DELETE FROM audit_head", [(6, "head")]),
    ],
)  # fmt: skip
def test_tampering_is_found(
    store: Store, database: object, statement: str, faults: list[tuple[int, str]]
) -> None:
    with _tampered(store, database.owner, statement) as tx:  # type: ignore[attr-defined]
        result = audit.verify(tx)
    assert sorted((fault.seq, fault.kind) for fault in result.faults) == faults


def test_what_is_stored_is_what_was_digested(store: Store) -> None:
    with store.transaction() as tx:
        tx.record("thing.do", "thing:\0\ud800", text="\0\ud800é", nested={"a": [1, True, None]})
    with store.transaction() as tx:
        (event,) = audit.events(tx)
    assert event.subject == "thing:\ufffd?"
    assert event.detail == {"text": "\ufffd?é", "nested": {"a": [1, True, None]}}
    assert event.digest == event.computed()


def test_the_application_cannot_touch_what_was_written(store: Store, database: object) -> None:
    with store.transaction() as tx:
        tx.record("thing.do", "thing:1")
    for statement in ("UPDATE audit_event SET actor = 'x'", "DELETE FROM audit_event"):
        with pytest.raises(DatabaseUnavailable, match=r"never changed|permission denied"):
            _execute(store, statement)
        with owner_transaction(database.owner, tx.organisation) as own:  # type: ignore[attr-defined]
            text = sa.text(statement)
            with pytest.raises(sa.exc.DBAPIError, match="never changed"):
                own.connection.execute(text)


def _execute(store: Store, statement: str) -> None:
    with store.transaction() as tx:
        tx.connection.execute(sa.text(statement))


def test_a_failed_transaction_leaves_no_event(store: Store) -> None:
    with pytest.raises(sa.exc.ProgrammingError), store.transaction() as tx:  # noqa: PT012
        tx.record("thing.do", "thing:1")
        tx.connection.execute(sa.text("SELECT nonsense"))
    with store.transaction() as tx:
        assert audit.verify(tx) == audit.Verification(events=0, head="00" * 32, faults=())


def test_appending_meanwhile_is_no_fault(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = list(range(9))

    def append(*_: object) -> None:
        if waiting:
            waiting.pop()
            with store.transaction() as other:
                other.record("thing.do", "thing:other")

    append()
    append()
    monkeypatch.setattr(audit, "_PAGE", 1)
    with store.transaction() as tx:
        sa.event.listen(tx.connection, "after_execute", append)  # after whatever it reads
        result = audit.verify(tx)
    assert (result.events, result.faults) == (2, ())
    with store.transaction() as tx:
        later = audit.verify(tx)
    assert later.events > 4
    assert later.faults == ()
