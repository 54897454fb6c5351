"""Reading the rows of results files again, from a place in them on."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from safelight.bulk.state import whole_rows
from safelight.errors import BadInput, BadPath
from safelight.files import show_path

Row = dict[str, Any]
PARQUET = ".parquet"
_PARTS = ("part-*.jsonl", "part-*.parquet")


class Place(NamedTuple):
    """Where reading stands: behind so many rows of the file, which is so much of it."""

    file: int  # its position among the files
    rows: int
    share: float  # of the file, 0 to 1


def results_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The results files named, absolute; of a data set's folder, all of its parts, in order."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise BadPath(f"{show_path(path)} is not there: name results files of scans.")
        if path.is_dir():
            parts = sorted(part for pattern in _PARTS for part in path.glob(pattern))
            if not parts:
                raise BadInput(f"{show_path(path)} holds no parts of the result of a data set.")
            files += parts
        else:
            files.append(path)
    return tuple(dict.fromkeys(file.absolute() for file in files))


def rows_from(files: Sequence[Path], file: int = 0, rows: int = 0) -> Iterator[tuple[Row, Place]]:
    """Every row behind the first `rows` of the file at position `file`, and where it ends.

    Raises CorruptFile for what is no results file; a last line that is cut off is passed over.
    """
    for number in range(file, len(files)):
        passed = rows if number == file else 0
        for count, (row, share) in enumerate(_rows(files[number]), start=1):
            if count > passed:
                yield row, Place(number, count, share)


def _rows(path: Path) -> Iterator[tuple[Row, float]]:
    if path.suffix == PARQUET:
        yield from import_module("safelight.bulk.parquet_rows").read_rows(path)
        return
    size = max(1, path.stat().st_size)
    for row, end in whole_rows(path):
        yield row, end / size
