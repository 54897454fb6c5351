"""Size and times of a file, read from the very descriptor that is examined, before it is.

Times are text in UTC with all nine digits that the system gives. The access time is told only where
the medium is mounted read-only: elsewhere every program that reads the file may change it, and two
examiners would not get the same rows.
"""

import ctypes
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the file system says of a file. Times are of `utc_text`; None where not told."""

    size: int
    modified: str
    changed: str
    accessed: str | None = None
    born: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields of a row: `size` and `times`."""
        times = {
            "modified": self.modified,
            "changed": self.changed,
            "accessed": self.accessed,
            "born": self.born,
        }
        told = {name: time for name, time in times.items() if time is not None}
        return {"size": self.size, "times": told}


def stamp_of(fd: int) -> Stamp:
    """Size and times of an open file."""
    found = os.fstat(fd)
    return Stamp(
        size=found.st_size,
        modified=utc_text(found.st_mtime_ns),
        changed=utc_text(found.st_ctime_ns),
        accessed=utc_text(found.st_atime_ns) if _is_read_only(fd) else None,
        born=_born(fd),
    )


def utc_text(nanoseconds: int) -> str:
    """A time since 1970 as text: `2026-11-22T01:02:03.000000009Z`.

    Times of years that a calendar of four digits lacks are `@` and the seconds.
    """
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"@{seconds}.{rest:09}"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:09}Z".rjust(30, "0")


def _is_read_only(fd: int) -> bool:
    return bool(os.fstatvfs(fd).f_flag & os.ST_RDONLY)


class _Time(ctypes.Structure):
    _fields_ = (
        ("seconds", ctypes.c_int64),
        ("nanoseconds", ctypes.c_uint32),
        ("_", ctypes.c_int32),
    )


class _Statx(ctypes.Structure):
    """The beginning of the kernel's `struct statx`, and room for the rest of it."""

    _fields_ = (
        ("mask", ctypes.c_uint32),
        ("_before", ctypes.c_uint8 * 60),
        ("accessed", _Time),
        ("born", _Time),
        ("_after", ctypes.c_uint8 * 160),
    )


@cache
def _statx() -> Any:
    """The C library's statx(2), which Python has only from 3.15 on; None where it is missing."""
    return getattr(ctypes.CDLL(None), "statx", None)


def _born(fd: int) -> str | None:
    statx = _statx()
    found = _Statx()
    if statx is None or statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, ctypes.byref(found)):
        return None
    if not found.mask & _STATX_BTIME:
        return None
    return utc_text(found.born.seconds * 1_000_000_000 + found.born.nanoseconds)
