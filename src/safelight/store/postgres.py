"""The embedded PostgreSQL: started by the first process that needs it, stopped by the last.

Every process that uses it holds a shared lock on `<home>/pg.users`; who gets that lock exclusively
when leaving stops the server. The kernel releases the lock of a killed process, so no count can
go wrong. Starting is serialised by `<home>/pg.start`. "Running" means that a connection was
answered: a pid file says nothing after a crash or in another container.
"""

import fcntl
import os
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

import psycopg

from safelight.errors import BadSetting, DatabaseUnavailable
from safelight.files import make_private_folder, show_path
from safelight.store import cluster as clusters
from safelight.store.account import check_ancestors, check_is_no_login, server_account
from safelight.store.cluster import Cluster
from safelight.store.failures import translated
from safelight.store.runtime import Runtime, copy_runtime, find_runtime

Progress = Callable[[str], None]

_DEAD_AFTER = 3.0  # seconds without a server process after a start: it gave up
_STARTS = 3  # a server process that outlived a killed postmaster may need seconds to go
_SOCKET_LOST_AFTER = 20.0  # a live server makes its socket at once; later it was removed
_LOG_KEPT = 10 << 20  # bytes; a longer log is set aside at the next start
_BUSY = ("starting up", "shutting down", "recovery", "not yet accepting", "not accepting")


class _State(Enum):
    READY = auto()
    BUSY = auto()  # answers, but starts, recovers or stops
    SILENT = auto()  # nobody listens


class EmbeddedServer:
    """A running embedded server that this process uses until `close`."""

    def __init__(self, cluster: Cluster, socket_folder: Path, users: int) -> None:
        self.cluster = cluster
        self.socket_folder = socket_folder
        self._leave = weakref.finalize(self, _leave, cluster, users, os.getpid())

    def url(self, role: str) -> str:
        """The SQLAlchemy address for a role; it holds the password of the application's."""
        secret = ""
        if role == clusters.APP_ROLE:
            secret = ":" + self.cluster.app_password_file.read_text(encoding="utf-8")
        return f"postgresql+psycopg://{role}{secret}@/{clusters.DATABASE}"

    def connect_arguments(self) -> dict[str, str | int]:
        """What `url` cannot say."""
        return {"host": str(self.socket_folder), "port": clusters.PORT}

    def close(self) -> None:
        """Leave; the last one stops the server."""
        self._leave()


def start_server(
    home: Path, *, progress: Progress | None = None, runtime: Runtime | None = None
) -> EmbeddedServer:
    """Start the server of `home`, making it if need be, or join the running one.

    Waits as long as recovery takes; Ctrl-C ends the wait. Raise DatabaseUnavailable or BadSetting.
    """
    try:
        cluster = _prepare(home, runtime or find_runtime())
        users = _lock(home / "pg.users", fcntl.LOCK_SH)
    except OSError as exc:
        raise BadSetting(
            f"SAFELIGHT_HOME is {show_path(home)}, which cannot be used: {exc.strerror}. "
            "Choose another folder."
        ) from exc
    try:
        with _starting(home):
            return _start(cluster, users, progress or _silent)
    except BaseException:
        _leave(cluster, users, os.getpid())
        raise


def _start(cluster: Cluster, users: int, progress: Progress) -> EmbeddedServer:
    if cluster.account.is_other:
        copy = copy_runtime(cluster.runtime, cluster.home / "pg")
        cluster = Cluster(home=cluster.home, account=cluster.account, runtime=copy)
    socket_folder = clusters.choose_socket_folder(cluster)
    if not cluster.data.is_dir():
        progress("Making the database (once)")
    clusters.create_cluster(cluster)
    _wait_until_ready(cluster, socket_folder, progress)
    with translated():
        clusters.create_roles(cluster, socket_folder)
    return EmbeddedServer(cluster, socket_folder, users)


def _prepare(home: Path, runtime: Runtime) -> Cluster:
    account = server_account()
    check_ancestors(home, account)
    make_private_folder(home)
    check_is_no_login(home, account)
    account.pass_through(home)
    account.pass_through(home / "pg")
    cluster = Cluster(home=home, account=account, runtime=runtime)
    account.own_folder(cluster.folder)
    return cluster


