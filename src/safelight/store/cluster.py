"""The embedded server's data folder: made once, its configuration written before every start.

Only a Unix socket in a closed folder, never a network port. The role that owns the tables is
reached by the identity the kernel vouches for (peer), every other role by its password.
"""

import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from safelight.errors import DatabaseUnavailable
from safelight.files import replace_private, show_path
from safelight.store.account import Account
from safelight.store.runtime import MAJOR, Runtime

OWNER_ROLE = "safelight_owner"
APP_ROLE = "safelight_app"
DATABASE = "safelight"
PORT = 5432  # only part of the socket's name
SOCKET_PATH_BYTES = 100  # the kernel allows 107

# The log goes to a file: it must not carry hash values, so no statements, values or details.
_CONFIGURATION = """\
listen_addresses = ''
port = {port}
unix_socket_directories = {socket_folder}
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = 64MB
dynamic_shared_memory_type = mmap
maintenance_work_mem = 64MB
max_wal_size = 512MB
wal_level = minimal
max_wal_senders = 0
max_logical_replication_workers = 0
max_parallel_workers_per_gather = 0
max_parallel_maintenance_workers = 0
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_error_verbosity = terse
log_min_error_statement = panic
log_line_prefix = '%m '
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One embedded server: its folders, programs and account."""

    home: Path
    account: Account
    runtime: Runtime

    @property
    def folder(self) -> Path:
        """What belongs to the server's account: the data and the log."""
        return self.home / "pg" / "server"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server had to say."""
        return self.folder / "log"

    @property
    def app_password_file(self) -> Path:
        """The password of `safelight_app`, 0600 and ours."""
        return self.home / "pg" / "app.password"

    def control(self, *arguments: str) -> str:
        """Run pg_ctl on this cluster; give what it said."""
        command = [self.runtime.program("pg_ctl"), "-D", str(self.data), *arguments]
        done = self.account.run(command, cwd=self.folder)
        return (done.stdout + done.stderr).strip()

    def connect(self, socket_folder: Path, database: str = "postgres") -> psycopg.Connection:
        """Connect as the owner. Raise psycopg.OperationalError."""
        return psycopg.connect(
            host=str(socket_folder),
            port=PORT,
            user=OWNER_ROLE,
            dbname=database,
            connect_timeout=10,
            autocommit=True,
        )


def create_cluster(cluster: Cluster) -> None:
    """Make the data folder if there is none; an interrupted attempt leaves none."""
    if cluster.data.is_dir():
        _check_version(cluster)
        return
    unfinished = cluster.folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    password_file = _write_for(cluster, cluster.folder / "owner.password", secrets.token_hex(32))
    command = [cluster.runtime.program("initdb"), "-D", str(unfinished), "-U", OWNER_ROLE]
    command += ["-E", "UTF8", "--locale=C", "--locale-provider=builtin"]
    command += ["--builtin-locale=C.UTF-8", "--auth-local=scram-sha-256", "--auth-host=reject"]
    done = cluster.account.run([*command, f"--pwfile={password_file}"], cwd=cluster.folder)
    password_file.unlink()  # the owner comes in by peer alone
    if done.returncode != 0:
        raise DatabaseUnavailable(f"The database could not be made: {_last_line(done.stderr)}")
    unfinished.rename(cluster.data)


def configure(cluster: Cluster, socket_folder: Path) -> None:
    """Write the three configuration files anew; ALTER SYSTEM settings stay."""
    text = _CONFIGURATION.format(port=PORT, socket_folder=_quoted(str(socket_folder)))
    _write_for(cluster, cluster.data / "postgresql.conf", text)
    rules = f"local all {OWNER_ROLE} peer map=sl\nlocal all all scram-sha-256\n"
    _write_for(cluster, cluster.data / "pg_hba.conf", rules)
    names = sorted({cluster.account.name, cluster.account.our_name})
    lines = [f'sl "{name}" {OWNER_ROLE}\n' for name in names]
    _write_for(cluster, cluster.data / "pg_ident.conf", "".join(lines))


def choose_socket_folder(cluster: Cluster) -> Path:
    """`<home>/run`, or a short folder of our own where the socket's path would be too long.

    The short folder's name is random and noted in `<home>/pg.socket`, so that nobody can take it
    beforehand.
    """
    usual = cluster.home / "run"
    if _fits(usual):
        return cluster.account.own_folder(usual)
    note = cluster.home / "pg.socket"
    if note.exists():
        noted = Path(os.fsdecode(note.read_bytes()))
        if noted.is_dir() and not noted.is_symlink() and noted.stat().st_uid == cluster.account.uid:
            return noted
    made = Path(tempfile.mkdtemp(prefix="safelight-", dir="/tmp"))
    cluster.account.own_folder(made)
    replace_private(note, os.fsencode(made))
    return made


def create_roles(cluster: Cluster, socket_folder: Path) -> None:
    """Make the application's role and the database where they are missing."""
    with cluster.connect(socket_folder) as connection:
        query = "SELECT count(*) FROM pg_roles WHERE rolname = %s"
        role_exists = _number(connection, query, APP_ROLE)
        if not role_exists or not cluster.app_password_file.exists():
            _set_password(cluster, connection, exists=bool(role_exists))
        query = "SELECT count(*) FROM pg_database WHERE datname = %s"
        if not _number(connection, query, DATABASE):
            name, owner = sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE)
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, owner))


def _set_password(cluster: Cluster, connection: psycopg.Connection, *, exists: bool) -> None:
    password = secrets.token_hex(32)
    verb = sql.SQL("ALTER" if exists else "CREATE")
    options = sql.SQL("LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB PASSWORD {}")
    statement = sql.SQL("{} ROLE {} ").format(verb, sql.Identifier(APP_ROLE))
    connection.execute(statement + options.format(sql.Literal(password)))
    replace_private(cluster.app_password_file, password.encode())


def _number(connection: psycopg.Connection, query: str, name: str) -> int:
    row = connection.execute(query.encode(), [name]).fetchone()
    return 0 if row is None else int(row[0])


def _write_for(cluster: Cluster, path: Path, text: str) -> Path:
    account = cluster.account
    owner = (account.uid, account.gid) if account.is_other else None
    replace_private(path, text.encode(), owner=owner)
    return path


def _check_version(cluster: Cluster) -> None:
    found = (cluster.data / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != str(MAJOR):
        raise DatabaseUnavailable(
            f"The database in {show_path(cluster.home)} was made by PostgreSQL {found}, but this "
            f"safelight brings {MAJOR}. Install the safelight that made it, dump the database "
            "with pg_dump, and restore it into a new SAFELIGHT_HOME."
        )


def _fits(folder: Path) -> bool:
    return len(str(folder / f".s.PGSQL.{PORT}").encode()) <= SOCKET_PATH_BYTES


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
