"""Files of what is already graded: an earlier results file of a scan, or any hash file.

Of an earlier scan's rows only those count that stand for a finished look at the item: found, or
fully checked. What could not be checked, or only in part, is examined again. That nothing was near
counts only for the entries, and as near as, that scan compared. A container is always looked into;
what is inside has rows of its own.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safelight.bulk.about import about_path, read_about, sha256_of
from safelight.bulk.rows import is_skipped
from safelight.bulk.state import whole_rows
from safelight.connectors.hash_files import read_hash_file
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.matching.graded import Graded, GradedRow
from safelight.matching.rules import MatchPolicy
from safelight.model import FILE_DIGESTS, FOUND, Algorithm, Grade, HashRow, RejectedRow, Verdict

_CONTAINERS = ("archive", "mail", "document")
_LONGEST_FIRST_LINE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What a scan compares with: the fingerprint of the entries, and how near is near."""

    fingerprint: str
    policy: MatchPolicy


def load_graded(
    paths: Sequence[str], against: Against, tell: Callable[[str], None]
) -> Graded | None:
    """Load files of what is already graded; None for none. BadPath, BadHashFile or BadInput.

    `tell` gets a sentence for every file of which something does not count.
    """
    if not paths:
        return None
    return Graded(row for path in paths for row in _rows(Path(path), against, tell))


def is_results_file(path: Path) -> bool:
    """Tell whether the file begins like the rows of a scan."""
    try:
        with path.open("rb") as file:
            first = json.loads(file.readline(_LONGEST_FIRST_LINE))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and {"path", "verdict", "reasons"} <= first.keys()


def _rows(path: Path, against: Against, tell: Callable[[str], None]) -> Iterator[GradedRow]:
    of_results = is_results_file(path)
    rows = _of_results(path, against, tell) if of_results else _of_hash_file(path)
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise BadInput(f"{show_path(path)}: there is no digest of a graded file in it.")


def _of_results(path: Path, against: Against, tell: Callable[[str], None]) -> Iterator[GradedRow]:
    name = show_path(path.name)
    alike = _was_against(path, against)
    passed_over = 0
    for row, _end in whole_rows(path):
        if not row.get("sha256") or not _is_final(row):
            continue
        grade = _grade(row, name)
        if grade.verdict == Verdict.NO_MATCH and not alike:
            passed_over += 1
            continue
        yield GradedRow(Algorithm.SHA256, bytes.fromhex(row["sha256"]), grade)
    if passed_over:
        tell(
            f"{show_path(path)}: {passed_over:,} items that matched nothing are not left out."
            " That counts only of a complete scan against the same entries, with the same radius"
            f" and lowest quality; {show_path(about_path(path).name)} beside it must say so."
        )


def _was_against(path: Path, against: Against) -> bool:
    """Whether all rows of the earlier scan were compared with the same entries, and as near."""
    if not about_path(path).exists():
        return False
    about = read_about(path)
    return (
        about["complete"] is True
        and about["results"].get("sha256") == sha256_of(path)
        and about["matched_against"].get("fingerprint") == against.fingerprint
        and about["asked"]["policy"] == asdict(against.policy)
    )


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
    if row.algorithm in FILE_DIGESTS:
        return row.algorithm
    return Algorithm.SHA256 if row.guessed else None
