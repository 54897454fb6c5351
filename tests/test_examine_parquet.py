"""Parquet files through real children: pictures, rows of manifests, and attacks."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import photo, saved

from safelight.connectors.manifest import ManifestColumns, ManifestRow
from safelight.connectors.table import ParquetTables
from safelight.errors import BadInput
from safelight.examine import PARQUET_CHILD, Examiner, make_pool, memory_file
from safelight.model import Container, Depth, ImageHashes, Item, NotChecked
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildPool
from safelight.settings import Settings

PNG = saved(photo(), "PNG")


@pytest.fixture(scope="module")
def pool() -> Iterator[ChildPool]:
    with make_pool(Settings(), children=1, child=PARQUET_CHILD) as pool:
        yield pool


@pytest.fixture(scope="module")
def hostile() -> Iterator[ChildPool]:
    limits = Limits(memory_mb=1024, wall_seconds=10.0)
    here = [str(Path(__file__).parent)]
    work = "examine_parquet_attacks:work"
    with ChildPool(work, children=1, limits=limits, search_path=here) as pool:
        yield pool


def parquet(columns: dict[str, Any], **more: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **more)
    return out.getvalue()


def walked(pool: ChildPool, data: bytes) -> list[Item]:
    fd = memory_file(data)
    try:
        return list(Examiner(pool, carry=()).walk(fd, Depth()))
    finally:
        os.close(fd)


def names(items: list[Item]) -> list[str]:
    return [item.members[0].name.decode() for item in items if item.members]


def test_every_picture_of_every_row_is_an_item(pool: ChildPool) -> None:
    data = parquet({"image": [PNG, PNG], "thumb": [[PNG, PNG], None], "id": ["a", "b"]})
    *items, whole = walked(pool, data)
    assert names(items) == ["0/image", "0/thumb/0", "0/thumb/1", "1/image"]
    assert {item.members[0].kind for item in items} == {"row"}
    assert [item.facts for item in items] == [{"id": "a"}] * 3 + [{"id": "b"}]
    assert all(isinstance(item.examined, ImageHashes) for item in items)
    assert isinstance(whole.examined, Container)
    assert (whole.examined.members, whole.examined.format) == (2, "parquet")
    assert whole.examined.digests.sha256 == hashlib.sha256(data).hexdigest()


def test_a_picture_that_crashes_its_decoder_costs_its_own_answer(hostile: ChildPool) -> None:
    pictures = [PNG, b"crash", PNG, b"always crash", PNG]
    *items, whole = walked(hostile, parquet({"image": pictures}, row_group_size=2))
    assert names(items) == ["0", "1", "2", "3", "4"]
    codes = [getattr(item.examined, "code", None) for item in items]
    assert codes == [None, "crashed", None, "crashed", None]
    crashed = items[1].examined
    assert isinstance(crashed, NotChecked)
    assert crashed.digests is not None
    assert crashed.digests.sha256 == hashlib.sha256(b"crash").hexdigest()
    assert isinstance(whole.examined, Container)


def test_of_a_damaged_table_the_rest_is_examined(pool: ChildPool) -> None:
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    data = bytearray(parquet({"image": [PNG] * 4}, row_group_size=1, **plain))
    _, _, third, _ = (at for at in range(len(data)) if data.startswith(PNG, at))
    data[third - 40 : third] = bytes(40)  # the page's header
    *items, whole = walked(pool, bytes(data))
    assert names(items) == ["0", "1", "3"]
    assert isinstance(whole.examined, Container)
    assert whole.examined.flags == ("members_missing",)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" * 100, PNG])
def test_what_is_no_table(pool: ChildPool, data: bytes) -> None:
    (whole,) = walked(pool, data)
    assert isinstance(whole.examined, NotChecked)
    assert whole.examined.digests is not None


def rows(pool: ChildPool, data: bytes, columns: ManifestColumns) -> list[ManifestRow]:
    fd = memory_file(data)
    try:
        return list(ParquetTables(pool).rows(fd, columns))
    finally:
        os.close(fd)


def test_rows_of_a_manifest(pool: ChildPool) -> None:
    data = parquet({"path": ["a", None, "é" * 3000], "n": [1, 2, 3], "bytes": [PNG] * 3})
    assert rows(pool, data, ManifestColumns()) == [
        ManifestRow(number=0, file="a", facts={"_row": "0", "n": "1"}),
        ManifestRow(number=1, file="", facts={"_row": "1", "n": "2"}),
        ManifestRow(number=2, file="", facts={"_row": "2", "n": "3"}),  # no path is so long
    ]


def test_a_manifest_of_many_rows_comes_in_messages_of_some(pool: ChildPool) -> None:
    count = 5000
    text = "\N{GRINNING FACE}" * 900  # twelve bytes each in JSON
    data = parquet({"path": [f"{number}.jpg" for number in range(count)], "url": [text] * count})
    found = rows(pool, data, ManifestColumns())
    assert [row.file for row in found] == [f"{number}.jpg" for number in range(count)]
    assert {row.facts["url"] for row in found} == {text}


@pytest.mark.parametrize(
    ("data", "columns", "message"),
    [
        (b"no table", ManifestColumns(), "no Parquet file that can be read"),
        (parquet({"n": [1]}), ManifestColumns(), "--manifest-file-column"),
        (parquet({"n": [1]}), ManifestColumns(file="x"), "no column 'x'; it has 'n'"),
    ],
)
def test_manifests_that_cannot_be_read(
    pool: ChildPool, data: bytes, columns: ManifestColumns, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        rows(pool, data, columns)


class _Lying:
    """Stands in for a child that was taken over: it says what it likes."""

    def __init__(self, part: dict[str, Any]) -> None:
        self._part = part

    def stream(self, *_arguments: Any, **_more: Any) -> Any:
        """Give the part, then end."""
        yield self._part
        return {}


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"rows": 5},
        {"rows": [[1, "a", ""]]},
        {"rows": [["1", "a", "", {}]]},
        {"rows": [[1, None, "", {}]]},
        {"rows": [[1, "a", "a" * 5000, {}]]},
        {"rows": [[1, "a", "", {"x": 5}]]},
    ],
)
def test_what_no_honest_child_says_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="senseless"):
        list(ParquetTables(_Lying(part)).rows(0, ManifestColumns()))  # type: ignore[arg-type]
