"""Each migration with data in it."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from safelight.model import Algorithm
from safelight.settings import load_settings
from safelight.store import entries, entry_arrays, lists, migrate, tables
from safelight.store.cluster import OWNER_ROLE
from safelight.store.database import open_store
from safelight.store.postgres import start_server

ORG, LIST = UUID(int=1), UUID(int=2)
BEFORE = f"""
SELECT set_config('app.org', '{ORG}', true);
INSERT INTO organisation (id, name) VALUES ('{ORG}', 'default');
INSERT INTO hash_list (id, organisation, name, source, meaning, source_term, licence,
    permitted_purposes, redistribution, contract_reference, enabled, change)
VALUES ('{LIST}', '{ORG}', 'on', 'S', 'unverified', '', '', '{{match}}', 'unknown', '', true, 1),
    ('{UUID(int=3)}', '{ORG}', 'off', 'S', 'unverified', '', '', '{{match}}', 'unknown', '',
    false, 0);
INSERT INTO entry (organisation, list, algorithm, value, quality, mode, change)
VALUES ('{ORG}', '{LIST}', 'md5', '\\x{"00" * 16}', -2, 'not_applicable', 1);
INSERT INTO entry_assertion (organisation, entry, source, their_id, their_class)
VALUES ('{ORG}', 1, 'S', '7', 'A'), ('{ORG}', 1, 'T', '', '')
""".split(";")  # noqa: S608


@pytest.fixture
def owner(made_home: Path) -> Iterator[sa.Engine]:
    server = start_server(made_home)
    engine = sa.create_engine(server.url(OWNER_ROLE), connect_args=server.connect_arguments())
    yield engine
    engine.dispose()
    server.close()


def _upgrade(owner: sa.Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    with owner.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def test_0002_keeps_lists_entries_and_assertions(owner: sa.Engine, made_home: Path) -> None:
    _upgrade(owner, "0001")
    with owner.begin() as connection:
        for statement in BEFORE:
            connection.execute(sa.text(statement))
    store = open_store(load_settings({"SAFELIGHT_HOME": str(made_home)}))
    try:
        with store.transaction() as tx:
            states = {found.name: found.state for found in lists.all_lists(tx)}
            assert states == {"on": "enabled", "off": "disabled"}
            on = lists.get(tx, "on")
            assert on.permitted_organisations == ()
            (entry,), _ = entries.page(tx, on)
            assert (entry.id, entry.value, entry.retracted) == (1, bytes(16), False)
            said = [(a.source, a.their_id, a.their_class, a.derived_from) for a in entry.assertions]
            assert said == [("S", "7", "A", ""), ("T", "", "", "")]
            arrays = entry_arrays.entries_for_matching(tx, [LIST])[Algorithm.MD5]
            assert arrays.class_names == ("", "A")
            assert lists.delete(tx, on) == 1
            for table in (tables.entry, tables.entry_assertion):
                query = sa.select(sa.func.count()).select_from(table)
                assert tx.connection.scalar(query) == 0
    finally:
        store.close()


OF_0002 = f"""
SELECT set_config('app.org', '{ORG}', true);
INSERT INTO organisation (id, name) VALUES ('{ORG}', 'default');
INSERT INTO hash_list (id, organisation, name, source, meaning, source_term, licence,
    permitted_purposes, redistribution, contract_reference, state, change)
VALUES ('{LIST}', '{ORG}', 'on', 'S', 'unverified', '', '', '{{match}}', 'unknown', '', 'observe',
    1);
INSERT INTO entry (organisation, list, algorithm, value, quality, mode, change, retracted)
VALUES ('{ORG}', '{LIST}', 'md5', '\\x{"00" * 16}', -2, 'not_applicable', 1, false);
INSERT INTO entry_assertion (organisation, entry, source, their_id, their_class)
VALUES ('{ORG}', 1, 'S', '7', 'A');
INSERT INTO entry_match_count (organisation, entry, matches, first_at, last_at)
VALUES ('{ORG}', 1, 5, now(), now())
""".split(";")  # noqa: S608


def test_0003_changes_nothing_of_how_lists_match(owner: sa.Engine, made_home: Path) -> None:
    _upgrade(owner, "0002")
    with owner.begin() as connection:
        for statement in OF_0002:
            connection.execute(sa.text(statement))
    store = open_store(load_settings({"SAFELIGHT_HOME": str(made_home)}))
    try:
        with store.transaction() as tx:
            on = lists.get(tx, "on")
            assert (on.radius, on.min_quality, on.state) == (31, 50, "observe")
            (entry,), _ = entries.page(tx, on)
            assert (entry.observed, entry.near, entry.change) == (False, True, 1)
            (said,) = entry.assertions
            assert (said.owner, said.expires_at, said.their_class) == ("", None, "A")
            arrays = entry_arrays.entries_for_matching(tx, [LIST])[Algorithm.MD5]
            assert (arrays.flags, arrays.until) == (None, None)
            changed = entry_arrays.entries_changed(tx, LIST, 0)
            assert changed.arrays[Algorithm.MD5].ids.tolist() == [1]
            assert lists.delete(tx, on) == 1
            for table in (tables.entry_assertion, tables.entry_match_count):
                query = sa.select(sa.func.count()).select_from(table)
                assert tx.connection.scalar(query) == 0
    finally:
        store.close()
