"""The quick way through JSON Lines and CSV gives what the thorough one gives."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.connectors import hash_csv, hash_json
from safelight.connectors.hash_csv import csv_rows
from safelight.connectors.hash_json import json_rows
from safelight.connectors.hash_text import Row

DIGITS = ("ab" * 32, "AB" * 16, "0" * 40, "zz" * 16, "d41d8cd98f00b204e9800998ecf8427e", "", "ab")
WORDS = st.sampled_from(["A-1", " A ", "ä", "a\tb", "x" * 600, "", "\u2028", "7"])
VALUES = st.one_of(
    st.sampled_from(DIGITS), WORDS, st.integers(-5, 105), st.none(), st.booleans(),
    st.floats(0, 100), st.lists(st.integers(), max_size=1), st.just("a\0b"),
)  # fmt: skip
KEYS = st.sampled_from(
    ["pdq", "md5", "MD5", "sha1", "quality", "id", "class", "note", "mode", "hash", "vpdq", ""]
)


def _json(lines: list[str]) -> list[Row]:
    return list(json_rows(lines, None))


def _csv(lines: list[str]) -> list[Row]:
    return list(csv_rows(lines, None))


@given(st.lists(st.dictionaries(KEYS, VALUES), max_size=5))
def test_json(objects: list[dict[str, Any]]) -> None:
    lines = [json.dumps(one) for one in objects]
    quick = _json(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_json, "_shape", lambda _: None)
        assert _json(lines) == quick


@given(st.lists(KEYS, min_size=1, max_size=5), st.data())
def test_csv(names: list[str], data: st.DataObject) -> None:
    cell = st.one_of(st.sampled_from(DIGITS), WORDS, st.integers(-5, 105).map(str))
    rows = data.draw(st.lists(st.lists(cell, max_size=6), max_size=5))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, *rows])
    lines = out.getvalue().splitlines(keepends=True)
    quick = _csv(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_csv, "_quick", lambda _: None)
        assert _csv(lines) == quick


def test_the_usual_kind_takes_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(hash_json, "_object_rows", fail)
    row = {"pdq": "ab" * 32, "quality": 7, "id": 5, "class": "B", "url": None}
    assert len(_json([json.dumps(row)] * 3)) == 3
    monkeypatch.setattr(hash_csv, "record_rows", fail)
    assert len(_csv(["pdq,quality,id,class\n", f"{'ab' * 32},7,5,B\n"])) == 1
