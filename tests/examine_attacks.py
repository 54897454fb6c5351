"""Work for children that misbehaves on files which ask for it; otherwise the real work."""

import base64
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
    if wanted == b"walk" and request["archives"]:
        return (yield from walk(os.pread(fd, 10_000, 5).decode().split(), request))
    if wanted in ENDLESS:
        return (yield from for_ever(ENDLESS[wanted]))
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
    if wanted == b"lie about grade":
        return {**ABOUT, "graded": True}
    return (yield from examine_child.work(fd, request))


FRAME = [0, 0.0, 100, base64.b64encode(bytes(256)).decode()]

ENDLESS: dict[bytes, dict[str, Any]] = {
    b"alive": {"alive": True},
    b"frames": {"frames": [FRAME] * 100},
    b"no frames": {"frames": []},
}


def for_ever(part: dict[str, Any]) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Never answer, and never be silent."""
    while True:
        yield part


DIGESTS = {"md5": "0" * 32, "sha1": "0" * 40, "sha256": "0" * 64, "size": 1}
ABOUT = {"digests": DIGESTS, "kind": "other", "format": "unknown"}


def walk(
    acts: list[str], request: dict[str, Any]
) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """A container whose members do what they are called."""
    for number, act in enumerate(acts):
        if number < request["start"]:
            continue
        members = [[base64.b64encode(act.encode()).decode(), "archive_member", ""]]
        if act == "crash-unannounced":
            ctypes.string_at(0)
        yield {"begin": number, "members": members}
        failed = request["failed"] if number == request["start"] else None
        if act == "always-crash" or (act == "crash" and not failed):
            ctypes.string_at(0)
        if act == "lie" and not failed:
            yield {"item": {"picture": 5}, "number": number, "members": members}
        if act == "alive" and not failed:
            yield from for_ever({"alive": True})
        if act == "begin" and not failed:
            yield from for_ever({"begin": number, "members": members})
        if act == "back" and not failed:
            yield {
                "item": {**ABOUT, "code": "empty", "detail": ""},
                "number": 0,
                "members": members,
            }
        item = {**ABOUT, "code": failed or "not_a_picture", "detail": ""}
        yield {"item": item, "number": number, "members": members}
    container = {"members": len(acts), "flags": []}
    return {"digests": DIGESTS, "kind": "archive", "format": "zip", "container": container}
