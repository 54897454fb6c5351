"""The way into the database: open it, and work in transactions of one organisation."""

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from safelight.errors import BadSetting, SafelightError
from safelight.settings import Settings
from safelight.store import audit
from safelight.store.cluster import APP_ROLE, OWNER_ROLE
from safelight.store.failures import translated
from safelight.store.listen import Listener
from safelight.store.migrate import migrate
from safelight.store.postgres import EmbeddedServer, start_server
from safelight.store.tables import organisation as organisations
from safelight.store.transaction import Act, Transaction

# A host that has gone silently is noticed after half a minute, not after a quarter of an hour.
_ALIVE = MappingProxyType(
    {
        "keepalives_idle": 10,  # seconds
        "keepalives_interval": 5,
        "keepalives_count": 4,
        "tcp_user_timeout": 30_000,  # milliseconds
    }
)


class Store:
    """The database under the application's role. Give it back with `close`."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        organisation: str,
        actor: str,
        server: EmbeddedServer | None = None,
        problems: tuple[str, ...] = (),
    ) -> None:
        self._engine = engine
        self._server = server
        self._organisation = organisation
        self._actor = actor
        self._problems = problems

    @contextmanager
    def transaction(
        self,
        organisation: str | None = None,
        *,
        actor: str | None = None,
        snapshot: bool = False,
    ) -> Iterator[Transaction]:
        """Work for an organisation (named in the settings, when none is given); all or nothing.

        The organisation is made when it is first named. Errors of the database come out as
        DatabaseUnavailable or DiskFull. Refusals are audited whatever ends the transaction.
        With `snapshot` all queries see the same moment: to read with, since a write may then fail.
        """
        name, who = organisation or self._organisation, actor or self._actor
        refusals: list[Act] = []
        try:
            with self._begin(name, who, snapshot=snapshot) as tx:
                tx.refusals = refusals
                yield tx
                audit.write(tx, [*tx.acts, *refusals])
            refusals = []
        except BaseException as exc:
            self._write_refusals(name, who, refusals, exc)
            raise

    def _write_refusals(
        self, organisation: str, actor: str, refusals: list[Act], because: BaseException
    ) -> None:
        """Audit what was refused in a transaction that failed, without hiding why it failed."""
        if not refusals:
            return
        try:
            with self._begin(organisation, actor) as tx:
                audit.write(tx, refusals)
        except SafelightError as exc:
            because.add_note(f"A refusal could not be written to the audit trail: {exc}")

    @contextmanager
    def _begin(
        self, organisation: str, actor: str, *, snapshot: bool = False
    ) -> Iterator[Transaction]:
        engine = self._engine
        if snapshot:
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with translated(), engine.begin() as connection:
            identity = _organisation(connection, organisation)
            setting = sa.text("SELECT set_config('app.org', :organisation, true)")
            connection.execute(setting, {"organisation": str(identity)})
            yield Transaction(connection=connection, organisation=identity, actor=actor)

    def listen(self, channel: str) -> Listener:
        """Hear what is told on this channel, on a connection of its own, until it is closed.

        Raise DatabaseUnavailable.
        """
        with translated():
            connection = self._engine.raw_connection()
            driver: Any = connection.driver_connection
            connection.detach()
            return Listener(driver, channel)

    def problems(self) -> list[str]:
        """What works but should be put right; `doctor` shows it."""
        return list(self._problems)

    def server_version(self) -> str:
        """PostgreSQL's version, as it gives it."""
        with translated(), self._engine.connect() as connection:
            return str(connection.scalar(sa.text("SHOW server_version")))

    @property
    def is_embedded(self) -> bool:
        """Whether the server is our own."""
        return self._server is not None

    def close(self) -> None:
        """Give up the connections, and the embedded server when nobody else uses it."""
        self._engine.dispose()
        if self._server is not None:
            self._server.close()


def open_store(settings: Settings, *, progress: Callable[[str], None] | None = None) -> Store:
    """Open the database of the settings, starting the embedded one if none is given.

    Runs the missing migrations first. Raise DatabaseUnavailable or BadSetting.
    """
    if settings.database_url is None:
        return _open_embedded(settings, progress)
    with translated():
        return _open_external(settings, settings.database_url)


def local_actor() -> str:
    """Who acts when SAFELIGHT_ACTOR is not set: the login of this machine."""
    try:
        return f"local:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"local:uid{os.getuid()}"


def _open_embedded(settings: Settings, progress: Callable[[str], None] | None) -> Store:
    server = start_server(Path(settings.home), progress=progress)
    try:
        arguments = server.connect_arguments()
        owner = _engine(server.url(OWNER_ROLE), **arguments)
        with translated():
            migrate(owner, APP_ROLE)
        owner.dispose()
        engine = _engine(server.url(APP_ROLE), **arguments)
        return _store(settings, engine, server=server)
    except BaseException:
        server.close()
        raise


def _open_external(settings: Settings, url: str) -> Store:
    engine = _engine(url)
    role = _current_role(engine)
    owner = engine
    if settings.database_admin_url is not None:
        owner = _engine(settings.database_admin_url)
        _check_same(engine, owner)
    migrate(owner, role)
    if owner is not engine:
        owner.dispose()
    return _store(settings, engine, problems=_problems(engine))


def _store(
    settings: Settings,
    engine: sa.Engine,
    *,
    server: EmbeddedServer | None = None,
    problems: tuple[str, ...] = (),
) -> Store:
    return Store(
        engine,
        organisation=settings.organisation,
        actor=settings.actor or local_actor(),
        server=server,
        problems=problems,
    )


def _engine(url: str, **arguments: str | int) -> sa.Engine:
    connect = {"connect_timeout": 10, "application_name": "safelight", **_ALIVE, **arguments}
    return sa.create_engine(url, connect_args=connect, pool_pre_ping=True, hide_parameters=True)


def _organisation(connection: sa.Connection, name: str) -> UUID:
    query = sa.select(organisations.c.id).where(organisations.c.name == name)
    found: UUID | None = connection.scalar(query)
    if found is None:
        new = insert(organisations).values(id=uuid7(), name=name).on_conflict_do_nothing()
        connection.execute(new)
        found = connection.execute(query).scalar_one()
    return found


def _current_role(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(sa.text("SELECT current_user")))


def _check_same(engine: sa.Engine, owner: sa.Engine) -> None:
    query = sa.text(
        "SELECT oid, datname, pg_postmaster_start_time() FROM pg_database "
        "WHERE datname = current_database()"
    )
    with engine.connect() as one, owner.connect() as other:
        if one.execute(query).one() != other.execute(query).one():
            raise BadSetting(
                "SAFELIGHT_DATABASE_URL and SAFELIGHT_DATABASE_ADMIN_URL name different databases."
            )


def _problems(engine: sa.Engine) -> tuple[str, ...]:
    query = sa.text(
        "SELECT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user), "
        "pg_has_role(tableowner, 'MEMBER') FROM pg_tables "
        "WHERE tablename = 'audit_event' AND schemaname = current_schema()"
    )
    with engine.connect() as connection:
        bypasses, owns = connection.execute(query).one()
    if bypasses:
        return (
            "The role in SAFELIGHT_DATABASE_URL is a superuser or has BYPASSRLS: organisations "
            "are not kept apart by the database. Use a role that has neither.",
        )
    if owns:
        return (
            "The role in SAFELIGHT_DATABASE_URL owns the tables, so that it could change the audit "
            "trail. Use another role there, and give the owner in SAFELIGHT_DATABASE_ADMIN_URL.",
        )
    return ()
