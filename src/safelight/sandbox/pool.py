"""A pool of child processes that work on one file each at a time.

A child that crashes, hangs or eats memory costs its own file an answer and is replaced; the pool
and every other file go on.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Generator, Sequence
from typing import Any

from safelight.errors import SandboxUnavailable
from safelight.sandbox import seccomp
from safelight.sandbox.child import MAX_MESSAGE
from safelight.sandbox.limits import Limits

# A child gets no other variable: the parent's may hold secrets.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "TZ", "SAFELIGHT_KERNEL_ISA")

# All that is repeated of a failed child's words: it may have been taken over.
_CLASS_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")

# A file may claim any size (2^63 - 1 bytes of nothing): no claim buys more time than this.
_MOST_MORE_SECONDS = 3600.0


class ChildFailed(Exception):
    """A child gave no answer about its file. `code`: crashed, timed_out or out_of_memory."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Gone(Exception):
    """The child closed its socket."""


class _Unheard(_Gone):
    """The child closed its socket with what we sent still unread, as the kernel tells us."""


class _Child:
    """One process and the socket it is spoken to by. Used by one thread at a time."""

    def __init__(self, work: str, limits: Limits, search_path: Sequence[str]) -> None:
        self._limits = limits
        self.tasks = 0
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._process = _start_process(theirs.fileno(), work, limits, search_path)
            except OSError:
                self._channel.close()
                raise
        self.in_force = self._wait_until_ready()

    def _wait_until_ready(self) -> dict[str, Any]:
        try:
            hello = self._receive(self._limits.start_seconds)
        except TimeoutError as exc:
            self.kill()
            raise SandboxUnavailable(
                f"A decoding process did not start within {self._limits.start_seconds:.0f} seconds."
            ) from exc
        except _Gone as exc:
            raise SandboxUnavailable(
                f"A decoding process ended while starting (status {self.kill()}). "
                "`safelight doctor` tells what the system lacks."
            ) from exc
        ready = hello.get("ready")
        if not isinstance(ready, dict):
            self.kill()
            raise SandboxUnavailable(f"A decoding process could not start: {hello.get('failed')}")
        return ready

    def run(
        self, fd: int, request: dict[str, Any], more_seconds: float, also: Sequence[int]
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        """Have the child work on `fd`: yield its partial answers and return the last.

        Raises ChildFailed, with the child dead, or _Gone: the child had died before it took the
        task. Both limits of time are for one partial answer.
        """
        task = json.dumps({"more_seconds": more_seconds, "request": request}).encode()
        try:
            socket.send_fds(self._channel, [task], [fd, *also])
        except (BrokenPipeError, ConnectionResetError) as exc:
            self.kill()
            raise _Gone from exc
        self.tasks += 1
        begun = False
        while True:
            answer = self._next_answer(more_seconds, begun=begun)
            begun = True
            part, done = answer.get("part"), answer.get("done")
            if isinstance(done, dict):
                return done
            if not isinstance(part, dict):
                self.kill()
                raise _failed(answer)
            yield part

    def _next_answer(self, more_seconds: float, *, begun: bool) -> dict[str, Any]:
        try:
            return self._receive(self._limits.wall_seconds + more_seconds)
        except TimeoutError as exc:
            self.kill()
            raise ChildFailed("timed_out", "The file took too long and was given up.") from exc
        except _Unheard as exc:
            self.kill()
            if begun:  # it has answered what it claims not to have heard
                raise ChildFailed("crashed", "A decoding process gave senseless answers.") from exc
            raise
        except _Gone as exc:
            raise _how_it_ended(self.kill(grace=5.0)) from exc

    def _receive(self, seconds: float) -> dict[str, Any]:
        self._channel.settimeout(seconds)
        try:
            data = self._channel.recv(MAX_MESSAGE)
        except ConnectionResetError as exc:
            raise _Unheard from exc
        if not data:
            raise _Gone
        return read_message(data)

    def kill(self, grace: float = 0.0) -> int:
        """End the process, after `grace` seconds at most, and return its status."""
        self._channel.close()
        try:
            return self._process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def abandon(self) -> None:
        """Forget the process without touching it: it belongs to the process we were forked from."""
        self._channel.close()
        self._process.returncode = 0


def read_message(untrusted_data: bytes) -> dict[str, Any]:
    """What a child sent, as JSON; empty where it is none. Never raises."""
    try:
        answer = json.loads(untrusted_data)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return {}
    return answer if isinstance(answer, dict) else {}


def _start_process(
    control: int, work: str, limits: Limits, search_path: Sequence[str]
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            *(sys.executable, "-I", "-m", "safelight.sandbox.child"),
            *(str(control), work, *limits.to_args(), *search_path),
        ],
        pass_fds=[control],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_environment(),
        start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
    )


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    # One thread a child: the pool is what uses the processors.
    return {**kept, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _how_it_ended(status: int) -> ChildFailed:
    if status == -signal.SIGXCPU:
        return ChildFailed("timed_out", "The file took too much processor time and was given up.")
    if status == -signal.SIGKILL:
        return ChildFailed(
            "out_of_memory", "The system ended the process that was reading the file."
        )
    how = f"signal {-status}" if status < 0 else f"status {status}"
    return ChildFailed("crashed", f"The process that was reading the file ended with {how}.")


def _failed(answer: dict[str, Any]) -> ChildFailed:
    if answer.get("failed") == "out_of_memory":
        return ChildFailed("out_of_memory", "The file needs more memory than a process may use.")
    error = answer.get("error")
    usable = isinstance(error, str) and _CLASS_NAME.fullmatch(error)
    name = error if usable else "no usable answer"
    return ChildFailed("crashed", f"The process that was reading the file failed ({name}).")


class _Shelf:
    """The idle children of a pool; apart from the pool so that its end can be watched."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.idle: list[_Child] = []
        self.closed = False

    def take(self) -> _Child | None:
        """An idle child, the one used last: its memory is warm."""
        with self.lock:
            if self.closed:
                raise SandboxUnavailable("This pool of decoding processes has been closed.")
            return self.idle.pop() if self.idle else None

    def put(self, child: _Child) -> None:
        """Keep the child for the next task, or end it when the pool has been closed."""
        with self.lock:
            if not self.closed:
                self.idle.append(child)
                return
        child.kill()

    def close(self) -> None:
        """End every idle child; those at work end when their task does."""
        with self.lock:
            self.closed = True
            idle, self.idle = self.idle, []
        for child in idle:
            child.kill()


class ChildPool:
    """Up to `children` processes, started when first needed, that run `work` on descriptors.

    `work` is `module:function`, a function `(fd: int, request: dict) -> dict` with JSON values,
    the answer below 60 kB; or a generator function that yields such dicts before it returns
    one. The module may have `prepare()`, called before the child gives up its rights, and
    `self_test()`, called after. `search_path`: folders put in front of the child's module path
    (plug-ins, tests). Safe to use from many threads and after a fork.
    """

    def __init__(
        self,
        work: str,
        *,
        children: int,
        limits: Limits | None = None,
        search_path: Sequence[str] = (),
    ) -> None:
        if children < 1:
            raise ValueError("children must be at least 1")
        self._work = work
        self._children = children
        self._limits = limits or Limits()
        self._search_path = tuple(search_path)
        self._shelf = _Shelf()
        self._places = threading.BoundedSemaphore(children)
        self._end = weakref.finalize(self, self._shelf.close)
        _POOLS.add(self)

    @property
    def children(self) -> int:
        """The most children at work at the same time."""
        return self._children

    @property
    def limits(self) -> Limits:
        """What one child may use."""
        return self._limits

    def run(self, fd: int, request: dict[str, Any], *, more_seconds: float = 0.0) -> dict[str, Any]:
        """Have a child work on the open file `fd`, and return its last answer; see `stream`."""
        answers = self.stream(fd, request, more_seconds=more_seconds)
        while True:
            try:
                next(answers)
            except StopIteration as stop:
                last: dict[str, Any] = stop.value
                return last

    def stream(
        self,
        fd: int,
        request: dict[str, Any],
        *,
        more_seconds: float = 0.0,
        also: Sequence[int] = (),
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        """Have a child work on the open file `fd`, waiting for a free one first.

        Yields the partial answers and returns the last; whoever stops listening ends the child.
        The descriptor's position is shared with the child. `more_seconds` is added to both time
        limits, for large files; an hour is the most. `also`: up to MORE_FDS further descriptors,
        which the child finds in the request's "also". Raises ChildFailed when the child gave no
        answer, and SandboxUnavailable when children cannot be started.
        """
        more_seconds = min(more_seconds, _MOST_MORE_SECONDS)
        with self._places:
            while True:
                child = self._shelf.take()
                fresh = child is None
                child = child or self._start()
                try:
                    return (yield from self._run_on(child, fd, request, more_seconds, also))
                except _Gone as exc:
                    if fresh:
                        raise ChildFailed("crashed", "A decoding process ended at once.") from exc

    def _run_on(
        self,
        child: _Child,
        fd: int,
        request: dict[str, Any],
        more_seconds: float,
        also: Sequence[int],
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        try:
            answer = yield from child.run(fd, request, more_seconds, also)
        except (ChildFailed, _Gone):
            raise
        except BaseException:  # Ctrl-C: what the child will answer next belongs to no one
            child.kill()
            raise
        if child.tasks < self._limits.tasks:
            self._shelf.put(child)
        else:
            child.kill()
        return answer

    def _start(self) -> _Child:
        if not seccomp.supported():
            raise SandboxUnavailable(
                "Safelight's decoding processes need Linux on x86-64 or aarch64. Files of your own "
                'may be hashed without them: hash_image(..., isolation="none").'
            )
        try:
            return _Child(self._work, self._limits, self._search_path)
        except OSError as exc:
            raise SandboxUnavailable(f"A decoding process could not be started: {exc}") from exc

    def self_test(self) -> dict[str, Any]:
        """Start a child if none is idle, and return what protects it. Raises SandboxUnavailable."""
        with self._places:
            child = self._shelf.take() or self._start()
            self._shelf.put(child)
            return child.in_force

    def close(self) -> None:
        """End the children. Tasks under way are finished first; new ones are refused."""
        self._end()

    def __enter__(self) -> "ChildPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _after_fork(self) -> None:
        """Start afresh in a forked process: the children belong to the process that forked."""
        for child in self._shelf.idle:
            child.abandon()
        self._end.detach()
        closed, self._shelf = self._shelf.closed, _Shelf()
        self._shelf.closed = closed
        self._places = threading.BoundedSemaphore(self._children)
        self._end = weakref.finalize(self, self._shelf.close)


_POOLS: "weakref.WeakSet[ChildPool]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for pool in list(_POOLS):
        pool._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
