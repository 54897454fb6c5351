"""Findings and what was not checked as CSV, one line for each match, for spreadsheets."""

import base64
import csv
import io
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from safelight.bulk.rows import is_unchecked, path_of
from safelight.report.gather import is_found, rows_of
from safelight.report.show import Row, name_of, visible
from safelight.report.withheld import without_classes

COLUMNS = (
    *("verdict", "fully_checked", "place", "path_base64", "exhibit", "kind", "format", "size"),
    *("sha256", "sha1", "md5", "modified", "changed", "accessed", "born", "code", "flags"),
    *("list", "entry", "class", "algorithm", "distance", "orientation", "frame", "time"),
    *("query_percent", "list_percent", "scenes", "flood"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MATCH = (
    *("list", "entry", "class", "algorithm", "distance", "orientation", "frame", "time"),
    *("query_percent", "list_percent", "flood"),
)


def csv_report(result: Path, *, withheld: Container[str] = ()) -> Iterator[str]:
    """The table in pieces, without classes of lists `withheld`; streamed, whatever its length."""
    yield _line(COLUMNS)
    for whole in rows_of(result):
        row = without_classes(whole, withheld)
        if is_found(row):
            for match in row["matches"]:
                yield _line(_cells(row, match))
        elif is_unchecked(row):
            yield _line(_cells(row, {}))


def _cells(row: Row, match: dict[str, Any]) -> tuple[str, ...]:
    times = row.get("times") or {}
    told = {
        **{name: row.get(name) for name in COLUMNS},
        "place": " → ".join(_place(row)),
        "path_base64": base64.b64encode(path_of(row)).decode(),
        "flags": " ".join(row.get("flags", ())),
        **{name: times.get(name) for name in ("modified", "changed", "accessed", "born")},
        **{name: match.get(name) for name in _MATCH},
        "scenes": " ".join(map(_scene, match.get("scenes") or ())),
    }
    return tuple(_cell(told[name]) for name in COLUMNS)


def _place(row: Row) -> list[str]:
    return [visible(path_of(row)), *(visible(name_of(step)) for step in row.get("derivation", ()))]


def _scene(scene: dict[str, float]) -> str:
    here, there = f"{scene['start']:g}-{scene['end']:g}", f"{scene['list_start']:g}"
    return f"{here}={there}-{scene['list_end']:g}"


def _cell(value: Any) -> str:
    """Text that a spreadsheet does not take for a formula: an apostrophe stands in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
