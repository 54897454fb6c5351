from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from safelight.model import Algorithm, HashRow, VideoFrame, video_value
from safelight.store import alarms, entries, imports, lists, matches, migrate, tables
from safelight.store.alarms import NewAlarm
from safelight.store.database import Store
from safelight.store.lists import NewList
from safelight.store.migrations import HEAD
from safelight.store.tables import GRANTS, metadata
from safelight.store.transaction import Transaction

PRIVATE = sorted(t.name for t in metadata.tables.values() if "organisation" in t.c)

OF_LISTS = (
    tables.entry,
    tables.entry_frame,
    tables.entry_assertion,
    tables.entry_match_count,
    tables.entry_match_day,
    tables.flood_alarm,
)

# What must not get in, with an organisation that is not the list's or the entry's.
INTRUDERS = {
    "INSERT INTO entry (organisation, list, algorithm, value, quality, mode, change) "
    "VALUES (:beta, :list, 'md5', '\\x01', -2, 'not_applicable', 1)": sa.exc.ProgrammingError,
    "INSERT INTO entry_assertion (organisation, entry, source, their_id, their_class) "
    "VALUES (:beta, :entry, 'S', '', '')": sa.exc.IntegrityError,
    "INSERT INTO entry_frame (organisation, entry, number, milliseconds, quality, value) "
    "VALUES (:beta, :entry, 0, 0, 100, '\\x01')": sa.exc.IntegrityError,
    "INSERT INTO entry_match_count (organisation, entry, matches, first_at, last_at) "
    "VALUES (:beta, :entry, 1, now(), now())": sa.exc.IntegrityError,
    "INSERT INTO entry_match_day (organisation, entry, day, matches) "
    "VALUES (:beta, :entry, now(), 1)": sa.exc.IntegrityError,
    "INSERT INTO flood_alarm (organisation, entry, list, day, kind, matches, expected, raised_at) "
    "VALUES (:beta, :entry, :list, now(), 'near', 1, 1, now())": sa.exc.IntegrityError,
}


def test_migrations_make_the_tables(database: object) -> None:
    with database.owner.connect() as connection:  # type: ignore[attr-defined]
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_known_without_alembic() -> None:
    folder = migrate.Path(migrate.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_every_table_is_granted_what_it_needs() -> None:
    assert set(GRANTS) == {*metadata.tables, "alembic_version", "entry_id_seq"}


def test_a_grant_that_is_missing_is_made_without_a_new_migration(database: object) -> None:
    engine = database.owner  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE ROLE safelight_new"))
    try:
        migrate.migrate(engine, "safelight_new")
        for table, rights in GRANTS.items():
            for right in rights.split(", "):
                with engine.begin() as connection:
                    connection.execute(sa.text(f"REVOKE {right} ON {table} FROM safelight_new"))
                migrate.migrate(engine, "safelight_new")
                with engine.connect() as connection:
                    query = f"SELECT has_table_privilege('safelight_new', '{table}', '{right}')"
                    assert connection.scalar(sa.text(query)), (table, right)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("DROP OWNED BY safelight_new"))
            connection.execute(sa.text("DROP ROLE safelight_new"))


def test_row_security_is_on_everywhere(database: object) -> None:
    query = sa.text(
        "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity "
        "AND relnamespace = current_schema()::regnamespace ORDER BY relname"
    )
    with database.owner.connect() as connection:  # type: ignore[attr-defined]
        assert connection.scalars(query).all() == PRIVATE


def test_one_organisation_sees_nothing_of_another(store: Store) -> None:
    with store.transaction("alpha") as tx:
        made = lists.create(tx, NewList(name=f"a-{store._organisation}", source="S"))
        imports.import_entries(tx, made, [HashRow(1, Algorithm.MD5, bytes(16))])
        (entry,), _ = entries.page(tx, made)
    with store.transaction("beta") as tx:
        beta = tx.organisation
        for name in PRIVATE:
            query = sa.text(f"SELECT count(*) FROM {name} WHERE organisation <> :beta")  # noqa: S608
            assert tx.connection.scalar(query, {"beta": beta}) == 0
        for name in ("hash_list", "entry", "entry_assertion"):
            gone = sa.text(f"DELETE FROM {name} WHERE organisation <> :beta")  # noqa: S608
            assert tx.connection.execute(gone, {"beta": beta}).rowcount == 0
        values = {"list": made.id, "beta": beta, "entry": entry.id}
        for intruder, refusal in INTRUDERS.items():
            with pytest.raises(refusal), tx.connection.begin_nested():
                tx.connection.execute(sa.text(intruder), values)
    with store.transaction("alpha") as tx:
        assert lists.count(tx, made)[Algorithm.MD5] == 1


