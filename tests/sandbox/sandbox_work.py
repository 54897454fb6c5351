"""What the tests have a child do. Loaded in the child, never in the test process."""

import ctypes
import errno
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)


def work(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    return ACTS[request["act"]](fd, request)


def read(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    return {"text": os.pread(fd, 1000, 0).decode(), "pid": os.getpid()}


def parts(fd: int, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for number in range(request["count"]):
        if number == request.get("crash_at"):
            ctypes.string_at(0)
        burn_until = time.process_time() + request.get("burn", 0)
        while time.process_time() < burn_until:
            pass
        yield {"number": number, "pid": os.getpid(), "filler": "x" * request.get("size", 0)}
    return {"count": request["count"]}


def segfault(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    ctypes.string_at(0)
    return {}


def abort(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    os.abort()


def leave(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    os._exit(3)


def loop(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    while True:
        pass


def sleep(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    time.sleep(request["seconds"])
    return {}


def eat_memory(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    return {"length": len(bytearray(1 << 40))}


def raise_error(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    raise ZeroDivisionError("a secret from the file")


def long_answer(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    return {"text": "x" * 1_000_000}


def nonsense(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    data = request["pattern"].encode("latin-1") * request.get("times", 1)
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            continue
    return {}


def environment(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    return dict(os.environ)


def threads(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    seen: list[int] = []
    workers = [threading.Thread(target=seen.append, args=(i,)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"ran": sorted(seen)}


def identity(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    return {"uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups()}


def _try(action: Any) -> str:
    try:
        action()
    except OSError as exc:
        return errno.errorcode[exc.errno or 0]
    return "allowed"


def _clone_process() -> None:
    # SIGCHLD and no CLONE_THREAD: a process, whatever libc calls it
    if (
        LIBC.syscall(56 if os.uname().machine == "x86_64" else 220, int(signal.SIGCHLD), 0, 0, 0, 0)
        < 0
    ):
        raise OSError(ctypes.get_errno(), "clone")


def _call(x86_64: int, aarch64: int, *arguments: Any) -> None:
    if LIBC.syscall(x86_64 if os.uname().machine == "x86_64" else aarch64, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def attempts(fd: int, request: dict[str, Any]) -> dict[str, Any]:
    """Try what a child must not be able to do; say how each was answered."""
    path, parent = request["path"], os.getppid()
    return {
        "tcp": _try(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
        "udp": _try(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        "unix": _try(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)),
        "program": _try(lambda: subprocess.run(["/bin/true"], check=False)),
        "execve": _try(lambda: os.execv("/bin/true", ["true"])),
        "fork": _try(os.fork),
        "clone": _try(_clone_process),
        "write": _try(lambda: os.open(path + ".new", os.O_WRONLY | os.O_CREAT)),
        "reopen": _try(lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR)),
        "read": _try(lambda: os.open("/etc/passwd", os.O_RDONLY)),
        "unlink": _try(Path(path).unlink),
        "chmod": _try(lambda: Path(path).chmod(0o600)),
        "touch": _try(lambda: os.utime(path)),
        "kill": _try(lambda: os.kill(parent, 0)),
        "memfd": _try(lambda: os.memfd_create("x")),
        "readlink": _try(lambda: os.readlink("/proc/self/exe")),
        "list_folder": _try(lambda: _call(217, 61, fd, 0, 0)),
        "listxattr": _try(lambda: os.listxattr(path)),
        "access": _try(lambda: _call(269, 48, -100, path.encode(), 0)),
        "chdir": _try(lambda: os.chdir("/")),
        "flock": _try(lambda: _call(73, 32, fd, 1)),
        "semaphore": _try(lambda: _call(66, 191, 0, 0, 0)),
        "landlock": _try(lambda: _call(444, 444, 0, 0, 1)),
        "setuid": _try(lambda: os.setresuid(0, 0, 0)),
        "pwrite": _try(lambda: os.pwrite(fd, b"x", 0)),
    }


ACTS = {
    function.__name__: function
    for function in (
        read,
        parts,
        segfault,
        abort,
        leave,
        loop,
        sleep,
        eat_memory,
        raise_error,
        long_answer,
        nonsense,
        environment,
        threads,
        identity,
        attempts,
    )
}
