"""Result rows as Parquet, of one fixed schema, documented in docs/reference/scan-results.md.

Loads pyarrow: only imported where Parquet is written.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from safelight.errors import CorruptFile
from safelight.files import show_path
from safelight.model import Verdict

ROWS_AT_A_TIME = 1000

_TEXT = pa.string()
_SCENE = pa.struct({name: pa.float64() for name in ("start", "end", "list_start", "list_end")})
_MATCH = pa.struct(
    {
        "list": _TEXT,
        "entry": pa.int64(),
        "class": _TEXT,
        "algorithm": _TEXT,
        "distance": pa.int32(),
        "orientation": _TEXT,
        "frame": pa.int64(),
        "time": pa.float64(),
        "query_percent": pa.float64(),
        "list_percent": pa.float64(),
        "scenes": pa.list_(_SCENE),
        "flood": pa.bool_(),
    }
)
_STEP = pa.struct(dict.fromkeys(("kind", "name", "name_b64", "modified"), _TEXT))
_INSIDE = pa.struct(dict.fromkeys((*(one.value for one in Verdict), "partly_checked"), pa.int64()))

SCHEMA = pa.schema(
    {
        "path": _TEXT,
        "path_b64": _TEXT,
        "derivation": pa.list_(_STEP),
        "md5": _TEXT,
        "sha1": _TEXT,
        "sha256": _TEXT,
        "kind": _TEXT,
        "format": _TEXT,
        "verdict": _TEXT,
        "inside": _INSIDE,
        "fully_checked": pa.bool_(),
        "reasons": pa.list_(_TEXT),
        "matches": pa.list_(_MATCH),
        "observed": pa.list_(_MATCH),
        "suppressed": pa.list_(_MATCH),
        "manifest": pa.map_(_TEXT, _TEXT),
        "pdq": pa.binary(32),
        "pdq_quality": pa.int32(),
        "code": _TEXT,
        "flags": pa.list_(_TEXT),
        "mode": _TEXT,
        "members": pa.int64(),
        "video": _TEXT,
        "duration": pa.float64(),
        "frames": pa.int64(),
        "other": _TEXT,  # fields that have no column, as JSON
    }
)

_NAMES = tuple(SCHEMA.names)  # asked of the schema, they are made anew each time


class ParquetRows:
    """Writes rows into an open file, a row group at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd")
        self._waiting: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        """Add one row of a scan."""
        self._waiting.append(_to_record(row))
        if len(self._waiting) >= ROWS_AT_A_TIME:
            self._flush()

    def end(self) -> None:
        """Write what is still to be written."""
        if self._writer.is_open:
            self._flush()
            self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._waiting, SCHEMA))
            self._waiting = []


def _to_record(row: dict[str, Any]) -> dict[str, Any]:
    record = {name: row[name] for name in _NAMES if name in row}
    if record.get("pdq") is not None:
        record["pdq"] = bytes.fromhex(record["pdq"])
    record["manifest"] = list(row.get("manifest", {}).items())
    other = {name: value for name, value in row.items() if name not in _NAMES}
    if other:
        record["other"] = json.dumps(other, ensure_ascii=False)
    return record


def read_rows(path: Path) -> Iterator[tuple[dict[str, Any], float]]:
    """The rows that were written, each with how much of the file is read then; or CorruptFile."""
    try:
        with pq.ParquetFile(path) as file:
            if not {"path", "matches", "verdict"} <= set(file.schema_arrow.names):
                raise CorruptFile(f"{show_path(path)} holds no rows of a scan.")
            every, done = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(ROWS_AT_A_TIME):
                for record in batch.to_pylist():
                    done += 1
                    yield _from_record(record), done / every
    except (pa.ArrowException, OSError, ValueError) as exc:
        raise CorruptFile(f"{show_path(path)} is damaged, or no Parquet file.") from exc


def _from_record(record: dict[str, Any]) -> dict[str, Any]:
    """The row that `_to_record` took: what is null in it was not there."""
    row: dict[str, Any] = {name: value for name, value in record.items() if value is not None}
    row |= json.loads(row.pop("other", "{}"))
    if "pdq" in row:
        row["pdq"] = row["pdq"].hex()
    row["manifest"] = dict(row.get("manifest", ()))
    for name in ("matches", "observed", "suppressed"):
        if name in row:
            row[name] = [_told(match) for match in row[name]]
    row["derivation"] = [_told(step) for step in row.get("derivation", ())]
    row |= {name: row.get(name) for name in ("md5", "sha1", "sha256", "pdq", "pdq_quality")}
    return {name: value for name, value in row.items() if name in _ALWAYS or value not in ([], {})}


_ALWAYS = ("matches", "reasons", "flags")


def _told(struct: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in struct.items() if value is not None}
