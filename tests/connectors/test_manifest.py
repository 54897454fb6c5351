"""Manifests: rows that name files, from tables of many makes."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.connectors.manifest import (
    LONGEST_ROW,
    ManifestColumns,
    ManifestRow,
    format_of,
    read_csv,
    read_json_lines,
)
from safelight.errors import BadInput

ANY = ManifestColumns()


def rows_of_csv(data: bytes | str, columns: ManifestColumns = ANY) -> list[ManifestRow]:
    raw = data.encode() if isinstance(data, str) else data
    return list(read_csv(io.BufferedReader(io.BytesIO(raw)), columns))


def rows_of_json(data: bytes | str, columns: ManifestColumns = ANY) -> list[ManifestRow]:
    raw = data.encode() if isinstance(data, str) else data
    return list(read_json_lines(io.BufferedReader(io.BytesIO(raw)), columns))


def plain(rows: list[ManifestRow]) -> list[tuple[int, str, dict[str, str]]]:
    return [
        (row.number, row.file, {name: text for name, text in row.facts.items() if name != "_row"})
        for row in rows
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_of_any_delimiter(delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([["url", "path"], ["https://a", "1, 2.jpg"], ["two\nlines", "2;.jpg"]])
    assert plain(rows_of_csv(out.getvalue())) == [
        (0, "1, 2.jpg", {"url": "https://a"}),
        (1, "2;.jpg", {"url": "two\nlines"}),
    ]


@pytest.mark.parametrize(
    ("header", "file"),
    [
        ("key,Image_Path,url", 1),
        ("url,FILE,key", 1),
        ("url,key,width", 1),
        ("url,left_file_name", 1),
        (" path ,url", 0),
        ("\ufeffpath,url", 0),
    ],
)
def test_the_column_that_names_the_file_is_found(header: str, file: int) -> None:
    values = ["a", "b", "c"][: header.count(",") + 1]
    (row,) = rows_of_csv(f"{header}\n{','.join(values)}\n")
    assert row.file == values[file]


@pytest.mark.parametrize("data", ["", "url,width\na,1\n", "\n\n"])
def test_a_table_without_such_a_column_is_refused(data: str) -> None:
    with pytest.raises(BadInput, match="--manifest-file-column"):
        rows_of_csv(data)


def test_columns_asked_for() -> None:
    data = "a,b,c\n1,2,3\n"
    columns = ManifestColumns(file="b", carry=("c",))
    assert rows_of_csv(data, columns) == [
        ManifestRow(number=0, file="2", facts={"_row": "0", "c": "3"})
    ]
    with pytest.raises(BadInput, match="no column 'd'; it has 'a', 'b', 'c'"):
        rows_of_csv(data, ManifestColumns(file="b", carry=("d",)))


def test_rows_that_are_none_keep_their_number() -> None:
    long = "x" * (LONGEST_ROW + 5)
    field = "y" * 140_000  # more than a field of CSV may have
    data = f"path,id\n1.jpg,a\n,b\n\n{long},c\n{field},d\n2.jpg,e,f,g\n3.jpg\n4.jpg,h\n"
    assert [(row.number, row.file) for row in rows_of_csv(data)] == [
        (0, "1.jpg"),
        (1, ""),
        (2, ""),
        (3, ""),
        (4, ""),
        (5, "3.jpg"),
        (6, "4.jpg"),
    ]


def test_names_of_any_bytes() -> None:
    (row,) = rows_of_csv(b"path,url\n\xff\xfe.jpg,a\xff\n")
    assert row.file.encode("utf-8", "surrogateescape") == b"\xff\xfe.jpg"
    assert row.facts["url"] == "a?"


def test_json_lines() -> None:
    lines = [
        '{"file_name": "1.jpg", "url": "a", "size": 3, "nothing": null}',
        "",
        '{"url": "b", "file_name": "2.jpg", "more": [1]}',
        "[]",
        "{",
        '{"file_name": ["no", "path"], "url": "c"}',
        '{"file_name": "\\ud800.jpg", "url": "d"}',
        '{"file_name": "nul\\u0000.jpg", "url": "e"}',
        '{"file_name": 7, "url": "f"}',
        json.dumps({"file_name": "x" * 5000}),
        '{"url": "g"}',
    ]
    assert plain(rows_of_json("\n".join(lines))) == [
        (0, "1.jpg", {"url": "a", "size": "3"}),
        (1, "2.jpg", {"url": "b", "more": "[1]"}),
        (2, "", {}),
        (3, "", {}),
        (4, "", {"url": "c"}),
        (5, "", {"url": "d"}),
        (6, "", {"url": "e"}),
        (7, "7", {"url": "f"}),
        (8, "", {}),
        (9, "", {"url": "g"}),
    ]


def test_json_columns_asked_for_need_not_be_in_every_row() -> None:
    data = '{"path": "1"}\n{"path": "2", "url": "b", "x": 1}\n'
    assert plain(rows_of_json(data, ManifestColumns(carry=("url",)))) == [
        (0, "1", {}),
        (1, "2", {"url": "b"}),
    ]


@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_a_refusal(data: bytes) -> None:
    for read in (rows_of_csv, rows_of_json):
        try:
            rows = read(data)
        except BadInput:
            continue
        assert [row.number for row in rows] == list(range(len(rows)))


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20), st.text()
        ),
        max_size=20,
    )
)
def test_what_csv_writes_is_read_back(table: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([("path", "note"), *table])
    rows = rows_of_csv(out.getvalue().encode("utf-8", "surrogateescape"))
    assert [row.file for row in rows] == [path for path, _ in table]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.CSV", "csv"), ("a.tsv", "csv"), ("s3://b/a.ndjson", "jsonl"), ("a.pq", "parquet")],
)
def test_the_format_is_told_by_the_name(name: str, kind: str) -> None:
    assert format_of(name) == kind


@pytest.mark.parametrize("name", ["rows.xlsx", "rows", "s3://bucket"])
def test_a_table_of_another_format_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=r"\.parquet"):
        format_of(name)
