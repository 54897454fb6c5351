"""The rows of Parquet manifests, parsed in a child process: a table comes from outside."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from safelight.connectors.facts import check_facts
from safelight.connectors.manifest import LONGEST_PATH, ManifestColumns, ManifestRow
from safelight.errors import BadInput
from safelight.sandbox.far import FarFile
from safelight.sandbox.pool import ChildFailed, ChildPool

MOST_ROWS = 1 << 53


def has_parquet() -> bool:
    """Whether pyarrow is installed, without which no Parquet is read or written."""
    return find_spec("pyarrow") is not None


def check_parquet() -> None:
    """Raise BadInput, saying what to install, where pyarrow is not installed."""
    if not has_parquet():
        raise BadInput(
            "Parquet needs pyarrow, which is not installed: pip install 'safelight[parquet]', or"
            " make extras. Results can do without it: --format jsonl."
        )


class ParquetTables:
    """Reads the rows of Parquet files in the children of a pool of `examine_parquet_child`."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool

    def rows(self, file: int | FarFile, columns: ManifestColumns) -> Iterator[ManifestRow]:
        """The rows of the open file. Raises BadInput for a file that cannot be read as a manifest.

        The child is kept for as long as rows are asked for.
        """
        check_parquet()
        if isinstance(file, FarFile):
            with file.descriptor() as near:
                yield from self._rows(near, columns)
        else:
            yield from self._rows(file, columns)

    def _rows(self, fd: int, columns: ManifestColumns) -> Iterator[ManifestRow]:
        answers = self._pool.stream(fd, {"manifest": columns.to_json()}, more_seconds=0)
        while True:
            try:
                part = next(answers)
            except StopIteration as stop:
                _check_end(stop.value)
                return
            except ChildFailed as exc:
                raise BadInput(f"the table cannot be read: {exc}") from exc
            yield from _rows(part)


def _rows(untrusted_part: dict[str, Any]) -> Iterator[ManifestRow]:
    try:
        for number, file, member, facts in untrusted_part["rows"]:
            if type(number) is not int or not _is_path(file) or not _is_path(member):
                raise ValueError("row")
            yield ManifestRow(number=number, file=file, member=member, facts=check_facts(facts))
    except (KeyError, TypeError, ValueError) as exc:
        raise BadInput("the table cannot be read: its child gave a senseless answer.") from exc


def _is_path(untrusted_value: object) -> bool:
    return isinstance(untrusted_value, str) and len(untrusted_value) <= LONGEST_PATH


def _check_end(untrusted_end: dict[str, Any]) -> None:
    problem = untrusted_end.get("problem")
    if problem is not None:
        shown = "".join(char for char in str(problem) if char.isprintable())
        raise BadInput(shown[:500])
