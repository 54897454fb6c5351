"""Manifests: tables that name the files of a data set, with source URL and row id.

CSV (also with tabs or semicolons) and JSON Lines are read here, a row at a time; Parquet is parsed
in a child (`safelight.examine_parquet_child`), which makes its rows with `ManifestReader` too.

A row that names no file is a row all the same, with an empty `file`: nothing is left out silently.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, BinaryIO

from safelight.connectors.facts import to_facts
from safelight.errors import BadInput

# Columns that name the file, in the order they are looked for; then any `…_file_name`.
FILE_COLUMNS = (
    *("path", "file", "file_name", "filename", "file_path", "filepath"),
    *("image_path", "image_file", "image_name", "image", "img", "key", "name"),
)
LONGEST_ROW = 1 << 20  # bytes of a line
LONGEST_PATH = 4096  # bytes
ROW_NUMBER = "_row"

FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestColumns:
    """Which columns are used: `file` names the file, `member` what in it is meant, if not all.

    `carry` go into the results. Empty: the columns are found by their names (`member` only beside
    `shard`), and every other is carried.
    """

    file: str = ""
    member: str = ""
    carry: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The columns as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ManifestColumns":
        """The columns that `to_json` gave."""
        return cls(file=data["file"], member=data["member"], carry=tuple(data["carry"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """One row: its number from 0, the file as the row names it (empty: none), what is carried.

    `member` is the name or the key of a member of the file; empty: the file itself is meant.
    """

    number: int
    file: str
    member: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


class ManifestReader:
    """Makes rows of the columns of a table, whatever its format."""

    def __init__(self, names: Sequence[str], columns: ManifestColumns) -> None:
        """Raises BadInput where no column names the file, or one asked for is not there."""
        both = {name.lower(): name for name in names if name.lower() in ("shard", "member")}
        found = both if len(both) == len(("shard", "member")) and not columns.file else {}
        self._file = columns.file or found.get("shard") or _file_column(names)
        self._member = columns.member or found.get("member", "")
        chosen = [self._file, self._member] if self._member else [self._file]
        missing = [one for one in (*chosen, *columns.carry) if one not in names]
        if missing:
            raise BadInput(f"the manifest has no column {missing[0]!r}; it has {_shown(names)}.")
        self._carry = columns.carry
        self._others = tuple(name for name in names if name not in chosen)
        self._chosen = chosen

    @property
    def used(self) -> list[str]:
        """The columns that need to be read."""
        return list(dict.fromkeys((*self._chosen, *(self._carry or self._others))))

    @property
    def file_columns(self) -> ManifestColumns:
        """The columns that say what is meant, as they were found."""
        return ManifestColumns(file=self._file, member=self._member)

    def row(self, number: int, values: Mapping[str, Any]) -> ManifestRow:
        """The row of that number."""
        facts = to_facts(
            {ROW_NUMBER: number, **{name: values.get(name) for name in self._carry or self._others}}
        )
        file = _path_of(values.get(self._file))
        member = _path_of(values.get(self._member)) if self._member else ""
        return ManifestRow(number=number, file=file, member=member, facts=facts)


def _path_of(untrusted_value: object) -> str:
    """The value as a path; empty for what can be none."""
    if type(untrusted_value) not in (str, int):
        return ""
    path = str(untrusted_value)
    try:
        size = len(path.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # JSON can hold half characters
        return ""
    return "" if "\0" in path or size > LONGEST_PATH else path


def format_of(name: str) -> str:
    """csv, jsonl or parquet, by the file's name; BadInput for another."""
    ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 - may be a URL
    try:
        return FORMATS[ending]
    except KeyError:
        known = ", ".join(sorted(FORMATS))
        raise BadInput(f"a manifest's name ends with one of {known}; {name} does not.") from None


def read_csv(stream: BinaryIO, columns: ManifestColumns) -> Iterator[ManifestRow]:
    """The rows of a CSV whose first line names the columns."""
    lines = _lines(stream)
    delimiter, names = _head(next(lines, None) or "")
    reader = ManifestReader(names, columns)
    rows = csv.reader(_blank_for_none(lines), delimiter=delimiter)
    number = -1
    while True:
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error:
            values = [""]
        if not values:
            continue  # an empty line
        number += 1
        good = len(values) <= len(names)
        yield reader.row(number, dict(zip(names, values, strict=False)) if good else {})


def _head(line: str) -> tuple[str, list[str]]:
    """The delimiter, and the names of the columns."""
    delimiter = max(",;\t", key=line.count)
    try:
        return delimiter, next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as exc:
        raise BadInput(f"the first line of the manifest is not one of CSV: {exc}.") from exc


def read_json_lines(stream: BinaryIO, columns: ManifestColumns) -> Iterator[ManifestRow]:
    """The rows of JSON Lines. The columns are those of the first row that is an object."""
    reader: ManifestReader | None = None
    number = -1
    for line in _lines(stream):
        if line is not None and not line.strip():
            continue
        number += 1
        values = _json_object(line)
        if values is None:
            yield ManifestRow(number=number, file="", facts={ROW_NUMBER: str(number)})
            continue
        if reader is None or columns.carry == ():
            reader = _reader_for(values, columns, reader)
        yield reader.row(number, values)


def _reader_for(
    values: Mapping[str, Any], columns: ManifestColumns, before: ManifestReader | None
) -> ManifestReader:
    """Rows of JSON need not all have the same columns; the file's is that of the first."""
    if before is None:
        asked = replace(columns, carry=())
        before = ManifestReader([*values, *columns.carry], asked)
    found = before.file_columns
    names = [*values, *columns.carry, found.file, *([found.member] if found.member else [])]
    return ManifestReader(names, replace(found, carry=columns.carry))


def _json_object(line: str | None) -> dict[str, Any] | None:
    if line is None:
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _lines(stream: BinaryIO) -> Iterator[str | None]:
    """The lines as text, bytes that are not UTF-8 as Python's file names have them.

    None stands for a line that is too long.
    """
    first = True
    while line := stream.readline(LONGEST_ROW):
        if len(line) == LONGEST_ROW and not line.endswith(b"\n"):
            while (more := stream.readline(LONGEST_ROW)) and not more.endswith(b"\n"):
                pass
            yield None
            continue
        text = line.decode("utf-8", "surrogateescape")
        yield text.removeprefix("\ufeff") if first else text
        first = False


def _blank_for_none(lines: Iterator[str | None]) -> Iterator[str]:
    """A line that is too long as a row with no value in it."""
    for line in lines:
        yield '""\n' if line is None else line


def _file_column(names: Sequence[str]) -> str:
    lower = {name.lower().strip(): name for name in reversed(names)}
    for name in FILE_COLUMNS:
        if name in lower:
            return lower[name]
    for low, name in lower.items():
        if low.endswith("_file_name"):
            return name
    raise BadInput(
        f"no column of the manifest is known to name the file; it has {_shown(names)}."
        " Say which with --manifest-file-column."
    )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names[:20]) or "none"
