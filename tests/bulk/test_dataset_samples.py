"""Samples of a WebDataset: what a sidecar tells, and of which pictures."""

import pytest

from safelight.bulk.dataset.samples import MOST_IN_SAMPLE, Samples, key_of
from safelight.model import Answer, Container, Digests, ItemAnswer, Member, NotChecked, Verdict

DIGESTS = Digests(md5="0" * 32, sha1="1" * 40, sha256="2" * 64, size=7)
TEXT = NotChecked(code="not_a_picture", message="no picture", kind="text")


def item(
    *names: bytes, facts: dict[str, str] | None = None, verdict: Verdict = Verdict.NO_MATCH
) -> ItemAnswer:
    members = tuple(Member(name=name, kind="archive_member") for name in names)
    answer = Answer(verdict=verdict, reasons=(), examined=TEXT)
    return ItemAnswer(members=members, answer=answer, facts=facts)


def told(*items: ItemAnswer) -> list[tuple[bytes, dict[str, str]]]:
    return [
        (one.members[-1].name if one.members else b"", dict(one.facts or {}))
        for one in Samples().told(items)
    ]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (b"000.jpg", b"000"),
        (b"a.b/000.seg.png", b"a.b/000"),
        (b"a/.hidden", b"a/"),
        (b"none", b"none"),
    ],
)
def test_the_key_of_a_member(name: bytes, key: bytes) -> None:
    assert key_of(name) == key


def test_sidecars_tell_of_the_pictures_of_their_sample_wherever_they_stand() -> None:
    assert told(
        item(b"1.json", facts={"url": "one"}),
        item(b"1.jpg"),
        item(b"1.seg.png"),
        item(b"2.jpg"),
        item(b"2.url", facts={"url": "two"}),
        item(b"2.txt", facts={}),
        item(b"3.jpg"),
    ) == [
        (b"1.jpg", {"key": "1", "url": "one"}),
        (b"1.seg.png", {"key": "1", "url": "one"}),
        (b"2.jpg", {"key": "2", "url": "two"}),
        (b"3.jpg", {"key": "3"}),
    ]


def test_a_sidecar_does_not_rename_its_sample() -> None:
    assert told(
        item(b"1.jpg"),
        item(b"1.json", facts={"key": "9"}),
        item(b"2.jpg"),
        item(b"2.json", facts={"key": "2"}),
    ) == [(b"1.jpg", {"key": "1", "sidecar.key": "9"}), (b"2.jpg", {"key": "2"})]


def test_sidecars_that_match_or_cannot_be_read_keep_their_rows() -> None:
    samples = Samples()
    kept = samples.told(
        [
            item(b"1.json", facts={"id": "5"}, verdict=Verdict.KNOWN),
            item(b"2.json"),
            item(b"3.json", facts={}),
        ]
    )
    assert [one.members[-1].name for one in kept] == [b"1.json", b"2.json"]
    assert samples.sidecars == 1


def test_a_picture_that_calls_itself_a_sidecar_keeps_its_row() -> None:
    damaged = NotChecked(code="damaged", message="", kind="image")
    answer = Answer(verdict=Verdict.UNREADABLE, reasons=(), examined=damaged)
    members = (Member(name=b"1.txt", kind="archive_member"),)
    (kept,) = Samples().told([ItemAnswer(members=members, answer=answer, facts={"url": "u"})])
    assert kept.answer is answer


def test_samples_of_two_containers_are_not_mixed_up() -> None:
    assert told(item(b"a.tar", b"1.json", facts={"url": "one"}), item(b"b.tar", b"1.jpg")) == [
        (b"1.jpg", {"key": "1"})
    ]


def test_the_container_itself_is_passed_on_as_it_is() -> None:
    container = Container(digests=DIGESTS, kind="archive", format="tar", members=1)
    whole = ItemAnswer(answer=Answer(verdict=Verdict.NO_MATCH, reasons=(), examined=container))
    assert list(Samples().told([item(b"1.jpg"), whole]))[-1] is whole


def test_a_sample_without_end_is_not_held_back_without_end() -> None:
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield item(b"1.jpg")

    next(Samples().told(endless()))
    assert taken == MOST_IN_SAMPLE + 1


def test_what_many_sidecars_tell_is_bounded() -> None:
    many = [
        item(b"1.json", facts={f"url{number}-{one}": "x" * 2000 for number in range(5)})
        for one in range(50)
    ]
    ((_, facts),) = told(*many, item(b"1.jpg"))
    assert sum(map(len, facts.values())) < 15_000
    assert "_left_out" in facts
