"""Hash files: plain hexadecimal lines, CSV, JSON Lines.

Plain lines hold one hash each, in either case, and may name the algorithm: `sha256:0a1b…`. Blank
lines and lines that begin with `#` are skipped. A CSV file has a header: columns named after an
algorithm, or `hash` with or without `algorithm`, and `quality`, `id`, `class`, `mode`. JSON Lines
holds one object a line with the same names, or a row of `safelight hash`. Without a stated
algorithm the length decides: 32 digits are MD5, 40 SHA-1, 64 PDQ (never SHA-256: state that one).

Reading is streamed; every row becomes a HashRow or a RejectedRow with its line number.
"""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain
from pathlib import Path

from safelight.connectors.hash_records import (
    OF_NOTHING,
    SHOWN,
    Row,
    column,
    further_hashes,
    parse,
    record_rows,
    words,
)
from safelight.errors import BadHash, BadHashFile, BadPath
from safelight.files import show_path
from safelight.model import PDQ_BITS, PDQ_BYTES, Algorithm, HashRow, RejectedRow

LONGEST_LINE = 1 << 20  # characters
_HASH_LIKE = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32}")
_TOO_LONG = f"a line of more than {LONGEST_LINE:,} characters\n"
_FIELD_LIMIT = 1 << 16  # characters in one field of a CSV file


class HashFormat(StrEnum):
    """How a hash file is written."""

    HEX = "hex"
    CSV = "csv"
    JSONL = "jsonl"


def read_hash_file(
    path: Path, *, form: HashFormat | None = None, algorithm: Algorithm | None = None
) -> Iterator[Row]:
    """Every row of the file; raise BadPath at once, BadHashFile when no row holds a hash.

    The format is told from the name and the beginning, unless given. `algorithm` is that of
    hashes which the file itself does not name.
    """
    for bad, reason in (
        (not path.exists(), "there is no such file"),
        (path.is_dir(), "it is a folder"),
        (not os.access(path, os.R_OK), "this user may not read it"),
    ):
        if bad:
            raise BadPath(f"Cannot read the hash file {show_path(path)}: {reason}.")
    return _checked(path, _rows_of_file(path, form, algorithm))


def read_hashes(
    file: io.BufferedReader,
    *,
    name: str = "",
    form: HashFormat | None = None,
    algorithm: Algorithm | None = None,
) -> Iterator[Row]:
    """Every row of an open binary file, which may be a pipe; `name` may help to tell its format."""
    text = _decoded(file)
    try:
        yield from _rows(text, name, form, algorithm)
    finally:
        text.detach()  # the file belongs to the caller


def not_all_pdq(odd: int, every: int) -> bool:
    """Tell from how many of `every` hashes have not half of their bits set whether all are PDQ.

    PDQ splits its coefficients at their median: all but one hash in thousands have exactly half of
    their bits set. Of SHA-256 digests one in twenty has.
    """
    return odd > every // 500


class Guesses:
    """Watches rows go by for 64-digit hashes that were taken for PDQ and may be SHA-256."""

    def __init__(self) -> None:
        self._guessed = self._doubtful = 0

    def take(self, rows: Iterable[HashRow]) -> Iterator[HashRow]:
        """Pass the rows on."""
        for row in rows:
            if row.guessed:
                self._guessed += 1
                self._doubtful += int.from_bytes(row.value).bit_count() != PDQ_BITS // 2
            yield row

    @property
    def in_doubt(self) -> bool:
        """Whether the guesses so far look wrong."""
        return not_all_pdq(self._doubtful, self._guessed)


def parse_hash(untrusted_text: str) -> list[tuple[Algorithm, bytes]]:
    """Return all that one bare hash, `[algorithm:]hexadecimal`, may be; raise BadHash if nothing.

    The names of algorithms are those that hash files know. 64 digits without a name may be PDQ or
    SHA-256, and both are returned: unlike in a file, nothing else tells which.
    """
    text = untrusted_text.strip()
    parsed = parse(text, None)
    if isinstance(parsed, str):
        raise BadHash(f"{text[:SHOWN]!r} is not a hash: {parsed}.")
    both = parsed[0] is Algorithm.PDQ and ":" not in text
    if both and (Algorithm.SHA256, parsed[1]) not in OF_NOTHING:
        return [parsed, (Algorithm.SHA256, parsed[1])]
    return [parsed]


def _rows_of_file(
    path: Path, form: HashFormat | None, algorithm: Algorithm | None
) -> Iterator[Row]:
    with path.open("rb") as file:
        yield from read_hashes(file, name=path.name, form=form, algorithm=algorithm)


