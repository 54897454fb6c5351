"""Files of what is already graded: an earlier results file of a scan, or any hash file.

Of an earlier scan's rows only those count that stand for a finished look at the item: found, or
fully checked. What could not be checked, or only in part, is examined again. A container is always
looked into; what is inside has rows of its own.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from safelight.bulk.rows import is_skipped
from safelight.bulk.state import whole_rows
from safelight.connectors.hash_files import read_hash_file
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.matching.graded import Graded, GradedRow
from safelight.model import FOUND, Algorithm, Grade, HashRow, RejectedRow

_CONTAINERS = ("archive", "mail", "document")
_DIGESTS = (Algorithm.MD5, Algorithm.SHA1, Algorithm.SHA256)
_LONGEST_FIRST_LINE = 1 << 20


def load_graded(paths: Sequence[str]) -> Graded | None:
    """Load files of what is already graded; None for none. BadPath, BadHashFile or BadInput."""
    if not paths:
        return None
    return Graded(row for path in paths for row in _rows(Path(path)))


def is_results_file(path: Path) -> bool:
    """Tell whether the file begins like the rows of a scan."""
    try:
        with path.open("rb") as file:
            first = json.loads(file.readline(_LONGEST_FIRST_LINE))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and {"path", "verdict", "reasons"} <= first.keys()


def _rows(path: Path) -> Iterator[GradedRow]:
    rows = _of_results(path) if is_results_file(path) else _of_hash_file(path)
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise BadInput(f"{show_path(path)}: there is no digest of a graded file in it.")


def _of_results(path: Path) -> Iterator[GradedRow]:
    name = show_path(path.name)
    for row, _end in whole_rows(path):
        if row.get("sha256") and _is_final(row):
            value = bytes.fromhex(row["sha256"])
            yield GradedRow(Algorithm.SHA256, value, _grade(row, name))


def _is_final(row: dict[str, Any]) -> bool:
    if row["kind"] in _CONTAINERS:
        return False
    return row["verdict"] in FOUND or is_skipped(row) or row["fully_checked"]


def _grade(row: dict[str, Any], name: str) -> Grade:
    """That of the row, or, where it was left out already then, the one it was given before."""
    earlier = row.get("earlier", {}) if is_skipped(row) else {"verdict": row["verdict"]}
    return Grade(
        file=name,
        verdict=str(earlier.get("verdict", "")),
        their_class=str(earlier.get("class", "")),
    )


def _of_hash_file(path: Path) -> Iterator[GradedRow]:
    name = show_path(path.name)
    for row in read_hash_file(path):
        if isinstance(row, RejectedRow):
            continue
        if (algorithm := _digest_of(row)) is not None:
            yield GradedRow(algorithm, row.value, Grade(file=name, their_class=row.their_class))


def _digest_of(row: HashRow) -> Algorithm | None:
    """The digest that a hash is; 64 digits that the file does not name may be SHA-256."""
    if row.algorithm in _DIGESTS:
        return row.algorithm
    return Algorithm.SHA256 if row.guessed else None
