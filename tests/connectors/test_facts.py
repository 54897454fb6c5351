"""What is carried to the rows of a result, and that it is bounded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.connectors.facts import (
    LEFT_OUT,
    LONGEST_NAME,
    LONGEST_VALUE,
    MOST_BYTES,
    MOST_FACTS,
    check_facts,
    is_telling,
    owned,
    telling,
    to_facts,
)

TEXT = st.text(st.characters(exclude_categories=()), max_size=80)  # halves of characters too
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.lists(TEXT, max_size=3)
)


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("url", True),
        ("URL", True),
        ("image_url", True),
        ("sample_id", True),
        ("key", True),
        ("caption", False),
        ("curl", True),  # ends like one: too much is carried rather than too little
        ("width", False),
        ("identity", False),
    ],
)
def test_which_columns_tell(name: str, tells: bool) -> None:
    assert is_telling(name) is tells


def test_columns_asked_for_are_taken_in_that_order() -> None:
    columns = {"url": "u", "caption": "c", "width": 3}
    assert list(telling(columns, ["width", "absent", "caption"]).items()) == [
        ("width", 3),
        ("caption", "c"),
    ]
    assert telling(columns) == {"url": "u"}


def test_values_become_text() -> None:
    columns = {"a": "é", "b": 7, "c": None, "d": [1, "x"], "e": True, "f": 0.5}
    assert to_facts(columns) == {"a": "é", "b": "7", "d": '[1, "x"]', "e": "true", "f": "0.5"}


def test_what_does_not_fit_is_named() -> None:
    facts = to_facts({"long": "x" * 5000, "short": "y"})
    assert facts == {"long": "x" * LONGEST_VALUE, "short": "y", LEFT_OUT: "long"}
    many = to_facts({f"column{number}": "x" * 2000 for number in range(10)})
    assert many[LEFT_OUT] == "column5, column6, column7, column8, column9"


@given(st.dictionaries(TEXT, VALUES, max_size=20), st.integers(1, 200))
def test_facts_are_bounded_and_pass_the_check(columns: dict[str, object], times: int) -> None:
    long = {name: text * times if isinstance(text, str) else text for name, text in columns.items()}
    facts = to_facts(long)
    assert check_facts(json.loads(json.dumps(facts))) == facts
    assert len(facts) <= MOST_FACTS + 1
    assert len(json.dumps(facts)) <= MOST_BYTES + 6 * LONGEST_VALUE + 100
    assert all(len(name) <= LONGEST_NAME for name in facts)
    "".join(facts.values()).encode()  # no halves of characters


@pytest.mark.parametrize(
    "lie",
    [
        [],
        {"a": 1},
        {"a": None},
        {"x" * 65: "a"},
        {"a": "x" * 2049},
        {str(number): "" for number in range(66)},
    ],
)
def test_what_to_facts_never_makes_is_refused(lie: object) -> None:
    with pytest.raises(ValueError, match="facts"):
        check_facts(lie)


def test_the_owner_is_never_overruled() -> None:
    owner = {"url": "mine", "id": "1", "sidecar.id": "my own column"}
    told = {"url": "theirs", "id": "9", "host": "h", "sidecar.url": "forged"}
    assert owned(owner, told) == {**owner, "host": "h", "sidecar.url": "theirs"}
    assert owned({}, told) == told
    assert owned(owner, {"id": "1"}) == owner


@given(st.dictionaries(TEXT, TEXT, max_size=9), st.dictionaries(TEXT, TEXT, max_size=90))
def test_what_is_told_takes_no_room_from_the_owner(
    one: dict[str, str], other: dict[str, str]
) -> None:
    owner, told = to_facts(one), to_facts(other)
    found = owned(owner, told)
    assert {name: found[name] for name in owner if name != LEFT_OUT} == {
        name: text for name, text in owner.items() if name != LEFT_OUT
    }


def test_what_did_not_fit_before_stays_named() -> None:
    assert owned({LEFT_OUT: "mine"}, {"x" * LONGEST_NAME * 2: "y"})[LEFT_OUT].startswith("mine, ")
