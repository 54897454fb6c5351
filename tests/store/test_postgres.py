"""The embedded server: started by whoever comes first, stopped by the last, whatever is killed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from safelight.errors import BadSetting, DatabaseUnavailable, SafelightError
from safelight.settings import load_settings
from safelight.store import lists, postgres
from safelight.store.cluster import Cluster
from safelight.store.database import Store, open_store
from safelight.store.postgres import start_server
from safelight.store.runtime import copy_runtime, find_runtime

IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="needs root")

START = """
import sys
from safelight.settings import load_settings
from safelight.store import imports, lists
from safelight.store.database import open_store
from safelight.model import Algorithm, HashRow
store = open_store(load_settings())
"""


def _open(home: Path) -> Store:
    return open_store(load_settings({"SAFELIGHT_HOME": str(home)}))


@contextmanager
def _python(home: Path, code: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that has opened the store and then does `code`; killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", START + textwrap.dedent(code)],
        env={**os.environ, "SAFELIGHT_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def _said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _server_pid(home: Path) -> int:
    text = (home / "pg" / "server" / "data" / "postmaster.pid").read_text()
    return int(text.splitlines()[0])


def _is_stopped(home: Path) -> bool:
    return not (home / "pg" / "server" / "data" / "postmaster.pid").exists()


def _names(store: Store) -> list[str]:
    with store.transaction() as tx:
        return [found.name for found in lists.all_lists(tx)]


def _create(store: Store, name: str) -> None:
    with store.transaction() as tx:
        lists.create(tx, lists.NewList(name=name, source="S"))


def test_the_last_user_stops_it_and_what_was_kept_stays(made_home: Path) -> None:
    one, two = _open(made_home), _open(made_home)
    _create(one, "kept")
    one.close()
    assert _names(two) == ["kept"]
    two.close()
    assert _is_stopped(made_home)
    again = _open(made_home)
    assert _names(again) == ["kept"]
    again.close()


def test_nothing_is_open_to_others(new_home: Path) -> None:
    store = _open(new_home)
    modes = {path.name: oct(path.stat().st_mode & 0o7777) for path in new_home.iterdir()}
    modes["app.password"] = oct((new_home / "pg" / "app.password").stat().st_mode & 0o7777)
    store.close()
    folder = "0o710" if IS_ROOT else "0o700"  # root lets the server's group pass, not look
    private = {"pg.start": "0o600", "pg.users": "0o600", "app.password": "0o600"}
    assert modes == {"pg": folder, "run": "0o700", **private}
    assert oct(new_home.stat().st_mode & 0o7777) == folder


def test_four_processes_at_once(new_home: Path) -> None:
    code = """
        with store.transaction() as tx:
            lists.create(tx, lists.NewList(name={name!r}, source="S"))
        store.close()
    """
    names = [f"list {number}" for number in range(4)]
    with ExitStack() as stack:
        started = [stack.enter_context(_python(new_home, code.format(name=name))) for name in names]
        assert [process.wait() for process in started] == [0, 0, 0, 0]
    assert _is_stopped(new_home)
    store = _open(new_home)
    assert _names(store) == names
    store.close()


def test_a_killed_user_does_not_keep_it_running(made_home: Path) -> None:
    with _python(made_home, "print('open', flush=True); input()") as process:
        assert _said(process) == "open"
    pid = _server_pid(made_home)
    store = _open(made_home)  # joins the server that was left behind
    assert _server_pid(made_home) == pid
    store.close()
    assert _is_stopped(made_home)


def test_a_killed_import_leaves_nothing(made_home: Path) -> None:
    code = """
        def rows():
            for number in range(50_000):
                yield HashRow(number, Algorithm.MD5, number.to_bytes(16, 'big'))
            print('in the middle', flush=True)
            input()
        with store.transaction() as tx:
            made = lists.create(tx, lists.NewList(name='first', source='S'))
        with store.transaction() as tx:
            imports.import_entries(tx, made, rows())
    """
    with _python(made_home, code) as process:
        assert _said(process) == "in the middle"
    store = _open(made_home)
    with store.transaction() as tx:
        found = lists.get(tx, "first")
        assert sum(lists.count(tx, found).values()) == 0
        assert found.change == 0
    store.close()


def test_it_recovers_when_the_server_itself_was_killed(made_home: Path) -> None:
    store = _open(made_home)
    _create(store, "kept")
    os.kill(_server_pid(made_home), signal.SIGKILL)
    with pytest.raises(DatabaseUnavailable), store.transaction() as tx:
        lists.all_lists(tx)
    store.close()
    store = _open(made_home)
    assert _names(store) == ["kept"]
    store.close()


def test_it_goes_away_in_the_middle(made_home: Path) -> None:
    store = _open(made_home)
    with pytest.raises(DatabaseUnavailable) as caught, store.transaction() as tx:  # noqa: PT012
        lists.create(tx, lists.NewList(name="x", source="S"))
        os.kill(_server_pid(made_home), signal.SIGINT)  # a fast stop
        while not _is_stopped(made_home):
            time.sleep(0.02)
        lists.all_lists(tx)
    store.close()
    assert caught.value.exit_code == 2
    store = _open(made_home)
    assert _names(store) == []
    store.close()


def test_a_pid_file_with_a_living_strangers_number_is_not_believed(made_home: Path) -> None:
    store = _open(made_home)
    _create(store, "kept")
    pid_file = made_home / "pg" / "server" / "data" / "postmaster.pid"
    text = pid_file.read_text().split("\n", 1)[1]
    store.close()
    stranger = subprocess.Popen(["sleep", "60"])  # noqa: S607
    pid_file.write_text(f"{stranger.pid}\n{text}")
    store = _open(made_home)
    assert _names(store) == ["kept"]
    store.close()
    stranger.kill()
    stranger.wait()


def test_an_interrupted_making_is_begun_again(new_home: Path) -> None:
    unfinished = new_home / "pg" / "server" / "unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    start_server(new_home).close()
    assert not unfinished.exists()


def test_a_lost_password_file_is_replaced(made_home: Path) -> None:
    (made_home / "pg" / "app.password").unlink()
    store = _open(made_home)
    assert _names(store) == []
    store.close()


def test_a_long_path_gets_a_short_socket_folder(new_home: Path) -> None:
    deep = new_home / ("x" * 60) / ("y" * 60)
    if IS_ROOT:
        new_home.chmod(0o711)
    server = start_server(deep)
    folder = server.socket_folder
    assert len(str(folder)) < 40
    assert folder.stat().st_mode & 0o777 == 0o700
    server.close()
    second = start_server(deep)
    assert second.socket_folder == folder
    second.close()
    folder.rmdir()


def test_a_locale_that_does_not_exist(new_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "xx_XX.UTF-8")
    monkeypatch.setenv("LC_ALL", "xx_XX.UTF-8")
    start_server(new_home).close()


def test_a_server_that_cannot_start_says_why(made_home: Path) -> None:
    (made_home / "pg" / "server" / "data" / "postgresql.auto.conf").write_text("nonsense = 1\n")
    with pytest.raises(DatabaseUnavailable, match="stopped while starting"):
        start_server(made_home)


def test_a_server_that_dies_before_its_roles_are_looked_at_is_told(
    made_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = postgres._wait_until_ready

    def wait_and_stop(cluster: Cluster, *more: Any) -> None:
        wait(cluster, *more)
        cluster.control("stop", "-m", "immediate", "-w")

    monkeypatch.setattr(postgres, "_wait_until_ready", wait_and_stop)
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        start_server(made_home)


def test_data_of_another_major_version(made_home: Path) -> None:
    (made_home / "pg" / "server" / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseUnavailable, match="made by PostgreSQL 16"):
        start_server(made_home)


@as_root
def test_a_closed_folder_above_is_refused_and_left_alone(new_home: Path) -> None:
    assert new_home.stat().st_mode & 0o777 == 0o700
    with pytest.raises(BadSetting, match="cannot pass"):
        start_server(new_home / "home")
    assert new_home.stat().st_mode & 0o777 == 0o700
    assert list(new_home.iterdir()) == []


@as_root
def test_a_persons_home_folder_is_refused() -> None:
    before = Path("/root").stat()
    with pytest.raises(BadSetting, match="home folder of an account"):
        start_server(Path("/root"))
    assert Path("/root").stat().st_mode == before.st_mode


def _as(uid: int, work: Callable[[], str]) -> str:
    """What `work` returns, or its error's message, in a child with this user id."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            said = work()
        except SafelightError as exc:
            said = f"{type(exc).__name__}: {exc}"
        except BaseException as exc:  # noqa: BLE001  the parent shows it
            said = f"unexpected {exc!r}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@as_root
def test_an_ordinary_user(new_home: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    new_home.chmod(0o711)
    runtime = copy_runtime(find_runtime(), new_home)
    home = new_home / "home"
    home.mkdir(mode=0o700)
    os.chown(home, nobody, nobody)

    def work() -> str:
        server = start_server(home, runtime=runtime)
        with server.cluster.connect(server.socket_folder) as connection:
            (row,) = connection.execute("SELECT current_user::text")
        server.close()
        return f"{row[0]} {_is_stopped(home)} {oct(home.stat().st_mode & 0o777)}"

    assert _as(nobody, work) == "safelight_owner True 0o700"


@as_root
def test_a_user_without_a_name() -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(folder, 54321, 54321)
    said = _as(54321, lambda: str(start_server(folder)))
    shutil.rmtree(folder)
    assert said.startswith("DatabaseUnavailable: User id 54321 has no entry in the password file")


@as_root
def test_another_user_cannot_come_near(made_home: Path) -> None:
    server = start_server(made_home)
    path = str(server.socket_folder / ".s.PGSQL.5432")

    def work() -> str:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(path)
            except PermissionError:
                return "refused"
        return "connected"

    assert _as(pwd.getpwnam("nobody").pw_uid, work) == "refused"
    server.close()
