"""Hash files: plain hexadecimal lines, CSV, JSON Lines.

Plain lines hold one hash each, in either case, and may name the algorithm: `sha256:0a1b…`. Blank
lines and lines that begin with `#` are skipped. A CSV file has a header: columns named after an
algorithm, or `hash` with or without `algorithm`, and `quality`, `id`, `class`. JSON Lines holds one
object a line with the same names. Without a stated algorithm the length decides: 32 digits are
MD5, 40 SHA-1, 64 PDQ (never SHA-256: state that one).

Reading is streamed; every row becomes a HashRow or a RejectedRow with its line number.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

from safelight.errors import BadHash, BadHashFile, BadPath
from safelight.model import PDQ_BITS, PDQ_BYTES, Algorithm, HashRow, RejectedRow

Row = HashRow | RejectedRow

LONGEST_LINE = 1 << 20  # characters
_SHOWN = 200  # characters of a rejected row
_FIELD_LIMIT = 1 << 16  # characters in one field of a CSV file

_BY_DIGITS = {32: Algorithm.MD5, 40: Algorithm.SHA1, 64: Algorithm.PDQ}
_SIZES = {algorithm: algorithm.size for algorithm in Algorithm}

# The digests of no bytes at all: on a list they would match every empty file.
_OF_NOTHING = {
    (Algorithm.MD5, bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")),
    (Algorithm.SHA1, bytes.fromhex("da39a3ee5e6b4b0d3255bfef95601890afd80709")),
    (
        Algorithm.SHA256,
        bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ),
}

_ALGORITHM_NAMES = {
    **dict.fromkeys(("pdq", "pdqhash", "pdqimage"), Algorithm.PDQ),
    **dict.fromkeys(("md5", "md5hash", "videomd5", "md5sum"), Algorithm.MD5),
    **dict.fromkeys(("sha1", "sha1hash", "sha1sum"), Algorithm.SHA1),
    **dict.fromkeys(("sha256", "sha256hash", "sha2256", "sha256sum"), Algorithm.SHA256),
}
_COLUMNS = {
    **dict.fromkeys(("hash", "value", "hashvalue", "signal", "signalstr", "digest"), "hash"),
    **dict.fromkeys(("algorithm", "hashtype", "type", "signaltype"), "algorithm"),
    **dict.fromkeys(("quality", "pdqquality"), "quality"),
    **dict.fromkeys(("id", "theirid", "uuid", "mediaid", "entryid"), "id"),
    **dict.fromkeys(("class", "category", "classification", "theirclass"), "class"),
}


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
            raise BadPath(f"Cannot read the hash file {str(path)!r}: {reason}.")
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


class Guesses:
    """Watches rows go by for 64-digit hashes that were taken for PDQ and may be SHA-256.

    PDQ splits its coefficients at their median: all but one hash in thousands have exactly half of
    their bits set. Of SHA-256 digests one in twenty has.
    """

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
        return self._doubtful > self._guessed // 10


def parse_hash(untrusted_text: str) -> list[tuple[Algorithm, bytes]]:
    """Return all that one bare hash, `[algorithm:]hexadecimal`, may be; raise BadHash if nothing.

    The names of algorithms are those that hash files know. 64 digits without a name may be PDQ or
    SHA-256, and both are returned: unlike in a file, nothing else tells which.
    """
    text = untrusted_text.strip()
    parsed = _parse(text, None)
    if isinstance(parsed, str):
        raise BadHash(f"{text[:_SHOWN]!r} is not a hash: {parsed}.")
    both = parsed[0] is Algorithm.PDQ and ":" not in text
    if both and (Algorithm.SHA256, parsed[1]) not in _OF_NOTHING:
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
        raise BadPath(f"Cannot read the hash file {str(path)!r}: {exc.strerror}.") from exc
    if not found:
        why = f"line {rejected.line}: {rejected.reason}" if rejected else "it holds no rows"
        raise BadHashFile(
            f"No hash could be read from {str(path)!r} ({why}). Give plain hexadecimal lines, CSV "
            "with a header such as pdq,quality,id, or JSON Lines."
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
    if len(cells) > 1 or any(_column(cell) for cell in cells):
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
        parsed = _parse(text, stated)
        if isinstance(parsed, str):
            yield RejectedRow(number, parsed, text[:_SHOWN])
        else:
            yield HashRow(number, *parsed)


def _parse(text: str, stated: Algorithm | None) -> tuple[Algorithm, bytes] | str:
    """The algorithm and value, or the reason why not."""
    prefix, colon, digits = text.partition(":")
    if colon:
        named = _ALGORITHM_NAMES.get(_plain(prefix))
        if named is None:
            return f"{prefix[:40]!r} is not an algorithm known here"
        return _value(digits.strip(), named)
    return _value(text, stated)


def _value(digits: str, algorithm: Algorithm | None) -> tuple[Algorithm, bytes] | str:
    if len(digits.split(maxsplit=1)) > 1:
        return (
            "more than a hash in the line; of a file by md5sum or sha256sum keep the first word, "
            "and state the algorithm"
        )
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        return "not hexadecimal"
    if algorithm is None:
        algorithm = _BY_DIGITS.get(len(digits))
        if algorithm is None:
            return f"{len(digits)} digits are no hash known here (MD5 32, SHA-1 40, PDQ 64)"
    if len(value) != _SIZES[algorithm]:
        return f"{algorithm} has {2 * _SIZES[algorithm]} digits, not {len(digits)}"
    if (algorithm, value) in _OF_NOTHING:
        return f"the {algorithm} of an empty file, which would match every empty file"
    return algorithm, value


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
    names = [_column(cell) for cell in _split(header, delimiter)]
    if any(names):
        skipped += 1
    else:  # no header: the first cell is the hash, and nothing else is known
        names, lines = ["hash"], chain([header], lines)
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
        record = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}
        yield from _record_rows(number, record, stated, delimiter.join(cells))


def _delimiter(line: str) -> str:
    counts = {mark: line.count(mark) for mark in ",;\t|"}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ","


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line.replace("\0", "")], delimiter=delimiter), [])
    except csv.Error:
        return []


def _column(cell: str) -> str:
    """What a column holds, by its name: an algorithm, or one of _COLUMNS; empty when unknown."""
    plain = _plain(cell)
    return _ALGORITHM_NAMES.get(plain) or _COLUMNS.get(plain, "")


def _plain(name: str) -> str:
    """A name without what people write differently: case, blanks, hyphens, underscores."""
    return "".join(character for character in name.lower() if character.isalnum())


# -- JSON Lines ------------------------------------------------------------------------------


def _json_rows(lines: Iterable[str], stated: Algorithm | None) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] == "#":
            continue
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            yield RejectedRow(number, "not one JSON object in one line", text[:_SHOWN])
            continue
        record: dict[str, str] = {}
        for key, value in data.items():
            name = _column(key)
            if name and value is not None and not isinstance(value, dict | list | bool):
                record[name] = str(value).strip()
        yield from _record_rows(number, record, stated, text)


def _record_rows(
    number: int, record: Mapping[str, str], stated: Algorithm | None, text: str
) -> Iterator[Row]:
    """A row for every hash of the record, or one rejected row for every bad one."""
    found = False
    for algorithm, digits in _hashes(record, stated):
        found = True
        parsed = _parse(digits, algorithm) if algorithm != "" else _unknown(record)
        quality = _quality(record.get("quality", ""))
        if isinstance(parsed, str) or isinstance(quality, str):
            reason = parsed if isinstance(parsed, str) else str(quality)
            yield RejectedRow(number, reason, text[:_SHOWN])
            continue
        is_pdq = parsed[0] is Algorithm.PDQ
        their_id, their_class = _clean(record.get("id", "")), _clean(record.get("class", ""))
        guessed = is_pdq and algorithm is None and ":" not in digits
        kept = quality if is_pdq else None
        yield HashRow(number, *parsed, kept, their_id, their_class, guessed)
    if not found:
        yield RejectedRow(number, "no hash in the row", text[:_SHOWN])


def _hashes(record: Mapping[str, str], stated: Algorithm | None) -> Iterator[tuple[Any, str]]:
    """The algorithm (None: by length; empty: unknown) and digits of every hash in the record."""
    for algorithm in Algorithm:
        if record.get(algorithm):
            yield algorithm, record[algorithm]
    if record.get("hash"):
        name = record.get("algorithm", "")
        yield (_ALGORITHM_NAMES.get(_plain(name), "") if name else stated), record["hash"]


def _unknown(record: Mapping[str, str]) -> str:
    return f"{record['algorithm'][:40]!r} is not an algorithm known here"


def _quality(text: str) -> int | str | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100 or number != int(number):
        return f"the quality {text[:20]!r} is not a whole number from 0 to 100"
    return int(number)


def _clean(text: str) -> str:
    """The source's own words as the database can keep them."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:500]
