"""How commands print: tables or JSON Lines on stdout, talk on stderr."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Any

import typer

from safelight.files import to_line


class Output(StrEnum):
    """What a command prints on stdout."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="text for people, json for JSON Lines.")
]


def emit(row: dict[str, Any]) -> None:
    """Print one row as one line of JSON."""
    sys.stdout.buffer.write(to_line(row).encode("utf-8"))  # JSON is UTF-8, whatever the locale
    sys.stdout.buffer.flush()


def say(text: str = "") -> None:
    """Talk to the person at the terminal, on stderr."""
    with suppress(OSError):  # nobody may be listening; the work goes on
        typer.echo(text, err=True)


def warn(text: str) -> None:
    """Tell the person at the terminal of what may be wrong, on stderr."""
    say(f"warning: {text}")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout, as wide as the terminal or, in a pipe, as its text."""
    from rich.console import Console  # noqa: PLC0415 - not paid for by --output json
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=title or None, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: no markup from outside values
    width = None if sys.stdout.isatty() else 160
    Console(file=sys.stdout, width=width, highlight=False).print(table)


def count_of(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 file`, `2 files`, `10,000 hashes`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
