"""Parts of a result: one file per shard, there whole or not at all.

A part is written under another name, made durable, and renamed when its shard is whole. Parquet
needs pyarrow (the extra `parquet`); JSON Lines hold the same rows as those of a scan.
"""

import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol

from safelight.files import NEW_FILE, PRIVATE, disk_errors, sync_folder, to_line

UNFINISHED = ".unfinished"


class _Rows(Protocol):
    """Writes rows of one format into an open file."""

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""

    def end(self) -> None:
        """Write what is still to be written."""


class _JsonLines:
    """Rows as JSON Lines."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self._file.write(to_line(row).encode())

    def end(self) -> None:
        """Nothing is held back."""


class Part:
    """One part under way. Use as a context manager; without `finish` nothing is left of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}{UNFINISHED}")
        self.rows = 0
        with disk_errors(path):
            self._temporary.unlink(missing_ok=True)
            self._file: IO[bytes] = os.fdopen(os.open(self._temporary, NEW_FILE, PRIVATE), "wb")
        self._rows = _rows_for(path, self._file)

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""
        with disk_errors(self._path):
            self._rows.write(row)
        self.rows += 1

    def finish(self) -> None:
        """Make the part durable under its name, in place of an older one."""
        with disk_errors(self._path):
            self._rows.end()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._path)
            sync_folder(self._path.parent)

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        if self._file.closed:
            return
        with suppress(OSError):  # what is not finished is thrown away: the disk may be full
            self._rows.end()
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink()


def _rows_for(path: Path, file: IO[bytes]) -> _Rows:
    if path.suffix == ".parquet":
        rows: _Rows = import_module("safelight.bulk.parquet_rows").ParquetRows(file)
        return rows
    return _JsonLines(file)