def _checked(path: Path, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows; BadHashFile at the end when none held a hash."""
    rejected: RejectedRow | None = None
    found = False
    try:
        for row in rows:
            if found:
                yield row
                continue
            if isinstance(row, HashRow):
                found = True
            else:
                rejected = rejected or row
            yield row
    except OSError as exc:
        raise BadPath(f"Cannot read the hash file {show_path(path)}: {exc.strerror}.") from exc
    if not found:
        why = f"line {rejected.line}: {rejected.reason}" if rejected else "it holds no rows"
        raise BadHashFile(
            f"No hash could be read from {show_path(path)} ({why}). Give plain hexadecimal lines, "
            "CSV with a header such as pdq,quality,id, or JSON Lines."
        )


def _rows(
    text: io.TextIOWrapper, name: str, form: HashFormat | None, algorithm: Algorithm | None
) -> Iterator[Row]:
    first, lines = _peek(_bounded(text))
    form = form or _guess_form(name, first)
    if form is HashFormat.JSONL:
        return _json_rows(lines, algorithm)
    if form is HashFormat.CSV:
        return _csv_rows(lines, algorithm)
    return _hex_rows(lines, algorithm)


# -- text ------------------------------------------------------------------------------------


def _decoded(file: io.BufferedReader) -> io.TextIOWrapper:
    """Text in UTF-8 or UTF-16, told from the first bytes; what is neither becomes U+FFFD."""
    start = file.peek(4)[:4]
    encoding = "utf-8-sig"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif len(start) > 3 and start[1] == start[3] == 0:
        encoding = "utf-16-le"
    elif len(start) > 3 and start[0] == start[2] == 0:
        encoding = "utf-16-be"
    return io.TextIOWrapper(file, encoding=encoding, errors="replace")


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines. Of one that never ends only the beginning is kept, so that memory stays flat."""
    read = text.readline
    while line := read(LONGEST_LINE):
        if len(line) == LONGEST_LINE and line[-1] != "\n":
            while (more := read(LONGEST_LINE)) and more[-1] != "\n":
                pass
            if not line.strip():
                line = _TOO_LONG  # blank so far, and yet not a blank line
        yield line


def _peek(lines: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The first line that is neither blank nor a comment, and all the lines."""
    seen = []
    for line in lines:
        seen.append(line)
        if line.strip() and not line.startswith("#"):
            return line, chain(seen, lines)
        if len(seen) > 10_000:
            break
    return "", chain(seen, lines)


def _guess_form(name: str, first: str) -> HashFormat:
    if first.lstrip().startswith(("{", "[")):
        return HashFormat.JSONL
    if name.lower().endswith((".csv", ".tsv")) or first.lower().startswith("sep="):
        return HashFormat.CSV
    cells = _split(first, _delimiter(first))
    if len(cells) > 1 or any(column(cell) for cell in cells):
        return HashFormat.CSV
    return HashFormat.HEX


# -- plain lines -----------------------------------------------------------------------------


def _hex_rows(lines: Iterable[str], stated: Algorithm | None) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] == "#":
            continue
        if stated is None and len(text) == 2 * PDQ_BYTES:  # the usual line, as fast as can be
            try:
                value = bytes.fromhex(text)
            except ValueError:
                value = b""
            if len(value) == PDQ_BYTES:  # `fromhex` would forgive blanks between the digits
                yield HashRow(number, Algorithm.PDQ, value, None, "", "", True)
                continue
        parsed = parse(text, stated)
        if isinstance(parsed, str):
            yield RejectedRow(number, parsed, text[:SHOWN])
        else:
            yield HashRow(number, *parsed)


# -- CSV -------------------------------------------------------------------------------------


def _csv_rows(lines: Iterable[str], stated: Algorithm | None) -> Iterator[Row]:
    lines = iter(lines)
    skipped, header = 0, ""
    delimiter = ""
    for line in lines:
        if line.lower().startswith("sep=") and not delimiter:
            delimiter = line[4:5]
        elif line.strip() and not line.startswith("#"):
            header = line
            break
        skipped += 1
    delimiter = delimiter or _delimiter(header)
    names = [column(cell) for cell in _split(header, delimiter)]
    if any(names):
        skipped += 1
    else:
        names, lines = [], chain([header], lines)
    yield from _csv_body(lines, delimiter, names, skipped, stated)


def _csv_body(
    lines: Iterable[str],
    delimiter: str,
    names: Sequence[str],
    skipped: int,
    stated: Algorithm | None,
) -> Iterator[Row]:
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader((line.replace("\0", "\ufffd") for line in lines), delimiter=delimiter)
    while True:
        number = skipped + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            last = skipped + reader.line_num
            yield RejectedRow(number, f"not CSV up to line {last}: {exc}", "")
            continue
        if not any(cells) or cells[0].startswith("#"):
            continue
        text = delimiter.join(cells)
        for record in _csv_records(names, cells):
            yield from record_rows(number, record, stated, text)
        last = skipped + reader.line_num
        if last > number and _HASH_LIKE.search(text.partition("\n")[2]):
            reason = f"a quoted field runs on to line {last}, over lines that hold hashes"
            yield RejectedRow(number + 1, reason, text.partition("\n")[2][:SHOWN])


def _csv_records(names: Sequence[str], cells: Sequence[str]) -> list[dict[str, str]]:
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


def _delimiter(line: str) -> str:
    counts = {mark: line.count(mark) for mark in ",;\t|"}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ","


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.replace("\0", "")], delimiter=delimiter), [])
    except csv.Error:
        return []


# -- JSON Lines ------------------------------------------------------------------------------


def _json_rows(lines: Iterable[str], stated: Algorithm | None) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] == "#":
            continue
        if text in ("[", "]"):
            continue  # an array of objects, one a line
        try:
            data = json.loads(text.removesuffix(","))
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            yield RejectedRow(number, "not one JSON object in one line", text[:SHOWN])
            continue
        more = further_hashes(data) if "frames" in data or "stored_dihedral" in data else ()
        yield from record_rows(number, words(data), stated, text, more)
