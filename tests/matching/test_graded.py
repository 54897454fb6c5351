"""What is already graded: found by any digest, never by similarity, and never by a near miss."""

import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.errors import BadInput
from safelight.matching.graded import Graded, GradedRow, left_out
from safelight.matching.graded_heads import is_graded
from safelight.matching.rules import Hit, MatchPolicy
from safelight.model import Algorithm, Digests, Grade, Match, Skipped, Verdict

NAMES = (Algorithm.MD5, Algorithm.SHA1, Algorithm.SHA256)
GRADES = (Grade(file="a.jsonl", verdict="known"), Grade(file="b.csv", their_class="A1"))


def digests(value: int) -> Digests:
    """Digests of a file that is not; small numbers share their first bytes."""
    texts = {one.value: value.to_bytes(one.size).hex() for one in NAMES}
    return Digests(**texts, size=1)


values = st.one_of(st.integers(0, 20), st.integers(0, (1 << 128) - 1))
rows = st.lists(
    st.tuples(st.sampled_from(NAMES), values, st.sampled_from(GRADES)), min_size=1, max_size=40
)


@given(rows, st.lists(values, max_size=20))
@settings(max_examples=100)
def test_it_finds_what_a_dictionary_finds(some, others):
    graded = Graded(
        GradedRow(name, value.to_bytes(name.size), grade) for name, value, grade in some
    )
    try:
        for value in [*others, *(value for _name, value, _grade in some)]:
            asked = digests(value)
            found = [
                [grade for one, known, grade in some if (one, known) == (name, value)][:1]
                for name in reversed(NAMES)
            ]
            expected = next((one[0] for one in found if one), None)
            assert graded.grade_of(asked) == expected
            told = {name.value: getattr(asked, name) for name in NAMES}
            # the child, which has only the first bytes, may say yes too often but never too seldom
            assert is_graded(graded.heads, told) or expected is None
    finally:
        os.close(graded.heads)


def test_the_fingerprint_is_of_what_there_is_not_of_its_order():
    one = GradedRow(Algorithm.MD5, b"a" * 16, GRADES[0])
    other = GradedRow(Algorithm.SHA1, b"b" * 20, GRADES[1])
    assert Graded([one, other]).fingerprint == Graded([other, one, one]).fingerprint
    assert Graded([one]).fingerprint != Graded([one, other]).fingerprint
    regraded = GradedRow(Algorithm.MD5, b"a" * 16, GRADES[1])
    assert Graded([one]).fingerprint != Graded([regraded]).fingerprint


def test_nothing_graded_is_a_mistake():
    with pytest.raises(BadInput, match="no digest"):
        Graded([])


@pytest.mark.parametrize(
    ("grade", "reason"),
    [
        (GRADES[0], "already_graded: the file is in a.jsonl (known)"),
        (GRADES[1], "already_graded: the file is in b.csv (class A1)"),
        (Grade(file="c.txt"), "already_graded: the file is in c.txt"),
    ],
)
def test_the_answer_says_where_it_is_graded_and_what_list_it_is_on(grade: Grade, reason: str):
    skipped = Skipped(digests=digests(1), kind="image", format="png", grade=grade)
    match = Match(list_name="hotline", entry=7, algorithm=Algorithm.MD5, distance=0)
    answer = left_out(skipped, [Hit(match=match)], MatchPolicy())
    assert answer.verdict is Verdict.SKIPPED
    assert answer.reasons == (reason, "same_md5: byte for byte the file of entry 7 of list hotline")
    assert answer.matches == (replace(match, known=True),)
