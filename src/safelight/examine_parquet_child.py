"""Parquet files: the work of a child process that has pyarrow.

Two things are asked of it. The pictures in a table, as data sets of Hugging Face hold them, in a
column of `{bytes, path}` or of bytes: each is an item, answered as `examine_child` does. Or the
rows of a table that names files, for `connectors.table`. Either way a few rows are in memory.
"""

import json
from collections.abc import Generator, Mapping
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from safelight import examine_child
from safelight.connectors.facts import telling, to_facts
from safelight.connectors.manifest import ManifestColumns, ManifestReader
from safelight.connectors.parquet_cells import BAD_TABLE, Cell, Table, cells_with_bytes
from safelight.errors import BadInput
from safelight.examine import DIGESTS_ONLY
from safelight.examine_answers import pack_member
from safelight.model import Member
from safelight.source import MemorySource, open_source

Answer = dict[str, Any]
Answers = Generator[Answer, None, Answer]

PICTURES_AT_A_TIME = 16  # rows
ROWS_AT_A_TIME = 1000  # of a manifest
MOST_IN_ROW = 1 << 16  # pictures; the number of one tells its row and where in it
_MESSAGE_BYTES = 24_000


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
    written = pa.table({"image": [b"1", b"2"], "id": ["a", "b"], "at": [1.0, None]})
    pq.write_table(written, out, compression="zstd")
    table = Table(BytesIO(out.getvalue().to_pybytes()))
    if [row["id"] for _, row in table.rows(table.plain, 10)] != ["a", "b"]:
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
        table = Table(open_source(fd).stream())
        pictures, length = table.with_bytes, table.length
        told = list(telling(dict.fromkeys(table.plain), request.get("carry") or ()))
    except BAD_TABLE:
        about = yield from examine_child.work(fd, digests_only)
        return {"code": "damaged", "detail": "", **about}
    if not pictures:
        return (yield from examine_child.work(fd, {**request, "archives": False}))
    whole = True
    for group, first in table.groups(request["start"] // MOST_IN_ROW):
        whole &= yield from _group(table, group, first, (pictures, told), request)
    flags = [] if whole else ["members_missing"]
    about = yield from examine_child.work(fd, digests_only)
    if "code" in about:
        return about
    facts = {"members": length, "flags": flags}
    return {**about, "kind": "archive", "format": "parquet", "container": facts}


def _group(
    table: Table,
    group: int,
    first: int,
    columns: tuple[list[str], list[str]],
    request: dict[str, Any],
) -> Generator[Answer, None, bool]:
    """Answer about the pictures of one row group; whether all could be read."""
    whole = True
    rows = table.rows_of(group, [name for some in columns for name in some], PICTURES_AT_A_TIME)
    try:
        for number, row in enumerate(rows, first):
            whole &= yield from _row(number, row, columns, request)
    except BAD_TABLE:
        return False  # the other groups may be good
    return whole


def _row(
    row_number: int,
    row: Mapping[str, Any],
    columns: tuple[list[str], list[str]],
    request: dict[str, Any],
) -> Generator[Answer, None, bool]:
    """Answer about the pictures of one row; whether that was all of them."""
    pictures, told = columns
    facts = {name: row[name] for name in told}
    for at, cell in enumerate(cells_with_bytes(row, pictures)):
        if at == MOST_IN_ROW:
            return False
        number = row_number * MOST_IN_ROW + at
        if number < request["start"]:
            continue
        # One column of pictures: the number of the row says it all.
        way = cell.place if len(pictures) > 1 else cell.place[1:]
        name = "/".join([str(row_number), *way])
        member = Member(name=name.encode("utf-8", "replace"), kind="row")
        place = {"members": [pack_member(member)]}
        yield {"begin": number, **place}
        asked = examine_child.for_member(request, number)
        answer = yield from _cell(cell, asked, is_first=number == request["start"])
        path = {} if cell.path is None else {"path": cell.path}
        yield {"item": answer, "number": number, **place, "facts": to_facts({**path, **facts})}
    return True


def _cell(cell: Cell, request: dict[str, Any], *, is_first: bool) -> Answers:
    if cell.data is None:
        empty: Answer = {"digests": None, "kind": "other", "format": "unknown"}
        return {**empty, "code": "no_bytes", "detail": ""}
    failed = request["failed"] if is_first else None
    asked = {**request, "mode": DIGESTS_ONLY} if failed else request
    answer = yield from examine_child.examine_source(MemorySource(cell.data), asked)
    if failed and "code" not in answer:
        return {**answer, "code": failed, "detail": ""}
    return answer


def _manifest(fd: int, columns: ManifestColumns) -> Answers:
    try:
        table = Table(open_source(fd).stream())
        reader = ManifestReader(table.plain, columns)
    except BadInput as exc:
        return {"problem": str(exc)}
    except BAD_TABLE as exc:
        return {"problem": f"this is no Parquet file that can be read ({type(exc).__name__})"}
    rows: list[list[Any]] = []
    size = 0
    try:
        for number, values in table.rows(reader.used, ROWS_AT_A_TIME):
            row = reader.row(number, values)
            packed = [row.number, row.file, row.member, row.facts]
            more = len(json.dumps(packed))
            if rows and size + more > _MESSAGE_BYTES:
                yield {"rows": rows}
                rows, size = [], 0
            rows.append(packed)
            size += more
    except BAD_TABLE as exc:
        return {"problem": f"the table is damaged ({type(exc).__name__})"}
    yield {"rows": rows}
    return {}
