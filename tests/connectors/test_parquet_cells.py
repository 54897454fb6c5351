"""Cells of Parquet files: pictures wherever they are in a row."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.connectors.parquet_cells import BAD_TABLE, Cell, Table, cells_with_bytes


def written(table: pa.Table, **more: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **more)
    return out.getvalue()


def cells(table: pa.Table) -> list[tuple[str, bytes | None, str | None]]:
    opened = Table(io.BytesIO(written(table)))
    return [
        ("/".join(cell.place), cell.data, cell.path)
        for _, row in opened.rows(opened.with_bytes, 2)
        for cell in cells_with_bytes(row, opened.with_bytes)
    ]


IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array([b"1", None, b""]), [("c", b"1", None), ("c", b"", None)]),
        (
            pa.array(
                [
                    {"bytes": b"1", "path": "a"},
                    None,
                    {"bytes": None, "path": None},
                    {"bytes": None, "path": "b"},
                    {"bytes": b"2", "path": None},
                ],
                IMAGE,
            ),
            [("c", b"1", "a"), ("c", None, "b"), ("c", b"2", None)],
        ),
        (
            pa.array([[{"bytes": b"1", "path": "a"}, {"bytes": b"2"}]], pa.list_(IMAGE)),
            [("c/0", b"1", "a"), ("c/1", b"2", None)],
        ),
        (pa.array([b"1", b"1"]).dictionary_encode(), [("c", b"1", None)] * 2),
        (pa.array([[b"1", b"2"]]), [("c/0", b"1", None), ("c/1", b"2", None)]),
        (
            pa.array([{"x": {"y": b"1"}, "n": 5}]),
            [("c/x/y", b"1", None)],
        ),
        (pa.array([[("k", b"1")]], pa.map_(pa.string(), pa.binary())), [("c/0/1", b"1", None)]),
        (pa.array([b"1"], pa.large_binary()), [("c", b"1", None)]),
        (pa.array([b"x" * 20], pa.binary(20)), []),  # a digest
        (pa.array(["text"]), []),
    ],
)  # fmt: skip
def test_pictures_are_found_wherever_they_are(
    column: pa.Array, found: list[tuple[str, bytes | None, str | None]]
) -> None:
    assert cells(pa.table({"c": column, "other": pa.nulls(len(column), pa.string())})) == found


def test_columns_of_which_texts_are_made() -> None:
    table = pa.table({"a": ["x"], "b": [1], "c": [b"1"], "d": [{"x": 1}], "e": [[1, 2]]})
    opened = Table(io.BytesIO(written(table)))
    assert opened.plain == ["a", "b", "e"]
    assert opened.with_bytes == ["c"]
    assert opened.length == 1


def test_rows_begin_where_they_are_asked_to() -> None:
    data = written(pa.table({"n": list(range(20))}), row_group_size=7)
    for start in (0, 3, 7, 19, 20):
        rows = [(at, row["n"]) for at, row in Table(io.BytesIO(data)).rows(["n"], 3, start)]
        assert rows == [(number, number) for number in range(start, 20)]


def test_a_text_that_is_none_does_not_keep_the_picture_from_us() -> None:
    wrong = pa.array([b"\xff.jpg"]).cast(pa.string(), safe=False).view(pa.string())
    image = pa.StructArray.from_arrays([pa.array([b"1"]), wrong], ["bytes", "path"])
    assert cells(pa.table({"c": image})) == [("c", b"1", "\ufffd.jpg")]


def test_a_cell_is_a_value() -> None:
    assert Cell(place=("a",), data=None) == Cell(place=("a",), data=None, path=None)


WHOLE = written(pa.table({"image": [bytes(range(200)) * 3, b"2"] * 5, "url": ["a", None] * 5}))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.booleans())
def test_damage_is_one_of_the_errors_that_are_expected(at: int, byte: int, cut: bool) -> None:
    data = WHOLE[:at] if cut else WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :]
    try:
        table = Table(io.BytesIO(data))
        for _, row in table.rows([*table.with_bytes, *table.plain], 3):
            list(cells_with_bytes(row, table.with_bytes))
    except BAD_TABLE:
        pass