def test_without_an_organisation_nothing_is_seen(store: Store) -> None:
    with store.transaction() as tx:
        lists.create(tx, NewList(name="x", source="S"))
    for _ in range(2):  # the second time the setting is '' on the pooled connection
        with store._engine.connect() as connection:
            for name in PRIVATE:
                assert connection.scalar(sa.text(f"SELECT count(*) FROM {name}")) == 0  # noqa: S608


def test_a_deleted_list_leaves_nothing(store: Store) -> None:
    frames = (VideoFrame(0, 100, bytes(32)),)
    video = HashRow(2, Algorithm.VPDQ, video_value(frames), frames=frames)
    with store.transaction() as tx:
        made = lists.create(tx, NewList(name="x", source="S"))
        imports.import_entries(tx, made, [HashRow(1, Algorithm.MD5, bytes(16)), video])
        (first, _), _ = entries.page(tx, made)
        matches.record(tx, {first.id: 1}, at=first.added_at)
        day = first.added_at.date()
        alarm = NewAlarm(entry=first.id, day=day, kind="near", matches=1, expected=0)
        alarms.raise_alarms(tx, [alarm], at=first.added_at)
        assert {table.name: _rows(tx, table) for table in OF_LISTS} == {
            "entry": 2,
            "entry_frame": 1,
            "entry_assertion": 2,
            "entry_match_count": 1,
            "entry_match_day": 1,
            "flood_alarm": 1,
        }
        lists.delete(tx, made)
        assert [_rows(tx, table) for table in OF_LISTS] == [0] * len(OF_LISTS)


def test_what_hangs_on_entries_names_such_as_are_there(store: Store) -> None:
    with store.transaction() as tx:
        made = lists.create(tx, NewList(name="x", source="S"))
        rows = [HashRow(n, Algorithm.MD5, bytes([n]) * 16) for n in range(3)]
        imports.import_entries(tx, made, rows)
        ids = [one.id for one in entries.page(tx, made)[0]]
        tx.connection.execute(sa.delete(tables.entry).where(tables.entry.c.id == ids[1]))
        # in one statement with those before and behind it
        with pytest.raises(sa.exc.IntegrityError), tx.connection.begin_nested():
            tx.connection.execute(_say("T", ids, tx.organisation))
        tx.connection.execute(_say("T", [ids[0], ids[2]], tx.organisation))
        assert _rows(tx, tables.entry_assertion) == 4


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET list = :other",
        "UPDATE entry SET organisation = :other",
        "UPDATE entry_assertion SET entry = 1",
        "UPDATE entry_match_day SET entry = 1",
        "UPDATE flood_alarm SET organisation = :other",
        "UPDATE hash_list SET id = :other",
    ],
)
def test_keys_are_never_changed(store: Store, change: str) -> None:
    with store.transaction() as tx:
        made = lists.create(tx, NewList(name="x", source="S"))
        imports.import_entries(tx, made, [HashRow(1, Algorithm.MD5, bytes(16))])
        with pytest.raises(sa.exc.IntegrityError), tx.connection.begin_nested():
            tx.connection.execute(sa.text(change), {"other": uuid4()})


def _rows(tx: Transaction, table: sa.Table) -> int:
    query = sa.select(sa.func.count()).where(table.c.organisation == tx.organisation)
    return int(tx.connection.scalar(query) or 0)


def _say(source: str, ids: list[int], organisation: UUID) -> sa.Insert:
    facts = {"organisation": organisation, "source": source, "their_id": "", "their_class": ""}
    return sa.insert(tables.entry_assertion).values([{**facts, "entry": one} for one in ids])
