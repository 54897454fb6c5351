"""Parquet files: the work of a child process that has pyarrow.

Two things are asked of it. The pictures in a table, as data sets of Hugging Face hold them, in a
column of `{bytes, path}` or of bytes: every row is an item, answered as `examine_child` does. Or
the rows of a table that names files, for `connectors.table`. Either way a batch of rows is in
memory at a time.
"""

import json
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from safelight import examine_child
from safelight.connectors.facts import telling, to_facts
from safelight.connectors.manifest import ManifestColumns, ManifestReader
from safelight.errors import BadInput
from safelight.examine import DIGESTS_ONLY
from safelight.examine_answers import pack_member
from safelight.model import HashMode, Member
from safelight.source import MemorySource, open_source

Answer = dict[str, Any]
Answers = Generator[Answer, None, Answer]

PICTURES_AT_A_TIME = 16
ROWS_AT_A_TIME = 1000
_MESSAGE_BYTES = 24_000
_PAGE_BUFFER = 1 << 20
_PICTURE_NAMES = ("image", "img", "picture", "jpg", "png", "webp")


def prepare() -> None:
    """Load all that is needed, and keep pyarrow to one thread and the system's allocator."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    pa.set_memory_pool(pa.system_memory_pool())
    examine_child.prepare()
    _try_out()


def self_test() -> None:
    """Decode the samples, and read a tiny table. Raises RuntimeError when that fails."""
    examine_child.self_test()
    _try_out()


def _try_out() -> None:
    out = pa.BufferOutputStream()
    pq.write_table(pa.table({"image": [b"1", b"2"], "id": ["a", "b"]}), out, compression="zstd")
    batches = pq.ParquetFile(pa.BufferReader(out.getvalue())).iter_batches(use_threads=False)
    if [batch.to_pydict()["id"] for batch in batches] != [["a", "b"]]:
        raise RuntimeError("a tiny Parquet table cannot be read")


def work(fd: int, request: dict[str, Any]) -> Answers:
    """Examine the pictures in the table, or with `manifest` in the request give its rows."""
    if "manifest" in request:
        return (yield from _manifest(fd, ManifestColumns.from_json(request["manifest"])))
    if request["mode"] == DIGESTS_ONLY:
        return (yield from examine_child.work(fd, request))
    return (yield from _pictures(fd, request))


def _pictures(fd: int, request: dict[str, Any]) -> Answers:
    digests_only = {**request, "mode": DIGESTS_ONLY, "archives": False}
    try:
        table = _open(fd)
        columns = _Columns(table.schema_arrow, request.get("carry") or ())
    except (pa.ArrowException, OSError, BadInput):
        about = yield from examine_child.work(fd, digests_only)
        return {"code": "damaged", "detail": "", **about}
    if not columns.picture:
        return (yield from examine_child.work(fd, {**request, "archives": False}))
    flags = []
    try:
        for number, row in _rows(table, columns.read, PICTURES_AT_A_TIME, request["start"]):
            yield from _picture(number, row, columns, request)
    except (pa.ArrowException, OSError):
        flags.append("members_missing")
    about = yield from examine_child.work(fd, digests_only)
    if "code" in about:
        return about
    facts = {"members": table.metadata.num_rows, "flags": flags}
    return {**about, "kind": "archive", "format": "parquet", "container": facts}


def _picture(
    number: int, row: Mapping[str, Any], columns: "_Columns", request: dict[str, Any]
) -> Generator[Answer, None, None]:
    place = {"members": [pack_member(Member(name=b"%d" % number, kind="row"))]}
    yield {"begin": number, **place}
    data = columns.bytes_of(row)
    failed = request["failed"] if number == request["start"] else None
    if data is None:
        empty: Answer = {"digests": None, "kind": "other", "format": "unknown"}
        answer = {**empty, "code": "no_bytes", "detail": ""}
    else:
        mode = DIGESTS_ONLY if failed else HashMode.EXACT
        answer = yield from examine_child.examine_source(
            MemorySource(data), {**request, "mode": mode}
        )
        if failed and "code" not in answer:
            answer = {**answer, "code": failed, "detail": ""}
    yield {"item": answer, "number": number, **place, "facts": columns.facts_of(row)}


class _Columns:
    """Which column holds the pictures, and which are carried."""

    def __init__(self, schema: pa.Schema, carry: tuple[str, ...] | list[str]) -> None:
        kinds = {field.name: field.type for field in schema}
        pictures = [name for name, kind in kinds.items() if _holds_pictures(kind)]
        preferred = [name for name in _PICTURE_NAMES if name in pictures]
        self.picture: str = (preferred or pictures or [""])[0]
        plain = {name: None for name, kind in kinds.items() if _is_plain(kind)}
        self._carried = tuple(telling(plain, carry))
        self._in_struct = self.picture != "" and pa.types.is_struct(kinds[self.picture])
        ends = (".bytes", ".path") if self._in_struct else ("",)
        self.read = [self.picture + end for end in ends] + list(self._carried)

    def bytes_of(self, row: Mapping[str, Any]) -> bytes | None:
        value = row[self.picture]
        if self._in_struct:
            value = None if value is None else value.get("bytes")
        return value if isinstance(value, bytes) else None

    def facts_of(self, row: Mapping[str, Any]) -> dict[str, str]:
        found = {name: row[name] for name in self._carried}
        value = row[self.picture]
        if self._in_struct and value is not None and value.get("path"):
            found.setdefault("path", value["path"])
        return to_facts(found)


def _holds_pictures(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        names = {kind.field(at).name: kind.field(at).type for at in range(kind.num_fields)}
        return "bytes" in names and _is_bytes(names["bytes"])
    return _is_bytes(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_plain(kind: pa.DataType) -> bool:
    """Whether a column of this type can be carried: pictures and nested tables are not."""
    return not (_is_bytes(kind) or pa.types.is_struct(kind) or pa.types.is_map(kind))


def _manifest(fd: int, columns: ManifestColumns) -> Answers:
    try:
        table = _open(fd)
        names = [field.name for field in table.schema_arrow if _is_plain(field.type)]
        reader = ManifestReader(names, columns)
    except BadInput as exc:
        return {"problem": str(exc)}
    except (pa.ArrowException, OSError) as exc:
        return {"problem": f"this is no Parquet file that can be read ({type(exc).__name__})"}
    rows: list[list[Any]] = []
    size = 0
    try:
        for number, values in _rows(table, reader.used, ROWS_AT_A_TIME, 0):
            row = reader.row(number + 1, values)
            packed = [row.number, row.file, row.facts]
            more = len(json.dumps(packed))
            if rows and size + more > _MESSAGE_BYTES:
                yield {"rows": rows}
                rows, size = [], 0
            rows.append(packed)
            size += more
    except (pa.ArrowException, OSError) as exc:
        return {"problem": f"the table is damaged ({type(exc).__name__})"}
    yield {"rows": rows}
    return {}


def _open(fd: int) -> pq.ParquetFile:
    """The open file, read page by page. Raises ArrowException or OSError."""
    stream = pa.PythonFile(open_source(fd).stream(), mode="r")
    return pq.ParquetFile(stream, pre_buffer=False, buffer_size=_PAGE_BUFFER)


def _rows(
    table: pq.ParquetFile, columns: list[str], at_a_time: int, start: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows from number `start` on, counted from 0; row groups before it are not read."""
    number = 0
    for group in range(table.metadata.num_row_groups):
        rows = table.metadata.row_group(group).num_rows
        if number + rows <= start:
            number += rows
            continue
        for batch in table.iter_batches(
            batch_size=at_a_time, row_groups=[group], columns=columns, use_threads=False
        ):
            for row in batch.to_pylist():
                if number >= start:
                    yield number, row
                number += 1
