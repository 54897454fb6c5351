"""Work on several files at once whose results come in the order of the files, as they are made.

A file may have any number of results (an archive has one for every member). Those of the file whose
turn it is are passed on at once; others wait, up to a bound over all of them, so that memory stays
flat whatever is inside.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from safelight.errors import BadInput

# Files handed out ahead of the oldest unfinished one, per job: enough that one slow file does not
# leave the other jobs idle, few enough that memory stays flat.
AHEAD = 64
MOST_WAITING = 20_000  # results

Work = TypeVar("Work")
Result = TypeVar("Result")


class Interrupted(Exception):
    """Raised by work that was asked to stop in the middle of a file: no result after it counts."""


class Stop:
    """Asks for work to end early: nothing further is begun, what is under way is finished."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        """Ask."""
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()


class _Lane(Generic[Result]):
    """The results of one file that nobody has taken yet."""

    def __init__(self) -> None:
        self.results: deque[Result] = deque()
        self.error: BaseException | None = None
        self.begun = False
        self.ended = False


class _Lanes(Generic[Result]):
    """The files under way, in order."""

    def __init__(self, most_waiting: int) -> None:
        self._changed = threading.Condition()
        self._lanes: deque[_Lane[Result]] = deque()
        self._waiting = 0
        self._most_waiting = most_waiting
        self._closed = False

    def __len__(self) -> int:
        return len(self._lanes)

    def open(self) -> _Lane[Result]:
        """The lane of the next file."""
        lane: _Lane[Result] = _Lane()
        with self._changed:
            self._lanes.append(lane)
        return lane

    def begin(self, lane: _Lane[Result], stop: Stop) -> bool:
        """Tell whether to work on the lane's file, or nobody wants it any more."""
        with self._changed:
            lane.begun = not stop and not self._closed
            return lane.begun

    def put(self, lane: _Lane[Result], result: Result) -> bool:
        """Add a result, waiting for room; False when nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(lane))
            lane.results.append(result)
            self._waiting += 1
            self._changed.notify_all()
            return not self._closed

    def _has_room(self, lane: _Lane[Result]) -> bool:
        if self._lanes and lane is self._lanes[0]:  # whose turn it is never waits for the others
            return len(lane.results) < self._most_waiting
        return self._waiting < self._most_waiting

    def end(self, lane: _Lane[Result], error: BaseException | None = None) -> None:
        """No more results come."""
        with self._changed:
            lane.ended, lane.error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes results any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, *, wait: bool) -> Iterator[Result]:
        """The results that are there, in order; with `wait` all of the first file's."""
        while self._lanes:
            with self._changed:
                lane = self._lanes[0]
                if wait:
                    self._changed.wait_for(lambda: lane.results or lane.ended)  # noqa: B023
                ready = list(lane.results)
                lane.results.clear()
                self._waiting -= len(ready)
                over = lane.ended
                if over:
                    self._lanes.popleft()
                self._changed.notify_all()
            yield from ready
            if over and lane.error is not None:
                raise lane.error
            if over and wait:
                return
            if not ready and not over:
                return


def in_order(
    work: Callable[[Work], Iterator[Result]],
    files: Iterable[Work],
    *,
    jobs: int,
    stop: Stop | None = None,
    most_waiting: int = MOST_WAITING,
) -> Iterator[Result]:
    """Run `work` over the files on `jobs` threads and yield its results in the order of the files.

    What `work` raises is raised here, when its turn comes; Interrupted ends the results there.
    After `stop` no file is begun.
    """
    if jobs < 1:
        raise BadInput(f"{jobs} jobs cannot work: give 1 or more.")
    stop = Stop() if stop is None else stop
    lanes: _Lanes[Result] = _Lanes(most_waiting)
    with ThreadPoolExecutor(jobs, thread_name_prefix="scan") as pool:
        try:
            for file in files:
                if stop:
                    break
                pool.submit(_run, work, file, lanes, lanes.open(), stop)
                yield from lanes.take(wait=False)
                while len(lanes) >= AHEAD * jobs:
                    yield from lanes.take(wait=True)
            while len(lanes):
                yield from lanes.take(wait=True)
        except Interrupted:
            return
        finally:
            lanes.close()
            pool.shutdown(wait=True, cancel_futures=True)


def _run(
    work: Callable[[Work], Iterator[Result]],
    file: Work,
    lanes: _Lanes[Result],
    lane: _Lane[Result],
    stop: Stop,
) -> None:
    """Do the work on one file, in a thread, and put its results into the file's lane."""
    error: BaseException | None = None
    try:
        if lanes.begin(lane, stop):
            for result in work(file):
                if not lanes.put(lane, result):
                    break
    except BaseException as exc:  # noqa: BLE001 - carried to whoever takes the results
        error = exc
    lanes.end(lane, error)
