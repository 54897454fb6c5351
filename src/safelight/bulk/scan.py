"""Scanning: files through the pipeline on several children at once, results in walk order."""

import os
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from safelight.bulk.inside import with_inside
from safelight.bulk.ordered import Interrupted, Stop, in_order
from safelight.bulk.stamp import Stamp, stamp_of
from safelight.bulk.walk import Found, open_problem
from safelight.decode.rules import REASONS
from safelight.errors import BadPath, CouldNotCheck, SafelightError
from safelight.examine import Examiner
from safelight.files import show_path
from safelight.matching.rules import MatchPolicy, judge
from safelight.matching.step import Matcher
from safelight.model import Answer, Depth, Item, Member, NotChecked
from safelight.pipeline import answers
from safelight.sandbox.files import open_for_examination


@dataclass(frozen=True, slots=True)
class ScanResult:
    """One item of a file and the verdict about it.

    `raw_path` is bytes: a file name need not be text. `members` says where inside of the file the
    item lies; empty for the file itself, which comes after all of its members. `stamp` is what
    the file system said of the file before it was examined; None where it could not be opened.
    """

    raw_path: bytes
    answer: Answer
    members: tuple[Member, ...] = ()
    stamp: Stamp | None = None
    inside: dict[str, Any] | None = None  # counts of what lies in it; None: nothing does

    @property
    def path(self) -> str:
        """The path as Python gives it: bytes that are not UTF-8 are surrogate escapes."""
        return os.fsdecode(self.raw_path)


def scan_all(
    files: Iterable[Found],
    examiner: Examiner,
    matcher: Matcher,
    policy: MatchPolicy,
    depth: Depth,
    *,
    jobs: int,
    stop: Stop | None = None,
) -> Iterator[ScanResult]:
    """Yield the verdict about every item of every file, in the order given.

    After `stop` what is under way is finished, but for files with many items: the results end in
    the middle of such a file, without the one of the file itself.
    """

    def one(found: Found) -> Iterator[ScanResult]:
        opened = _open(found)
        if isinstance(opened, NotChecked):
            yield ScanResult(found.path, judge(opened, [], policy))
            return
        with opened as fd:
            stamp = stamp_of(fd)
            try:
                items = answers(fd, examiner=examiner, matcher=matcher, policy=policy, depth=depth)
                for item in with_inside(items):
                    if stop and item.members:
                        raise Interrupted
                    own = None if item.members else stamp
                    yield ScanResult(found.path, item.answer, item.members, own, item.inside)
            except (Interrupted, SafelightError):
                raise  # the sandbox or the disk: no file would do better
            except Exception as exc:  # noqa: BLE001 - the worker loop: one file, one result
                failed = judge(_failed(found, exc), [], policy)
                yield ScanResult(found.path, failed, stamp=stamp)

    return in_order(one, files, jobs=jobs, stop=stop)


def examine_all(
    files: Iterable[Found], examiner: Examiner, depth: Depth, *, jobs: int
) -> Iterator[tuple[bytes, Item]]:
    """Yield path and hashes of every item of every file, in the order given."""

    def one(found: Found) -> Iterator[tuple[bytes, Item]]:
        opened = _open(found)
        if isinstance(opened, NotChecked):
            yield found.path, Item(examined=opened)
            return
        with opened as fd:
            for item in examiner.walk(fd, depth):
                yield found.path, item

    return in_order(one, files, jobs=jobs)


def _failed(found: Found, exc: Exception) -> NotChecked:
    """A mistake of our own, on this file: reported as such, and the others go on."""
    traceback.print_exception(exc)
    message = f"{REASONS['internal']} ({type(exc).__name__} at {show_path(found.path)})"
    return NotChecked(code="internal", message=message)


@dataclass(frozen=True, slots=True)
class _Opened:
    fd: int

    def __enter__(self) -> int:
        return self.fd

    def __exit__(self, *exc_info: object) -> None:
        os.close(self.fd)


def _open(found: Found) -> _Opened | NotChecked:
    if found.problem is not None:
        return found.problem
    try:
        return _Opened(open_for_examination(found.path))
    except (BadPath, CouldNotCheck) as exc:
        return open_problem(exc)
