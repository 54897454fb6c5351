"""What a printed report is made of, whatever draws it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """The beginning of a part."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `alert` for what must not be overlooked."""

    text: str
    alert: bool = False


@dataclass(frozen=True, slots=True)
class Points:
    """A list of sentences."""

    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: lines, the later ones in small. `exact`: a path, a hash, a number."""

    lines: Sequence[str]
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose head is repeated on every page. `widths` are shares of the page's."""

    columns: Sequence[str]
    widths: Sequence[float]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Signatures:
    """Lines to sign on."""

    names: Sequence[str]


Block = Heading | Text | Points | Table | Signatures


def facts(pairs: Sequence[tuple[str, str]]) -> Table:
    """Names and values, where there are values."""
    rows = [(Cell([name]), Cell([value], exact=True)) for name, value in pairs if value]
    return Table(columns=(), widths=(0.3, 0.7), rows=rows)


def counts(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    """A small table of names and numbers."""
    share = 0.7 / max(1, len(columns) - 1)
    widths = (0.3, *([share] * (len(columns) - 1)))
    return Table(columns, widths, [tuple(Cell([value]) for value in row) for row in rows])
