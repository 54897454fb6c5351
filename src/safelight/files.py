"""Our own files on disk: private, whole or not there, and with errors that say what to do."""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safelight.errors import BadPath, DiskFull

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about one of our own files into ours."""
    try:
        yield
    except OSError as exc:
        shown = show_path(path)
        if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(f"{shown}: the disk is full: make room first.") from exc
        if exc.errno == errno.EEXIST:
            raise BadPath(f"{shown} exists already; name another file.") from exc
        raise BadPath(f"{shown}: cannot be written: {exc.strerror}.") from exc


def replace_private(path: Path, data: bytes) -> None:
    """Write a 0600 file so that a kill at any moment leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with disk_errors(path):
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
            with os.fdopen(fd, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def to_line(row: dict[str, Any]) -> str:
    """One row as one line of JSON, with its line end."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def show_path(path: bytes | str | Path) -> str:
    """The path for people: on one line, without control characters, whatever the name holds."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
