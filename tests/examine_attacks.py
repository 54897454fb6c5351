"""Work for children that misbehaves on files which ask for it; otherwise the real work."""

import ctypes
import os
import time
from collections.abc import Generator
from typing import Any

from safelight import examine_child
from safelight.examine_child import prepare as prepare
from safelight.examine_child import self_test as self_test


def work(fd: int, request: dict[str, Any]) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Do what the first bytes of the file say, unless only digests are asked for."""
    wanted = os.pread(fd, 20, 0).split(b"\n")[0]
    if request["mode"] == "digests" and wanted != b"always crash":
        return (yield from examine_child.work(fd, request))
    if wanted in (b"crash", b"always crash"):
        ctypes.string_at(0)
    if wanted == b"hang":
        time.sleep(100)
    if wanted == b"memory":
        return {"length": len(bytearray(1 << 45))}
    if wanted == b"lie":
        return {"picture": {"frames": [{"pdq": "x"}]}, "digests": None}
    if wanted == b"lie about code":
        return {"code": "nothing found", "detail": "", "kind": "image", "format": "jpeg"}
    return (yield from examine_child.work(fd, request))