def _wait_until_ready(cluster: Cluster, socket_folder: Path, progress: Progress) -> None:
    """Start the server when nobody answers; wait for as long as it is alive."""
    begun = time.monotonic()
    alive_at = started_at = None
    starts = 0
    pause, told = 0.01, begun
    while (state := _probe(cluster, socket_folder)) is not _State.READY:
        now = time.monotonic()
        if state is _State.BUSY or _process_of(cluster) is not None:
            alive_at = now if state is _State.BUSY else alive_at or now
            if state is _State.SILENT and now - alive_at > _SOCKET_LOST_AFTER:
                cluster.control("stop", "-m", "fast", "-W")
        elif started_at is None or now - max(started_at, alive_at or 0.0) > _DEAD_AFTER:
            if starts == _STARTS:
                raise DatabaseUnavailable(_why_dead(cluster))
            _launch(cluster, socket_folder)
            started_at, starts = time.monotonic(), starts + 1
        if now - told > 2:
            told = now
            progress(f"PostgreSQL is starting ({now - begun:.0f} s) {_last_log_line(cluster)}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)


def _launch(cluster: Cluster, socket_folder: Path) -> None:
    """Begin a start. A pid file without its process is from a crash or another container."""
    (cluster.data / "postmaster.pid").unlink(missing_ok=True)
    if cluster.log.exists() and cluster.log.stat().st_size > _LOG_KEPT:
        cluster.log.replace(cluster.log.with_name("log.old"))
    clusters.configure(cluster, socket_folder)
    said = cluster.control("-W", "-s", "-l", str(cluster.log), "start")
    if said:
        raise DatabaseUnavailable(f"PostgreSQL could not be started: {said}")


def _probe(cluster: Cluster, socket_folder: Path) -> _State:
    if not _listens(socket_folder):
        return _State.SILENT
    try:
        cluster.connect(socket_folder).close()
    except psycopg.OperationalError as exc:
        text = str(exc)
        if any(word in text for word in _BUSY):
            return _State.BUSY
        if not _listens(socket_folder):
            return _State.SILENT  # went away between the two questions
        raise DatabaseUnavailable(
            f"The embedded database of {show_path(cluster.home)} does not let us in: {text}"
        ) from exc
    return _State.READY


def _listens(socket_folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(socket_folder / f".s.PGSQL.{clusters.PORT}"))
        except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError):
            return False
    return True


def _process_of(cluster: Cluster) -> int | None:
    """The server's process id, if the one in the pid file is a PostgreSQL in our data folder.

    PostgreSQL works inside its data folder, so that /proc tells it from a stranger that was given
    the same number. Without /proc any live process is believed.
    """
    try:
        text = (cluster.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace")
        pid = int(text.split("\n", 1)[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        return None  # another account's: the server's is ours, or we are root
    if not Path("/proc/self").exists():
        return pid
    try:
        return pid if os.path.samefile(f"/proc/{pid}/cwd", cluster.data) else None  # noqa: PTH121
    except OSError:
        return None


def _leave(cluster: Cluster, users: int, owner: int) -> None:
    """Give up the share; stop the server when nobody else has one."""
    if os.getpid() != owner:
        return  # a forked child shares the lock with its parent and must not touch it
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _process_of(cluster) is not None:
            cluster.control("stop", "-s", "-m", "fast", "-w", "-t", "60")
    except BlockingIOError:
        pass  # others go on using it
    finally:
        os.close(users)


@contextmanager
def _starting(home: Path) -> Iterator[None]:
    lock = _lock(home / "pg.start", fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


def _lock(path: Path, how: int) -> int:
    """Open and lock; waits for the lock. The descriptor is not handed to child programs."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, how)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _why_dead(cluster: Cluster) -> str:
    return (
        f"PostgreSQL stopped while starting: {_last_log_line(cluster) or 'it left no message'} "
        f"(see {show_path(cluster.log)})."
    )


def _last_log_line(cluster: Cluster) -> str:
    try:
        with cluster.log.open("rb") as file:
            file.seek(max(0, cluster.log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


def _silent(_message: str) -> None:
    """Say nothing."""
