"""The cells of a Parquet file, a few rows at a time. Loads pyarrow; used in a child process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

_PAGE_BUFFER = 1 << 20

# What a damaged table makes pyarrow raise; MemoryError is let through.
BAD_TABLE = (pa.ArrowException, OSError, ValueError, OverflowError, IndexError, KeyError, TypeError)


class Table:
    """An open Parquet file. Every method may raise BAD_TABLE."""

    def __init__(self, stream: BinaryIO) -> None:
        # Page by page: a column of pictures need not fit in memory.
        self._file = pq.ParquetFile(
            pa.PythonFile(stream, mode="r"), pre_buffer=False, buffer_size=_PAGE_BUFFER
        )
        self._kinds = {field.name: field.type for field in self._file.schema_arrow}

    @property
    def length(self) -> int:
        """The number of rows."""
        return int(self._file.metadata.num_rows)

    @property
    def plain(self) -> list[str]:
        """The columns of which a text can be made."""
        return [name for name, kind in self._kinds.items() if _is_plain(kind)]

    @property
    def with_bytes(self) -> list[str]:
        """The columns that have bytes anywhere in them."""
        return [name for name, kind in self._kinds.items() if _has_bytes(kind)]

    def groups(self, start: int = 0) -> Iterator[tuple[int, int]]:
        """The row groups, each with the number of its first row; those before `start` left out."""
        number = 0
        for group in range(self._file.metadata.num_row_groups):
            count = self._file.metadata.row_group(group).num_rows
            if number + count > start:
                yield group, number
            number += count

    def rows_of(
        self, group: int, columns: Sequence[str], at_a_time: int
    ) -> Iterator[dict[str, Any]]:
        """The rows of a row group."""
        for batch in self._file.iter_batches(
            batch_size=at_a_time, row_groups=[group], columns=columns, use_threads=False
        ):
            yield from _values(batch)

    def rows(
        self, columns: Sequence[str], at_a_time: int, start: int = 0
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows from number `start` on, counted from 0."""
        for group, first in self.groups(start):
            for number, row in enumerate(self.rows_of(group, columns, at_a_time), first):
                if number >= start:
                    yield number, row


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Bytes somewhere in a row, and where; None where only a path is given."""

    place: tuple[str, ...]  # column, and the way on in it
    data: bytes | None
    path: str | None = None


def cells_with_bytes(row: Mapping[str, Any], columns: Sequence[str]) -> Iterator[Cell]:
    """Everything in these columns of the row that may be a picture; empty cells give nothing."""
    for name in columns:
        yield from _cells(row[name], (name,))


def _cells(value: Any, place: tuple[str, ...]) -> Iterator[Cell]:
    if isinstance(value, bytes):
        yield Cell(place=place, data=value)
    elif isinstance(value, dict):
        yield from _cells_of_struct(value, place)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _cells(inner, (*place, str(number)))


def _cells_of_struct(value: dict[str, Any], place: tuple[str, ...]) -> Iterator[Cell]:
    path = value.get("path")
    path = path if isinstance(path, str) and path else None
    data = value.get("bytes")
    if isinstance(data, bytes):
        yield Cell(place=place, data=data, path=path)
    elif path is not None:
        yield Cell(place=place, data=None, path=path)
    for name, inner in value.items():
        if name != "bytes" or not isinstance(data, bytes):
            yield from _cells(inner, (*place, name))


def _values(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
        return rows
    except UnicodeDecodeError:  # a text that is none does not keep the picture beside it
        names = batch.schema.names
        return [
            {name: _lossy(batch.column(at)[row]) for at, name in enumerate(names)}
            for row in range(batch.num_rows)
        ]


def _lossy(scalar: pa.Scalar) -> Any:
    """The value, with U+FFFD for what is not UTF-8."""
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "replace")
    if pa.types.is_struct(kind):
        return {name: _lossy(scalar[name]) for name in (field.name for field in kind)}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [_lossy(inner) for inner in scalar.values]
    return scalar.as_py()


def _has_bytes(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _has_bytes(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _has_bytes(kind.value_type)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return True
    if pa.types.is_fixed_size_binary(kind):
        return bool(kind.byte_width > 64)  # shorter ones are digests and ids, no pictures
    inner = [kind.field(at).type for at in range(kind.num_fields)]
    return any(_has_bytes(one) for one in inner)


def _is_plain(kind: pa.DataType) -> bool:
    nested = pa.types.is_struct(kind) or pa.types.is_map(kind) or pa.types.is_union(kind)
    return not nested and not _has_bytes(kind)
