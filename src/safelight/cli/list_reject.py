"""`safelight list reject`: what imports set aside."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from safelight.cli.list_import import REJECTS_FOLDER
from safelight.cli.output import Output, OutputOption, emit, print_table, say
from safelight.errors import BadPath
from safelight.files import disk_errors, show_path
from safelight.settings import load_settings

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def about() -> None:
    """Look at the rows that imports set aside."""


@app.command(
    epilog="""\b
Examples:
  safelight list reject show
  safelight list reject show 20261122T003305.123456-hotline --limit 50
"""
)
def show(
    which: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="A file of rejected rows.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows shown.")] = 20,
    output: OutputOption = Output.TEXT,
) -> None:
    """The files of rejected rows in SAFELIGHT_HOME, or the rows of one file."""
    folder = load_settings().home / REJECTS_FOLDER
    if which is None:
        _show_files(folder, output)
    else:
        _show_rows(_found(folder, which), limit, output)


def _show_files(folder: Path, output: Output) -> None:
    files = sorted(folder.glob("*.jsonl"))
    if output is Output.JSON:
        for path in files:
            emit({"file": path.stem, "rows": sum(1 for _ in _rows(path))})
    elif not files:
        say("No import has set rows aside.")
    else:
        rows = [(show_path(path.stem), f"{sum(1 for _ in _rows(path)):,}") for path in files]
        print_table("", ("file", "rows"), rows)


def _show_rows(path: Path, limit: int, output: Output) -> None:
    rows = _rows(path)
    shown = list(islice(rows, limit))
    if output is Output.JSON:
        for row in shown:
            emit(row)
    else:
        cells = [tuple(str(row.get(name)) for name in ("line", "reason", "text")) for row in shown]
        print_table("", ("line", "reason", "row"), cells)
    if more := sum(1 for _ in rows):
        say(f"There are {more:,} more: say --limit {limit + more}")


def _found(folder: Path, which: str) -> Path:
    for path in (folder / f"{Path(which).name}.jsonl", folder / Path(which).name, Path(which)):
        if path.is_file():
            return path
    raise BadPath(
        f"There is no file of rejected rows {show_path(which)}. See them with: "
        "safelight list reject show"
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with disk_errors(path), path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError as exc:
                raise BadPath(f"{show_path(path)} is no file of rejected rows.") from exc
            if isinstance(row, dict):
                yield row
