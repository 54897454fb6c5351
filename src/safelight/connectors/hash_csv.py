"""Hash files in CSV: a table whose header names the columns, or a row of hashes without one."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from safelight.connectors.hash_records import column, plain_record, record_rows, usual_algorithm
from safelight.connectors.hash_text import SHOWN, Row
from safelight.model import Algorithm, HashRow, RejectedRow

_HASH_LIKE = re.compile(r"[0-9A-Fa-f]{288}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32}")
_FIELD_LIMIT = 1 << 16  # characters in one field
_QUALITIES = {"": None, **{str(number): number for number in range(101)}}


def csv_rows(lines: Iterable[str], stated: Algorithm | None) -> Iterator[Row]:
    """Every row of the table, under the header's names."""
    lines = iter(lines)
    skipped, header = 0, ""
    mark = ""
    for line in lines:
        if line.lower().startswith("sep=") and not mark:
            mark = line[4:5]
        elif line.strip() and not line.startswith("#"):
            header = line
            break
        skipped += 1
    mark = mark or delimiter(header)
    names = [column(cell) for cell in split(header, mark)]
    if any(names):
        skipped += 1
    else:
        names, lines = [], chain([header], lines)
    yield from _body(lines, mark, names, skipped, stated)


def delimiter(line: str) -> str:
    """What parts the cells of the line, as far as it tells."""
    counts = {mark: line.count(mark) for mark in ",;\t|"}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ","


def split(line: str, mark: str) -> list[str]:
    """The cells of one line; none when it is not CSV."""
    try:
        return next(csv.reader([line.replace("\0", "")], delimiter=mark), [])
    except csv.Error:
        return []


def _body(
    lines: Iterable[str], mark: str, names: Sequence[str], skipped: int, stated: Algorithm | None
) -> Iterator[Row]:
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader((line.replace("\0", "\ufffd") for line in lines), delimiter=mark)
    quick = _quick(names)
    last = skipped
    while True:
        number = last + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            last = skipped + reader.line_num
            yield RejectedRow(number, f"not CSV up to line {last}: {exc}", "")
            continue
        last = skipped + reader.line_num
        if quick is not None and (row := quick(number, cells)) is not None:
            yield row
        elif any(cells) and not cells[0].startswith("#"):
            text = mark.join(cells)
            for record in _records(names, cells):
                yield from record_rows(number, record, stated, text)
        else:
            continue
        if last > number and _HASH_LIKE.search(mark.join(cells).partition("\n")[2]):
            text = mark.join(cells).partition("\n")[2]
            reason = f"a quoted field runs on to line {last}, over lines that hold hashes"
            yield RejectedRow(number + 1, reason, text[:SHOWN])


def _records(names: Sequence[str], cells: Sequence[str]) -> list[dict[str, str]]:
    """The cells by name. A name that comes again, and a row without names, give more records."""
    if not names:
        hashes = [cell.strip() for cell in cells if _HASH_LIKE.fullmatch(cell.strip())]
        return [{"hash": cell} for cell in hashes or [cells[0].strip()]]
    first: dict[str, str] = {}
    further = []
    for name, cell in zip(names, cells, strict=False):
        if name and name not in first:
            first[name] = cell.strip()
        elif name and cell.strip():
            further.append({name: cell.strip()})
    return [first, *further]


def _quick(names: Sequence[str]) -> Callable[[int, list[str]], HashRow | None] | None:
    """Read rows of the usual kind, one named hash, several times as fast; None for any other row.

    There is no such reader for a header that names several hashes, or something twice.
    """
    algorithm = usual_algorithm(names)
    if algorithm is None:
        return None
    count = len(names)
    where = {name: names.index(name) for name in names if name}
    at, digits = where[algorithm], 2 * algorithm.size
    # A cell that is not there is the empty one behind the last.
    quality_at, id_at, class_at = (where.get(name, count) for name in ("quality", "id", "class"))
    is_pdq = algorithm is Algorithm.PDQ

    def read(number: int, cells: list[str]) -> HashRow | None:
        if len(cells) != count or len(cells[at]) != digits or cells[0][:1] == "#":
            return None
        cells.append("")
        quality, their_id, their_class = cells[quality_at], cells[id_at], cells[class_at]
        cells.pop()
        if quality not in _QUALITIES or not (their_id + their_class).isascii():
            return None
        return plain_record(
            number,
            algorithm,
            cells[at],
            _QUALITIES[quality] if is_pdq else None,
            their_id.strip(),
            their_class.strip(),
        )

    return read
