"""Rows of a manifest about members of one file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.bulk.dataset import members
from safelight.bulk.dataset.members import gathered, with_rows
from safelight.bulk.dataset.shards import Wanted
from safelight.errors import BadInput
from safelight.matching.rules import MatchPolicy
from safelight.model import Answer, ItemAnswer, Member, NotChecked, Verdict

TEXT = NotChecked(code="not_a_picture", message="no picture", kind="text")
ANSWER = Answer(verdict=Verdict.NO_MATCH, reasons=(), examined=TEXT)


def row(path: bytes, member: bytes = b"", number: int = 0) -> Wanted:
    facts = {"_row": str(number)}
    if not member:
        return Wanted(path=path, facts=facts)
    return Wanted(path=path, members={member: facts})


def test_rows_that_stand_together_are_one() -> None:
    rows = [row(b"1.tar", b"a", 0), row(b"1.tar", b"b", 1), row(b"1.tar"), row(b"2.tar", b"a", 3)]
    assert list(gathered(rows)) == [
        Wanted(path=b"1.tar", members={b"a": {"_row": "0"}, b"b": {"_row": "1"}}),
        row(b"1.tar"),
        row(b"2.tar", b"a", 3),
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from([b"1", b"2"]), st.sampled_from([b"", b"a", b"b", b"c"])),
        max_size=20,
    )
)
def test_no_row_is_lost(names: list[tuple[bytes, bytes]]) -> None:
    rows = [row(path, member, number) for number, (path, member) in enumerate(names)]
    found = [
        (one.path, member, facts["_row"])
        for one in gathered(rows)
        for member, facts in (one.members or {b"": one.facts}).items()
    ]
    assert found == [(path, member, str(at)) for at, (path, member) in enumerate(names)]


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MOST_MEMBERS", 2)
    rows = [row(b"1.tar", b"%d" % number) for number in range(3)]
    with pytest.raises(BadInput, match=r"more than 2 members of 1\.tar"):
        list(gathered(rows))


def test_what_the_rows_tell_goes_with_the_items() -> None:
    def item(*names: bytes, facts: dict[str, str] | None = None) -> ItemAnswer:
        steps = tuple(Member(name=name, kind="archive_member") for name in names)
        return ItemAnswer(members=steps, answer=ANSWER, facts=facts)

    rows = {b"1.jpg": {"id": "a"}, b"2": {"id": "b"}, b"3": {"id": "c"}}
    items = [item(b"1.jpg", facts={"key": "1"}), item(b"2.png"), item(b"other.jpg"), item()]
    found = list(with_rows(items, rows, MatchPolicy()))
    assert [
        (one.members[-1].name if one.members else b"", one.facts, one.answer.verdict.value)
        for one in found
    ] == [
        (b"1.jpg", {"id": "a", "key": "1"}, "no_match"),
        (b"2.png", {"id": "b"}, "no_match"),
        (b"other.jpg", None, "no_match"),
        (b"3", {"id": "c"}, "unreadable"),
        (b"", None, "no_match"),
    ]
