import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.connectors import json_stream
from safelight.connectors.json_stream import BadJson, JsonStream

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that every test has its text cut anywhere."""
    monkeypatch.setattr(json_stream, "_CHUNK", 3)


def _stream(text: str) -> JsonStream:
    return JsonStream(io.StringIO(text).read)


@given(st.lists(JSON), st.sampled_from([None, 1]))
def test_the_elements_of_an_array_are_those_that_json_gives(values: list[Any], indent: int) -> None:
    stream = _stream(json.dumps(values, indent=indent, ensure_ascii=False))
    assert [stream.value() for _ in stream.elements()] == values
    assert stream.peek() == ""


@given(st.dictionaries(st.text(), JSON))
def test_an_object_is_read_key_by_key(data: dict[str, Any]) -> None:
    stream = _stream(json.dumps(data))
    keys = stream.keys()
    assert {key: stream.value() for key in keys} == data


def test_a_number_is_not_taken_before_it_ends() -> None:
    stream = _stream("[123456789, 1]")
    assert [stream.value() for _ in stream.elements()] == [123456789, 1]


def test_offsets_are_in_bytes() -> None:
    stream = _stream('["ä", "€", 7]')
    found = []
    for _ in stream.elements():
        stream.value()
        found.append(stream.last_offset)
    assert found == [1, 7, 14]


def test_a_long_value_is_left_for_later() -> None:
    stream = _stream('[{"a": [1, 2, 3, 4, 5, 6, 7, 8, 9]}, 1]')
    elements = stream.elements()
    next(elements)
    assert stream.short_value(5) is None
    keys = stream.keys()
    assert [(key, stream.value()) for key in keys] == [("a", [1, 2, 3, 4, 5, 6, 7, 8, 9])]
    next(elements)
    assert stream.short_value(5) == 1


@pytest.mark.parametrize("text", ["", "[1", "[1 2]", '{"a" 1}', '{"a": nul}', "{1: 2}", '["'])
def test_what_is_not_json_is_said_with_its_place(text: str) -> None:
    stream = _stream(text)
    with pytest.raises(BadJson) as caught:  # noqa: PT012
        for _ in stream.keys() if text.startswith("{") else stream.elements():
            stream.value()
    assert 0 <= caught.value.offset <= len(text)
