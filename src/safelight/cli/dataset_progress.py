"""Progress of a data-set audit on stderr: shards, items, rate and time left."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta

from safelight.cli.progress_line import Line
from safelight.errors import SafelightError


class DatasetProgress:
    """Counts the shards in the background while the first are examined, and shows how far it is.

    `add` may be called from any thread.
    """

    def __init__(self, shards: Callable[[], Iterable[object]], already: int) -> None:
        self._shards = shards
        self._already = already  # shards done by an earlier run
        self._done = already
        self._items = 0
        self._found = 0
        self._total: int | None = None
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._line = Line()
        self._lock = threading.Lock()
        self._counting = threading.Thread(target=self._count, daemon=True, name="count shards")

    def __enter__(self) -> "DatasetProgress":
        self._counting.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._ended.set()
        self._counting.join(timeout=5.0)
        self._line.end()

    def add(self, *, found: bool) -> None:
        """One more item has its row."""
        with self._lock:
            self._items += 1
            self._found += found
            if not self._line.is_due():
                return
            line = self.line(time.monotonic())
        self._line.show(line)

    def shard_done(self) -> None:
        """One more shard has its part."""
        self._done += 1

    def line(self, now: float) -> str:
        """Where the audit stands."""
        seconds = max(0.001, now - self._began)
        of = "" if self._total is None else f" of {self._total:,}"
        line = (
            f"{self._done:,}{of} shards, {self._items:,} items, {self._items / seconds:,.0f}"
            f" items/s, {self._found:,} found"
        )
        if self._total is None or self._done == self._already:
            return line
        left = (self._total - self._done) * seconds / (self._done - self._already)
        return f"{line}; {timedelta(seconds=round(left))} left"

    def _count(self) -> None:
        count = 0
        with suppress(SafelightError):  # whoever lists them to examine them will say so
            for count, _shard in enumerate(self._shards(), start=1):  # noqa: B007
                if self._ended.is_set():
                    return
            self._total = count
