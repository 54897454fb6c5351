"""Progress of a scan on stderr: a bar with rate and time left, or a line now and then in a pipe."""

import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from safelight.bulk.rows import Tally
from safelight.bulk.walk import walk
from safelight.cli.progress_line import SECONDS_BETWEEN_LINES, SECONDS_TO_FIRST_LINE


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("– /s" if not task.speed else f"{task.speed:,.0f} /s", style="dim")


class ScanProgress:
    """Counts the files in the background while the first are examined, and shows how far it is."""

    def __init__(self, roots: Sequence[bytes]) -> None:
        self._roots = roots
        self._total: int | None = None
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._already: int | None = None  # files that an earlier run had done
        self._next_line = self._began + SECONDS_TO_FIRST_LINE
        self._bar = _bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task("scanning", total=None, found="") if self._bar else None
        self._counting = threading.Thread(target=self._count, daemon=True, name="count files")

    def __enter__(self) -> "ScanProgress":
        self._counting.start()
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        if self._bar:
            self._bar.stop()
        self._counting.join()

    def show(self, tally: Tally) -> None:
        """Show where the scan stands."""
        if self._already is None:
            self._already = tally.files - 1
        found = f"{tally.found:,} found" if tally.found else ""
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=tally.files, total=self._total, found=found)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            sys.stderr.write(self._line(tally) + "\n")

    def _line(self, tally: Tally) -> str:
        """Where the scan stands, for a log: files, rate, time left, finds."""
        already = self._already or 0
        rate = (tally.files - already) / max(0.001, time.monotonic() - self._began)
        line = f"{tally.files:,} files, {rate:,.0f} files/s, {tally.found:,} found"
        if self._total is None:
            return line
        left = timedelta(seconds=round((self._total - tally.files) / max(0.001, rate)))
        return f"{line}; of {self._total:,}, {left} left"

    def _count(self) -> None:
        count = 0
        for count, _found in enumerate(walk(self._roots), start=1):  # noqa: B007
            if self._ended.is_set():
                return
        self._total = count


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[bold]{task.fields[found]}"),
        console=Console(stderr=True),
        transient=True,
    )
