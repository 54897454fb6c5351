"""The program a child process runs: `python -I -m safelight.sandbox.child`.

Arguments: control descriptor, `module:function`, the limits, then folders for the module path.

The child loads the module, calls its `prepare()` if it has one, gives up its rights, calls its
`self_test()` if it has one, and says that it is ready. Then it takes one task after another: a
message with JSON and one descriptor or more, answered by one message with JSON. Work that is a
generator is answered by a message for every part it yields, and one for what it returns. The child
ends when the parent closes the control socket.
"""

import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from importlib import import_module
from types import ModuleType
from typing import Any

from safelight.sandbox.limits import Limits
from safelight.sandbox.lockdown import allow_cpu, leave_network, lock_down

MAX_MESSAGE = 60_000  # bytes of JSON, either way
MORE_FDS = 4  # descriptors that a task may bring besides its file

Answers = Generator[dict[str, Any], None, dict[str, Any]]  # parts, and last the whole
Work = Callable[[int, dict[str, Any]], dict[str, Any] | Answers]


def main(argv: list[str]) -> None:
    """Load, lock down, and serve tasks until the parent closes the socket."""
    control, name = int(argv[1]), argv[2]
    limits = Limits.from_args(argv[3:6])
    sys.path[:0] = argv[6:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=control)
    libc = ctypes.CDLL(None, use_errno=True)
    threading.Thread(target=_end_with_parent, args=(control,), daemon=True).start()
    try:
        network_left = leave_network(libc)
        module, work = _load(name)
        _call_if_there(module, "prepare")
        gc.collect()
        gc.freeze()
        in_force = lock_down(libc, limits, network_left=network_left)
        _call_if_there(module, "self_test")
    except Exception as exc:  # noqa: BLE001  whatever goes wrong, the parent must be told
        _answer(control, {"failed": f"{type(exc).__name__}: {exc}"})
        os._exit(1)
    _answer(control, {"ready": in_force})
    serve(channel, work, limits)


def _end_with_parent(control: int) -> None:
    """End this process, at work or not, when nobody holds the parent's end of the socket.

    PR_SET_PDEATHSIG would not do: it fires when the thread ends that started this process.
    """
    hung_up = select.poll()
    hung_up.register(control, 0)  # nothing but POLLHUP and POLLERR
    while not hung_up.poll():
        pass
    os._exit(0)


def _load(name: str) -> tuple[ModuleType, Work]:
    module_name, _, function = name.partition(":")
    module = import_module(module_name)
    return module, getattr(module, function)


def _call_if_there(module: ModuleType, name: str) -> None:
    function = getattr(module, name, None)
    if function is not None:
        function()


def serve(channel: socket.socket, work: Work, limits: Limits) -> None:
    """Answer tasks until the parent goes away, or until one used up the memory or failed."""
    while True:
        data, fds, _, _ = socket.recv_fds(channel, MAX_MESSAGE, 1 + MORE_FDS)
        if not data:
            os._exit(0)
        task = json.loads(data)
        seconds = limits.cpu_seconds + int(task["more_seconds"])
        request = task["request"] | {"also": fds[1:]}
        answer = _run(channel.fileno(), work, fds[0], request, seconds)
        for fd in fds:
            os.close(fd)
        _answer(channel.fileno(), answer)
        if "failed" in answer:
            os._exit(1)


def _run(
    control: int, work: Work, fd: int, request: dict[str, Any], seconds: int
) -> dict[str, Any]:
    """The last answer; each part before it may take `seconds` of processor time."""
    try:
        allow_cpu(seconds)
        answers = work(fd, request)
        if isinstance(answers, dict):
            return {"done": answers}
        while True:
            try:
                part = next(answers)
            except StopIteration as stop:
                return {"done": stop.value}
            _answer(control, {"part": part})
            allow_cpu(seconds)
    except MemoryError:
        return {"failed": "out_of_memory"}
    except Exception as exc:  # noqa: BLE001  a failure of the work is an answer, with its class only
        return {"failed": "crashed", "error": type(exc).__name__}


def _answer(control: int, answer: dict[str, Any]) -> None:
    data = json.dumps(answer).encode()
    if len(data) > MAX_MESSAGE:
        data = b'{"failed": "crashed", "error": "answer too long"}'
    os.write(control, data)


if __name__ == "__main__":
    main(sys.argv)
