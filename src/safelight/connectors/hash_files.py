"""Hash files: which format one has, and its rows.

Plain lines hold one hash each, in either case, and may name the algorithm: `sha256:0a1b…`. Blank
lines and lines that begin with `#` are skipped. A CSV file has a header: columns named after an
algorithm, or `hash` with or without `algorithm`, and `quality`, `id`, `class`, `mode`; the tables
of the NSRL are such. JSON Lines holds one object a line with the same names, or a row of
`safelight hash`. Signal files of python-threatexchange, videos of vPDQ and VICS JSON have modules
of their own. Without a stated algorithm the length decides: 32 digits are MD5, 40 SHA-1, 64 PDQ
(never SHA-256: state that one).

Reading is streamed; every row becomes a HashRow or a RejectedRow with its line number.
"""

import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from safelight.connectors import hash_exchange
from safelight.connectors.hash_csv import csv_rows, delimiter, split
from safelight.connectors.hash_json import json_rows
from safelight.connectors.hash_records import (
    OF_NOTHING,
    column,
    parse,
    record_rows,
)
from safelight.connectors.hash_text import (
    LONGEST_LINE,
    SHOWN,
    Row,
    beginning,
    bounded,
    decoded,
    peek,
)
from safelight.connectors.hash_vics import UNTOLD, Categories, is_vics, vics_rows
from safelight.connectors.hash_video import is_vpdq_line, vpdq_text_rows
from safelight.errors import BadHash, BadHashFile, BadPath
from safelight.files import show_path
from safelight.model import PDQ_BITS, PDQ_BYTES, Algorithm, HashRow, RejectedRow

_BUFFER = 1 << 18  # bytes
_LONGEST_VIDEO = 1 << 26  # characters
_VPDQ_JSON = re.compile(r'\s*\[\s*"\s*[0-9A-Fa-f]{64}\s*,')


class HashFormat(StrEnum):
    """How a hash file is written."""

    HEX = "hex"
    CSV = "csv"
    JSONL = "jsonl"
    THREATEXCHANGE = "threatexchange"
    VPDQ = "vpdq"
    VICS = "vics"


class HashFile(Iterator[Row]):
    """The rows of a hash file, and how far it is read.

    `left_out` counts hashes of kinds that are not imported, by their names.
    """

    def __init__(
        self,
        path: Path,
        form: HashFormat | None,
        algorithm: Algorithm | None,
        categories: Categories,
    ) -> None:
        """Open the file; its rows are read as they are asked for."""
        self.left_out: Counter[str] = Counter()
        self._path = path
        self._file = io.BufferedReader(io.FileIO(path), _BUFFER)
        self.size = os.fstat(self._file.fileno()).st_size
        how = {"form": form, "algorithm": algorithm, "categories": categories}
        rows = read_hashes(self._file, name=path.name, left_out=self.left_out, **how)  # type: ignore[arg-type]
        self._rows = _checked(path, rows)

    @property
    def position(self) -> int:
        """How many of the `size` bytes are read; of a pipe, which has no size, none."""
        if self._file.closed or not self._file.seekable():
            return self.size
        return self._file.raw.tell()

    def __iter__(self) -> "HashFile":
        return self

    def __next__(self) -> Row:
        try:
            return next(self._rows)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Read no further."""
        self._rows.close()  # type: ignore[attr-defined]
        self._file.close()


def read_hash_file(
    path: Path,
    *,
    form: HashFormat | None = None,
    algorithm: Algorithm | None = None,
    categories: Categories = UNTOLD,
) -> HashFile:
    """Every row of the file; raise BadPath at once, BadHashFile when no row holds a hash.

    The format is told from the name and the beginning, unless given. `algorithm` is that of
    hashes which the file itself does not name; `categories` are what VICS numbers mean.
    """
    for bad, reason in (
        (not path.exists(), "there is no such file"),
        (path.is_dir(), "it is a folder"),
        (not os.access(path, os.R_OK), "this user may not read it"),
    ):
        if bad:
            raise BadPath(f"Cannot read the hash file {show_path(path)}: {reason}.")
    return HashFile(path, form, algorithm, categories)


def read_hashes(
    file: io.BufferedReader,
    *,
    name: str = "",
    form: HashFormat | None = None,
    algorithm: Algorithm | None = None,
    categories: Categories = UNTOLD,
    left_out: Counter[str] | None = None,
) -> Iterator[Row]:
    """Every row of an open binary file, which may be a pipe; `name` may help to tell its format."""
    form = form or _form_of_json(beginning(file))
    text = decoded(file)
    try:
        if form is HashFormat.VICS:
            yield from vics_rows(text.read, categories, Counter() if left_out is None else left_out)
        else:
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
            "CSV with a header such as pdq,quality,id, JSON Lines, VICS JSON, or signals of "
            "threatexchange."
        )


def _rows(
    text: io.TextIOWrapper, name: str, form: HashFormat | None, algorithm: Algorithm | None
) -> Iterator[Row]:
    long_lines = form in (HashFormat.THREATEXCHANGE, HashFormat.VPDQ)
    longest = hash_exchange.LONGEST_LINE if long_lines else LONGEST_LINE
    first, lines = peek(bounded(text, longest))
    form = form or _guess_form(name, first)
    if form is HashFormat.VPDQ:
        return _video_rows(first, lines)
    if form is HashFormat.THREATEXCHANGE:
        return hash_exchange.signal_rows(lines, algorithm)
    if form is HashFormat.JSONL:
        return json_rows(lines, algorithm)
    if form is HashFormat.CSV:
        return csv_rows(lines, algorithm)
    return _hex_rows(lines, algorithm)


def _form_of_json(start: str) -> HashFormat | None:
    """The format of a file that begins so, if that alone tells; signals too have long lines."""
    start = start.lstrip("\ufeff")
    if is_vics(start):
        return HashFormat.VICS
    if _VPDQ_JSON.match(start):
        return HashFormat.VPDQ
    first = next((line for line in start.split("\n") if line.strip() and line[0] != "#"), "")
    return HashFormat.THREATEXCHANGE if hash_exchange.is_signal_line(first) else None


def _guess_form(name: str, first: str) -> HashFormat:
    if first.lstrip().startswith(("{", "[")):
        return HashFormat.JSONL
    if is_vpdq_line(first):
        return HashFormat.VPDQ
    if name.lower().endswith((".csv", ".tsv")) or first.lower().startswith("sep="):
        return HashFormat.CSV
    cells = split(first, delimiter(first))
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


# -- videos ----------------------------------------------------------------------------------


def _video_rows(first: str, lines: Iterator[str]) -> Iterator[Row]:
    """One video a file, as JSON or in lines."""
    if not first.lstrip().startswith(("[", "{")):
        return vpdq_text_rows(lines)
    left = _LONGEST_VIDEO
    gathered = []
    for line in lines:
        gathered.append(line)
        left -= len(line)
        if left < 0:
            break
    text = "".join(gathered)
    return record_rows(1, {Algorithm.VPDQ.value: text}, None, text)
