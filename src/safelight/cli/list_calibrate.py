"""`safelight list calibrate`: entries that are near to too many ordinary pictures."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import numpy as np
import typer

from safelight.cli.list_common import Name, opened
from safelight.cli.output import Output, OutputOption, count_of, emit, say
from safelight.cli.progress_line import SECONDS_BETWEEN_LINES
from safelight.clock import utc_now
from safelight.connectors.hash_files import read_hash_file
from safelight.errors import BadInput
from safelight.model import MAX_RADIUS, PDQ_BYTES, Algorithm, RejectedRow
from safelight.store import calibrate, lists


def command(
    name: Name,
    reference: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PDQ hashes of ordinary pictures.", show_default=False),
    ] = None,
    share: Annotated[
        float, typer.Option(help="Near to more than this share of them is near to too many.")
    ] = calibrate.USUAL_SHARE,
    radius: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=MAX_RADIUS,
            metavar="BITS",
            help="How near is near; as the list says if not given.",
            show_default=False,
        ),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Let all match near again.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Take a small reference as well.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Let entries that are near to too many ordinary pictures match only where they are equal.

    FILE is any file of hashes. What matched only where equal before still does, until --undo. The
    list must permit the purpose match, and be enabled or observed.
    """
    if undo == (reference is not None):
        raise BadInput("Give --reference with a file of hashes, or --undo.")
    if reference is None:
        _undo(name, output)
        return
    hashes = _read(reference)
    with opened() as app, _Progress() as progress:
        done = calibrate.calibrate(
            app.transaction,
            name,
            hashes,
            share=share,
            radius=radius,
            force=force,
            step=progress.show,
            now=utc_now(),
        )
    say(
        f"{count_of(done.entries, 'PDQ entry', 'PDQ entries')} of {name!r} compared with "
        f"{count_of(done.reference, 'hash', 'hashes')} within {done.radius} bits: "
        f"{count_of(done.exact_only, 'more matches', 'more match')} only where equal from now on, "
        f"{done.already:,} did so before."
    )
    if output is Output.JSON:
        emit({"list": name, **asdict(done)})


def _undo(name: str, output: Output) -> None:
    with opened() as app, app.transaction() as tx:
        number = calibrate.undo(tx, lists.get(tx, name))
    say(f"{count_of(number, 'entry matches', 'entries match')} near again.")
    if output is Output.JSON:
        emit({"list": name, "near_again": number})


def _read(path: Path) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """The PDQ hashes of the file, uint8[n, 32]; lines that are no hash are told and left out."""
    gathered = bytearray()
    left_out = 0
    for row in read_hash_file(path):
        if isinstance(row, RejectedRow):
            left_out += 1
        elif row.algorithm is Algorithm.PDQ:
            gathered += row.value
    if left_out:
        say(f"warning: {count_of(left_out, 'row')} of the reference left out: no hash in them.")
    return np.frombuffer(gathered, np.uint8).reshape(-1, PDQ_BYTES)


class _Progress:
    """Shows how many entries are compared: a bar, or in a pipe a line now and then."""

    def __init__(self) -> None:
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        self._bar: Any = _bar() if sys.stderr.isatty() else None
        self._task = self._bar.add_task("comparing", total=None) if self._bar else None

    def __enter__(self) -> "_Progress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, compared: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=compared, total=total)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            say(f"Compared {compared:,} of {total:,}")


def _bar() -> Any:
    from rich.console import Console  # noqa: PLC0415 - not paid for in a pipe
    from rich.progress import Progress  # noqa: PLC0415

    return Progress(console=Console(stderr=True), transient=True)


COMMANDS: dict[str, Callable[..., None]] = {"calibrate": command}
EPILOGS = {
    "calibrate": """\b
Examples:
  safelight hash --output json pictures > ordinary.jsonl
  safelight list calibrate hotline --reference ordinary.jsonl
  safelight list calibrate hotline --reference ordinary.jsonl --share 0.01 --radius 20
  safelight list calibrate hotline --undo
\b
Ordinary pictures are such as you look through every day, all sorts of them, at least 1,000. They
must hold none that is on the list.
"""
}
