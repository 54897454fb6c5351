"""What an import shows while it runs, and what it sets aside."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

from safelight.files import NEW_FILE, PRIVATE, PRIVATE_FOLDER, disk_errors, write_all
from safelight.model import HashRow, RejectedRow

_STEP = 10_000


class Rejects:
    """Writes rejected rows to a private file, made with the first of them; see `take`.

    An import that fails leaves no file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.number = 0
        self._handle: int | None = None

    def take(self, rows: Iterable[HashRow | RejectedRow]) -> Iterator[HashRow]:
        """Pass the good rows on and set the others aside."""
        for row in rows:
            if isinstance(row, HashRow):
                yield row
            else:
                self._write(row)

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        if self._handle is None:
            return
        os.close(self._handle)
        if kind is not None:
            self.path.unlink(missing_ok=True)

    def _write(self, row: RejectedRow) -> None:
        line = json.dumps(row._asdict(), ensure_ascii=False) + "\n"
        with disk_errors(self.path):
            if self._handle is None:
                self.path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
                self._handle = os.open(self.path, NEW_FILE, PRIVATE)
            write_all(self._handle, line.encode("utf-8", "replace"))
        self.number += 1


def show_progress(rows: Iterable[HashRow]) -> Iterator[HashRow]:
    """Pass the rows on, with a count and a rate on the terminal."""
    if not sys.stderr.isatty():
        yield from rows
        return
    from rich.console import Console  # noqa: PLC0415 - not paid for in a pipe
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Reading hashes")
        number = 0
        for number, row in enumerate(rows, 1):
            if number % _STEP == 0:
                progress.update(task, description=f"Reading hashes: {number:,}")
            yield row
        progress.update(task, description=f"Adding {number:,} hashes to the list")
        progress.refresh()
