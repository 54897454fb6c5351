"""What lies in a container is counted in its row."""

from safelight.bulk.inside import all_checked, with_inside
from safelight.bulk.rows import Tally, scan_row
from safelight.matching.rules import MatchPolicy, judge
from safelight.model import (
    Answer,
    Container,
    Digests,
    FrameHashes,
    HashMode,
    ImageHashes,
    ItemAnswer,
    Member,
    NotChecked,
    Verdict,
)

DIGESTS = Digests(md5="0" * 32, sha1="1" * 40, sha256="2" * 64, size=7)
FRAME = FrameHashes(number=0, quality=100, dihedral=("ab" * 32,) * 8)


def judged(kind: str) -> Answer:
    examined = {
        "zip": Container(digests=DIGESTS, kind="archive", format="zip", members=1),
        "whole": picture(()),
        "cut": picture(("truncated",)),
        "locked": NotChecked(code="password_protected", message="locked"),
    }[kind]
    return judge(examined, [], MatchPolicy())


def picture(flags: tuple[str, ...]) -> ImageHashes:
    return ImageHashes(
        digests=DIGESTS,
        format="png",
        width=8,
        height=8,
        mode=HashMode.EXACT,
        frames=(FRAME,),
        flags=flags,
    )


def item(kind: str, *names: str) -> ItemAnswer:
    members = tuple(Member(name=name.encode(), kind="archive_member") for name in names)
    return ItemAnswer(members=members, answer=judged(kind))


def counts(**told: int) -> dict[str, int]:
    zeros = dict.fromkeys([verdict.value for verdict in Verdict], 0)
    return {**zeros, "partly_checked": 0, **told}


def test_every_container_has_the_counts_of_all_below_it() -> None:
    items = [
        item("whole", "a"),
        item("locked", "in", "b"),
        item("cut", "in", "c"),
        item("zip", "in"),
        item("whole", "in", "d"),  # a second member of the same name
        item("zip", "in"),
        item("zip"),
    ]
    inside = [one.inside for one in with_inside(items)]
    assert inside == [
        None,
        None,
        None,
        counts(unreadable=1, no_match=1, partly_checked=1),
        None,
        counts(no_match=1),
        counts(no_match=5, unreadable=1, partly_checked=1),
    ]
    assert [all_checked(one) for one in inside] == [True, True, True, False, True, True, False]


def test_a_container_is_fully_checked_when_all_in_it_is() -> None:
    for kind, whole in (("whole", True), ("cut", False), ("locked", False)):
        member, container = with_inside([item(kind, "a"), item("zip")])
        row = scan_row(b"/z.zip", container.answer, inside=container.inside)
        assert row["fully_checked"] is whole
        tally = Tally()
        tally.add(scan_row(b"/z.zip", member.answer, member.members))
        tally.add(row)
        assert tally.unchecked == (0 if whole else 1)  # counted once, where it lies


def test_a_file_without_items_in_it_has_no_counts() -> None:
    (alone,) = with_inside([item("whole")])
    assert alone.inside is None
    assert "inside" not in scan_row(b"/a.png", alone.answer, inside=alone.inside)
