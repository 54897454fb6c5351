"""Scanning: files through the pipeline on several children at once, results in walk order."""

import os
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from safelight.bulk.walk import Found, open_problem
from safelight.decode.rules import REASONS
from safelight.errors import BadInput, BadPath, CouldNotCheck, SafelightError
from safelight.examine import Examiner
from safelight.files import show_path
from safelight.matching.rules import MatchPolicy, judge
from safelight.matching.step import Matcher
from safelight.model import Answer, Examined, HashMode, NotChecked
from safelight.pipeline import answer
from safelight.sandbox.files import open_for_examination

# Files handed out ahead of the oldest unfinished one, per job: enough that one slow file does not
# leave the other jobs idle, few enough that memory stays flat.
AHEAD = 64

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ScanResult:
    """One file and the verdict about it. `raw_path` is bytes: a file name need not be text."""

    raw_path: bytes
    answer: Answer

    @property
    def path(self) -> str:
        """The path as Python gives it: bytes that are not UTF-8 are surrogate escapes."""
        return os.fsdecode(self.raw_path)


class Stop:
    """Asks for work to end early: nothing further is begun, what is under way is finished."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        """Ask."""
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()


def scan_all(
    files: Iterable[Found],
    examiner: Examiner,
    matcher: Matcher,
    policy: MatchPolicy,
    *,
    jobs: int,
    stop: Stop | None = None,
) -> Iterator[ScanResult]:
    """Yield the verdict about every file, in the order given."""

    def one(found: Found) -> ScanResult:
        opened = _open(found)
        if isinstance(opened, NotChecked):
            return ScanResult(found.path, judge(opened, [], policy))
        with opened as fd:
            try:
                verdict = answer(fd, examiner=examiner, matcher=matcher, policy=policy)
            except SafelightError:
                raise  # the sandbox or the disk: no file would do better
            except Exception as exc:  # noqa: BLE001 - the worker loop: one file, one result
                verdict = judge(_failed(found, exc), [], policy)
        return ScanResult(found.path, verdict)

    return _in_order(one, files, jobs, Stop() if stop is None else stop)


def examine_all(
    files: Iterable[Found], examiner: Examiner, mode: HashMode, *, jobs: int
) -> Iterator[tuple[bytes, Examined]]:
    """Yield path and hashes of every file, in the order given."""

    def one(found: Found) -> tuple[bytes, Examined]:
        opened = _open(found)
        if isinstance(opened, NotChecked):
            return found.path, opened
        with opened as fd:
            return found.path, examiner.examine(fd, mode=mode)

    return _in_order(one, files, jobs, Stop())


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


def _in_order(
    one: Callable[[Found], Result], files: Iterable[Found], jobs: int, stop: Stop
) -> Iterator[Result]:
    """Run `one` over the files on `jobs` threads; results in order, a bounded number under way."""
    if jobs < 1:
        raise BadInput(f"{jobs} jobs cannot work: give 1 or more.")
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(jobs, thread_name_prefix="scan") as pool:
        try:
            for found in files:
                if stop:
                    break
                waiting.append(pool.submit(one, found))
                while waiting and (waiting[0].done() or len(waiting) >= AHEAD * jobs):
                    yield waiting.popleft().result()
            while waiting:
                oldest = waiting.popleft()
                if not (stop and oldest.cancel()):  # cancel() is refused once a file is under way
                    yield oldest.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
