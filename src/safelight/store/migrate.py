"""Bring a database to the newest migration, one process at a time."""

from pathlib import Path

import sqlalchemy as sa

from safelight.errors import DatabaseUnavailable
from safelight.store.migrations import HEAD
from safelight.store.tables import GRANTS

_LOCK = 0x5AFE_1167  # any number, the same for every safelight
OLDEST_SERVER = 15


def migrate(engine: sa.Engine, app_role: str) -> None:
    """Run what is missing as the owner of the tables, then grant `app_role` what it may do.

    A database newer than this program raises DatabaseUnavailable.
    """
    with engine.connect() as connection:
        _check_server(connection)
        if _revision(connection) == HEAD and _is_granted(connection, app_role):
            return
        connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()  # the lock is the session's: it outlives the transaction
        try:
            with connection.begin():
                _upgrade(connection, app_role)
        finally:
            connection.rollback()
            connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()


def _upgrade(connection: sa.Connection, app_role: str) -> None:
    if _revision(connection) != HEAD:
        _run_alembic(connection)
    role = connection.dialect.identifier_preparer.quote(app_role)
    owner = connection.scalar(sa.text("SELECT current_user"))
    if app_role != owner:
        for table, rights in GRANTS.items():
            connection.execute(sa.text(f"GRANT {rights} ON {table} TO {role}"))


def _run_alembic(connection: sa.Connection) -> None:
    from alembic import command  # noqa: PLC0415  Alembic takes half a second to import
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise DatabaseUnavailable(
            f"The database was changed by a newer safelight than this one ({exc}). "
            "Install that version or a later one."
        ) from exc


def _check_server(connection: sa.Connection) -> None:
    number = int(connection.scalar(sa.text("SHOW server_version_num")) or 0)
    if number // 10_000 < OLDEST_SERVER:
        raise DatabaseUnavailable(
            f"The database is PostgreSQL {number // 10_000}; {OLDEST_SERVER} or later is needed."
        )
    encoding = connection.scalar(sa.text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise DatabaseUnavailable(
            f"The database has the encoding {encoding}. Make it anew with createdb -E UTF8."
        )


def _revision(connection: sa.Connection) -> str | None:
    if connection.scalar(sa.text("SELECT to_regclass('alembic_version')")) is None:
        return None
    found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _is_granted(connection: sa.Connection, app_role: str) -> bool:
    """Whether every right is there; asked of a database that has all the tables."""
    pairs = [(table, right) for table, some in GRANTS.items() for right in some.split(", ")]
    query = sa.text(
        "SELECT bool_and(has_table_privilege(:role, wanted.name, wanted.privilege)) "
        "FROM unnest(CAST(:tables AS text[]), CAST(:rights AS text[])) AS wanted (name, privilege)"
    )
    tables, rights = map(list, zip(*pairs, strict=True))
    facts = {"role": app_role, "tables": tables, "rights": rights}
    return bool(connection.scalar(query, facts))
