"""The pool of children: what they may not do, and what becomes of the pool when one dies."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.errors import SandboxUnavailable
from safelight.sandbox import seccomp
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildFailed, ChildPool, read_message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=8,
)
HERE = str(Path(__file__).parent)
LIMITS = Limits(memory_mb=256, cpu_seconds=1, wall_seconds=5.0)


def make_pool(children: int = 1, limits: Limits = LIMITS) -> ChildPool:
    return ChildPool("sandbox_work:work", children=children, limits=limits, search_path=[HERE])


@pytest.fixture(scope="module")
def pool() -> Iterator[ChildPool]:
    with make_pool() as pool:
        yield pool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("what the file says")
    return path


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def ask(pool: ChildPool, fd: int, act: str, **more: Any) -> dict[str, Any]:
    return pool.run(fd, {"act": act, **more})


def test_a_child_reads_the_file_and_is_used_again(pool: ChildPool, fd: int) -> None:
    first = ask(pool, fd, "read")
    assert first["text"] == "what the file says"
    assert ask(pool, fd, "read") == first


@pytest.mark.parametrize(
    ("act", "code", "words"),
    [
        ("segfault", "crashed", "signal 11"),
        ("abort", "crashed", "signal 6"),  # the filter lets a process signal itself
        ("leave", "crashed", "status 3"),
        ("loop", "timed_out", "processor time"),
        ("eat_memory", "out_of_memory", "memory"),
        ("raise_error", "crashed", "ZeroDivisionError"),
        ("long_answer", "crashed", "no usable answer"),
    ],
)
def test_a_child_that_fails_costs_one_answer(
    pool: ChildPool, fd: int, act: str, code: str, words: str
) -> None:
    before = ask(pool, fd, "read")["pid"]
    with pytest.raises(ChildFailed, match=words) as caught:
        ask(pool, fd, act)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)
    after = ask(pool, fd, "read")
    assert after["text"] == "what the file says"
    assert after["pid"] != before


@pytest.mark.parametrize(
    ("pattern", "times"),
    [
        ("\xff not json", 1),
        ("[", 59_000),  # deeper than Python's stack
        ('{"done":', 7000),
        ("9" * 5000, 1),  # longer than Python reads numbers
        ("[1]", 1),
        ('{"done": [["a", 1], 5]}', 1),
        ('{"done": null, "error": 5}', 1),
        ('{"failed": "crashed", "error": "Nothing was found, the file is fine"}', 1),
        ('{"failed": "crashed", "error": "' + "x" * 41 + '"}', 1),
    ],
)
def test_a_senseless_answer_costs_one_answer(
    pool: ChildPool, fd: int, pattern: str, times: int
) -> None:
    with pytest.raises(ChildFailed, match=r"failed \(no usable answer\)") as caught:
        ask(pool, fd, "nonsense", pattern=pattern, times=times)
    assert caught.value.code == "crashed"
    assert ask(pool, fd, "read")["text"] == "what the file says"


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_message_is_an_object_or_nothing(data: bytes) -> None:
    assert isinstance(read_message(data), dict)


def test_wall_time_is_limited_and_extended_on_request(fd: int) -> None:
    with make_pool(limits=Limits(memory_mb=256, wall_seconds=0.3)) as pool:
        with pytest.raises(ChildFailed) as caught:
            ask(pool, fd, "sleep", seconds=30)
        assert caught.value.code == "timed_out"
        assert pool.run(fd, {"act": "sleep", "seconds": 0.5}, more_seconds=30) == {}


def test_a_child_may_do_nothing_but_read_its_file(pool: ChildPool, path: Path, fd: int) -> None:
    answers = ask(pool, fd, "attempts", path=str(path))
    assert answers.pop("pwrite") == "EBADF"
    assert set(answers.values()) == {"EPERM"}, answers
    assert path.read_text() == "what the file says"


def test_threads_still_work(pool: ChildPool, fd: int) -> None:
    assert ask(pool, fd, "threads") == {"ran": [0, 1, 2]}


def test_secrets_in_the_environment_do_not_reach_a_child(
    monkeypatch: pytest.MonkeyPatch, fd: int
) -> None:
    monkeypatch.setenv("SAFELIGHT_DATABASE_URL", "postgresql://secret")
    with make_pool() as pool:
        assert "secret" not in str(ask(pool, fd, "environment"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_root_is_dropped(pool: ChildPool, fd: int) -> None:
    nobody = 65534
    assert ask(pool, fd, "identity") == {
        "uid": [nobody] * 3,
        "gid": [nobody] * 3,
        "groups": [],
    }


def test_self_test_says_what_is_in_force(pool: ChildPool) -> None:
    report = pool.self_test()
    assert report["unprivileged"] is True
    assert report["system_call_filter"] is True
    assert report["no_new_privileges"] is True
    assert report["memory_mb"] == 256
    assert set(report) >= {"network_namespace", "privileges_dropped"}


def test_a_child_killed_while_idle_is_replaced_unseen(fd: int) -> None:
    with make_pool() as pool:
        pid = ask(pool, fd, "read")["pid"]
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
            time.sleep(0.01)
        assert ask(pool, fd, "read")["pid"] != pid


def test_children_are_replaced_after_their_share_of_tasks(fd: int) -> None:
    with make_pool(limits=Limits(memory_mb=256, tasks=2)) as pool:
        pids = [ask(pool, fd, "read")["pid"] for _ in range(3)]
    assert pids[0] == pids[1] != pids[2]


def test_many_threads_share_two_children(fd: int) -> None:
    pids: list[int] = []
    with make_pool(children=2) as pool:

        def run() -> None:
            for _ in range(20):
                pids.append(ask(pool, fd, "read")["pid"])  # noqa: PERF401

        threads = [threading.Thread(target=run) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(pids) == 120
    assert len(set(pids)) <= 2


def test_close_ends_the_children_and_refuses_more(fd: int) -> None:
    pool = make_pool()
    pid = ask(pool, fd, "read")["pid"]
    pool.close()
    pool.close()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(SandboxUnavailable, match="closed"):
        ask(pool, fd, "read")


def test_dropping_the_pool_ends_the_children(fd: int) -> None:
    pool = make_pool()
    pid = ask(pool, fd, "read")["pid"]
    del pool
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_gets_children_of_its_own(fd: int) -> None:
    with make_pool() as pool:
        ours = ask(pool, fd, "read")["pid"]
        reader, writer = os.pipe()
        forked = os.fork()
        if forked == 0:
            os.write(writer, str(ask(pool, fd, "read")["pid"]).encode())
            pool.close()
            os._exit(0)
        os.close(writer)
        theirs = int(os.read(reader, 20))
        os.close(reader)
        assert os.waitpid(forked, 0)[1] == 0
        assert theirs != ours
        assert ask(pool, fd, "read")["pid"] == ours


@pytest.mark.parametrize(
    ("work", "words"),
    [
        ("no_such_module:work", "ModuleNotFoundError"),
        ("sandbox_work:no_such_function", "AttributeError"),
        ("sandbox_bad_prepare:work", "prepare failed"),
        ("sandbox_bad_self_test:work", "PermissionError"),
    ],
)
def test_work_that_cannot_start_is_reported(work: str, words: str, fd: int) -> None:
    with (
        ChildPool(work, children=1, limits=LIMITS, search_path=[HERE]) as pool,
        pytest.raises(SandboxUnavailable, match=words),
    ):
        pool.run(fd, {})


def test_a_pool_needs_a_child() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make_pool(children=0)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_lands_inside_it(machine: str) -> None:
    code = seccomp.program(machine, own_pid=1234)
    instructions = [code[i : i + 8] for i in range(0, len(code), 8)]
    assert len(instructions) < 4096
    for place, instruction in enumerate(instructions):
        assert place + max(instruction[2], instruction[3]) < len(instructions)
    assert instructions[-1] == b"\x06\x00\x00\x00\x00\x00\xff\x7f"


_PARENT = """
import os, sys
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildPool
limits = Limits(memory_mb=256, cpu_seconds=60, wall_seconds=60.0)
pool = ChildPool("sandbox_work:work", children=1, limits=limits, search_path=[sys.argv[1]])
fd = os.open(sys.argv[2], os.O_RDONLY)
print(pool.run(fd, {"act": "read"})["pid"], flush=True)
pool.run(fd, {"act": "loop"})
"""


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or waits only for somebody to ask how it ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:  # gone, before or while it was read
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


def test_a_child_at_work_ends_with_its_parent(path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, HERE, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.5)  # for the second task to be under way
        assert not has_ended(pid)
        parent.kill()
    until = time.monotonic() + 20
    while not has_ended(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert has_ended(pid)


def test_no_size_of_a_file_buys_more_than_an_hour(pool: ChildPool, fd: int) -> None:
    answer = pool.run(fd, {"act": "read"}, more_seconds=2.0**63 / 20_000_000)
    assert answer["text"] == "what the file says"
