"""`safelight list import`: a file into a list, what it shows meanwhile, and what it sets aside."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer

from safelight.app import open_app
from safelight.cli.list_common import NEVER, Name, end_of
from safelight.cli.output import Output, OutputOption, count_of, emit, say
from safelight.cli.progress_line import SECONDS_BETWEEN_LINES
from safelight.clock import utc_now
from safelight.connectors.hash_files import Guesses, HashFile, HashFormat, read_hash_file
from safelight.connectors.hash_vics import UNTOLD, load_categories
from safelight.files import NEW_FILE, PRIVATE, PRIVATE_FOLDER, disk_errors, show_path, write_all
from safelight.matching.load import left_out_note
from safelight.model import Algorithm, HashRow, RejectedRow
from safelight.settings import Settings, load_settings
from safelight.store import imports, lists

_STEP = 10_000  # rows between two looks at the clock
REJECTS_FOLDER = "rejects"


def command(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    form: Annotated[
        HashFormat | None, typer.Option("--format", help="How FILE is written; told by itself.")
    ] = None,
    algorithm: Annotated[
        Algorithm | None, typer.Option(help="Of hashes whose file does not name it.")
    ] = None,
    categories: Annotated[
        str | None,
        typer.Option(
            metavar="us|legacy|FILE",
            help="What the numbers of VICS categories mean to this source.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Who says it, if not the source of the list.")
    ] = None,
    observe: Annotated[
        bool,
        typer.Option(
            "--observe",
            help="Match and count what is new, and let no verdict hang on it until: list enable.",
        ),
    ] = False,
    owner: Annotated[
        str | None, typer.Option(help="Who answers for these entries here.", show_default=False)
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="YYYY-MM-DD",
            help="Last day on which they count, or never; as said before if not given.",
            show_default=False,
        ),
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where to put rejected rows; else in SAFELIGHT_HOME.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Add the hashes of a file, all or none.

    Entries of a list of the meaning ignore have an owner, you if nobody is named, and an end, in
    365 days if none is given. To import them again renews both.
    """
    settings = load_settings()
    meant = UNTOLD if categories is None else load_categories(categories)
    said = {"owner": owner, "observe": observe, **_end(until)}
    rows = read_hash_file(file, form=form, algorithm=algorithm, categories=meant)
    guesses = Guesses()
    with (
        open_app(settings, progress=say) as opened,
        Rejects(rejects or _rejects_path(settings, name)) as rejected,
        ImportProgress(rows) as progress,
        opened.transaction() as tx,
    ):
        good = guesses.take(rejected.take(progress.watch(rows)))
        list_ = lists.get(tx, name)
        terms = imports.terms_of(tx, list_, **said, now=utc_now())
        counts = imports.import_entries(
            tx, list_, good, source=source, terms=terms, step=progress.step
        )
    _say_counts(list_, counts, terms, rejected)
    _say_more(file, rows, guesses, rejected)
    if output is Output.JSON:
        emit(_to_json(name, counts, rows, rejected))


def _end(day: str | None) -> dict[str, Any]:
    """The terms that --until says."""
    if day is None:
        return {}
    return {"endless": True} if day == NEVER else {"until": end_of(day)}


def _say_counts(
    list_: lists.HashList, counts: imports.ImportCounts, terms: imports.Terms, rejected: "Rejects"
) -> None:
    say(
        f"{count_of(counts.added, 'hash', 'hashes')} added to {list_.name!r}, "
        f"{counts.already_there:,} already there, {rejected.number:,} rejected."
    )
    if counts.reclassified:
        say(
            f"warning: the source gives {count_of(counts.reclassified, 'hash', 'hashes')} another"
            " class than before; the new one stands."
        )
    if counts.ended:
        say(
            f"warning: {count_of(counts.ended, 'hash', 'hashes')} already there ended before now,"
            " and match nothing. Give --until with a day to come, or with never, if they should."
        )
    if list_.meaning == "ignore" and terms.until is not None:
        say(f"They are ignored until {terms.until:%Y-%m-%d}; {terms.owner} answers for them.")
    if terms.observe and counts.added:
        say(f"What is new is only observed, until: safelight list enable {list_.name}")


def _say_more(file: Path, rows: HashFile, guesses: Guesses, rejected: "Rejects") -> None:
    if guesses.in_doubt:
        say(
            "warning: some hashes of 64 digits were taken for PDQ and do not look like it. They"
            " will be matched as SHA-256 as well; to be rid of the doubt, delete the list and"
            " import it with --algorithm."
        )
    for kind, count in sorted(rows.left_out.items()):
        say(f"warning: {left_out_note(file, kind, count)}")
    if rejected.number:
        say(f"What was rejected, and why, is in {show_path(rejected.path)}")


def _to_json(
    name: str, counts: imports.ImportCounts, rows: HashFile, rejected: "Rejects"
) -> dict[str, Any]:
    added = {"list": name, "added": counts.added, "already_there": counts.already_there}
    few = {"reclassified": counts.reclassified, "ended": counts.ended}
    return {
        **added,
        **{what: number for what, number in few.items() if number},
        "rejected": rejected.number,
        "rejects": str(rejected.path) if rejected.number else None,
        "left_out": dict(sorted(rows.left_out.items())),
    }


def _rejects_path(settings: Settings, name: str) -> Path:
    stamp = utc_now().strftime("%Y%m%dT%H%M%S.%f")
    return settings.home / REJECTS_FOLDER / f"{stamp}-{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.jsonl"


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


class ImportProgress:
    """Shows how far the file is read, and then what is done with it.

    In a pipe it says so in a line now and then.
    """

    def __init__(self, file: HashFile) -> None:
        self._file = file
        self._bar: Any = None
        self._task: Any = None
        self._began = time.monotonic()
        self._next_line = self._began + SECONDS_BETWEEN_LINES

    def __enter__(self) -> "ImportProgress":
        if sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task("Reading", total=self._file.size or None, rate="")
            self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def watch(self, rows: Iterable[HashRow | RejectedRow]) -> Iterator[HashRow | RejectedRow]:
        """Pass the rows on."""
        for number, row in enumerate(rows, 1):
            if number % _STEP == 0:
                self._show(number)
            yield row

    def step(self, what: str) -> None:
        """Show that this is done now, without an end that could be told."""
        if self._bar is not None:
            self._bar.update(self._task, description=what, total=None, rate="")

    def _show(self, number: int) -> None:
        rate = f"{number / max(0.001, time.monotonic() - self._began):,.0f} rows/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=self._file.position, rate=rate)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            percent = 100 * self._file.position // max(1, self._file.size)
            say(f"Reading: {percent} %, {number:,} rows, {rate}")


def _bar() -> Any:
    from rich.console import Console  # noqa: PLC0415 - not paid for in a pipe
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


COMMANDS: dict[str, Callable[..., None]] = {"import": command}
EPILOGS = {
    "import": """\b
Examples:
  safelight list import hotline hashes.csv
  safelight list import hotline digests.txt --algorithm sha256
  safelight list import partner hashset.json --categories us
  safelight list import hotline update.csv --observe
  safelight list import own-logos logos.txt --owner "Brand team" --until 2027-06-30
  safelight list import hotline export.jsonl --rejects rejects.jsonl --output json
\b
FILE holds plain hexadecimal lines, CSV with a header such as pdq,quality,id, JSON Lines, signals
of python-threatexchange, a video of vPDQ, or VICS JSON 1.x or 2.0 (hash set or case). 64 digits
are PDQ unless the algorithm is stated. Importing a file again adds nothing. Rows that hold no hash
are set aside in a private file, with their line and the reason.
"""
}
