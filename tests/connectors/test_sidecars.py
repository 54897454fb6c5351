"""Sidecars of a WebDataset: whatever their bytes are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.connectors.facts import check_facts
from safelight.connectors.sidecars import LARGEST_SIDECAR, SUFFIXES, sidecar_facts, suffix_of


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        (b"a/b.JSON", "json"),
        (b"a.seg.txt", "txt"),
        (b"a.jpg", ""),
        (b"json", ""),
        (b"", ""),
        (b"a.\xff", ""),
        (b"a.json/b.jpg", ""),
    ],
)
def test_a_sidecar_is_told_by_its_name(name: bytes, suffix: str) -> None:
    assert suffix_of(name) == suffix


@pytest.mark.parametrize(
    ("name", "data", "facts"),
    [
        (b"1.json", b'{"url": "https://a", "text": "c", "id": 5}', {"url": "https://a", "id": "5"}),
        (b"1.json", b'\xef\xbb\xbf{"key": "k"}', {"key": "k"}),
        (b"1.json", b"{}", {}),
        (b"1.json", b"[1]", None),
        (b"1.json", b"{", None),
        (b"1.json", b"\xff", None),
        (b"1.json", b"[" * 100_000, None),
        (b"1.json", b'{"id": ' + b"9" * 10_000 + b"}", None),  # more digits than Python reads
        (b"1.url", b" https://a\n", {"url": "https://a"}),
        (b"1.cls", b"7", {"cls": "7"}),
        (b"1.url", b"\n", {}),
        (b"1.txt", b"", {}),
        (b"1.json", b"", None),
        (b"1.txt", b"a hill", {}),
        (b"1.txt", b"https://a/1.jpg\n", {"url": "https://a/1.jpg"}),
        (b"1.txt", b"https://a and more", {}),
        (b"1.txt", b" " * (LARGEST_SIDECAR + 1), None),
        (b"1.jpg", b"{}", None),
    ],
)  # fmt: skip
def test_what_a_sidecar_tells(name: bytes, data: bytes, facts: dict[str, str] | None) -> None:
    assert sidecar_facts(name, data) == facts


def test_what_is_asked_for_is_carried_and_no_more() -> None:
    data = b'{"url": "https://a", "caption": "c", "nested": {"a": [1]}}'
    assert sidecar_facts(b"1.json", data, ["caption", "nested"]) == {
        "caption": "c",
        "nested": '{"a": [1]}',
    }
    assert sidecar_facts(b"1.txt", b"a hill", ["txt"]) == {"txt": "a hill"}
    assert sidecar_facts(b"1.txt", b"a hill", ["caption"]) == {}


@given(st.sampled_from(SUFFIXES), st.binary(max_size=300), st.lists(st.text(), max_size=3))
def test_any_bytes_give_facts_or_none(suffix: str, data: bytes, wanted: list[str]) -> None:
    facts = sidecar_facts(f"1.{suffix}".encode(), data, wanted)
    assert facts is None or check_facts(facts) == facts


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(["url", "id", "x", "_left_out"]), JSON))
def test_any_json_gives_facts(values: dict[str, object]) -> None:
    facts = sidecar_facts(b"1.json", json.dumps(values).encode())
    assert facts is not None
    assert check_facts(facts) == facts
    assert set(facts) <= {"url", "id", "_left_out"}
