"""Searching loaded lists: orientations, frames, stored pixels, qualities, digests."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from pictures import hashes, saved
from PIL import Image

from safelight.matching.rules import MatchList, MatchPolicy, Standing, current, judge
from safelight.matching.step import Matcher
from safelight.model import (
    ORIENTATIONS,
    Algorithm,
    Digests,
    EntryArrays,
    EntryFlag,
    FrameHashes,
    HashMode,
    ImageHashes,
    Match,
    NotChecked,
    Verdict,
)

POLICY = MatchPolicy(radius=31, min_quality=50)
RANDOM = np.random.default_rng(7)
HASHES = RANDOM.integers(0, 256, (16, 32), np.uint8)


def entries(algorithm, values, ids, lists=None, qualities=None):
    count = len(ids)
    return EntryArrays(
        algorithm=algorithm,
        ids=np.array(ids, np.int64),
        lists=np.array(lists or [0] * count, np.int32),
        values=np.array([np.frombuffer(bytes(value), np.uint8) for value in values]),
        qualities=np.array(qualities or [-1] * count, np.int16),
    )


def hexes(rows):
    return tuple(bytes(row).hex() for row in rows)


def picture(*frames, digests=None):
    return ImageHashes(
        digests=digests or Digests(md5="0" * 32, sha1="0" * 40, sha256="0" * 64, size=1),
        format="gif",
        width=1,
        height=1,
        mode=HashMode.EXACT,
        frames=frames,
    )


def frame(number=0, quality=100, dihedral=None, stored=None, stored_quality=100):
    return FrameHashes(
        number=number,
        quality=quality,
        dihedral=dihedral or hexes(HASHES[:8]),
        stored=stored,
        stored_quality=None if stored is None else stored_quality,
    )


def flipped(value, bits):
    out = np.unpackbits(value)
    out[:bits] ^= 1
    return np.packbits(out)


def matches(matcher, examined, policy=POLICY, **options):
    return [hit.match for hit in matcher.hits(examined, policy, **options)]


@pytest.mark.parametrize("turn", range(8))
def test_each_orientation_is_searched_and_named(turn):
    matcher = Matcher(
        [MatchList(name="demo")], [entries(Algorithm.PDQ, [flipped(HASHES[turn], 5)], [42])]
    )
    assert matches(matcher, picture(frame())) == [
        Match(
            list_name="demo",
            entry=42,
            algorithm=Algorithm.PDQ,
            distance=5,
            orientation=ORIENTATIONS[turn],
        )
    ]


def test_the_stored_pixels_are_searched_too():
    matcher = Matcher([MatchList(name="demo")], [entries(Algorithm.PDQ, [HASHES[9]], [1])])
    turned = frame(stored=hexes(HASHES[8:16]))
    (match,) = matches(matcher, picture(turned))
    assert (match.distance, match.orientation) == (0, "rot90")


@pytest.mark.parametrize(
    ("bits", "quality", "stored_quality", "verdict"),
    [
        (0, 100, 100, Verdict.KNOWN),
        (2, 100, 100, Verdict.SIMILAR),
        # the quality of the stored pixels decides, not that of the upright ones
        (0, 100, 0, Verdict.SIMILAR),
        (2, 100, 0, Verdict.NO_MATCH),
        (0, 0, 100, Verdict.KNOWN),
        (2, 0, 100, Verdict.SIMILAR),
    ],
)
def test_the_stored_pixels_have_a_quality_of_their_own(bits, quality, stored_quality, verdict):
    matcher = Matcher(
        [MatchList(name="demo")], [entries(Algorithm.PDQ, [flipped(HASHES[9], bits)], [1])]
    )
    stored = hexes(HASHES[8:16])
    examined = picture(frame(quality=quality, stored=stored, stored_quality=stored_quality))
    assert judge(examined, matcher.hits(examined, POLICY), POLICY).verdict is verdict


def test_a_drawing_in_the_transparency_is_not_known_by_its_flat_colours():
    disc = np.hypot(*np.ogrid[-128:128, -128:128])
    alpha = np.where(np.sin(disc / 9) > 0, 255, 0) ^ np.arange(256, dtype=np.int64)
    drawing = Image.new("RGBA", (256, 256), "black")
    drawing.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    examined = hashes(saved(drawing, "PNG"))
    (only,) = examined.frames
    assert (only.quality, only.stored, only.stored_quality) == (100, ("0" * 64,) * 8, 0)
    matcher = Matcher([MatchList(name="demo")], [entries(Algorithm.PDQ, [bytes(32)], [1])])
    answer = judge(examined, matcher.hits(examined, POLICY), POLICY)
    assert answer.verdict is Verdict.SIMILAR
    (reason,) = answer.reasons
    assert reason.startswith("same_pdq_low_quality: ")


def test_of_equal_hits_the_one_of_better_quality_counts():
    matcher = Matcher([MatchList(name="demo")], [entries(Algorithm.PDQ, [HASHES[0]], [1])])
    examined = picture(frame(0, quality=10), frame(7, quality=90))
    (hit,) = matcher.hits(examined, POLICY)
    assert (hit.match.frame, hit.quality) == (7, 90)


def test_the_nearest_of_several_frames_counts():
    matcher = Matcher([MatchList(name="demo")], [entries(Algorithm.PDQ, [HASHES[0]], [1])])
    far = frame(0, dihedral=(bytes(flipped(HASHES[0], 9)).hex(),) * 8)
    near = frame(7, dihedral=(bytes(flipped(HASHES[0], 2)).hex(),) * 8)
    (match,) = matches(matcher, picture(far, near))
    assert (match.frame, match.distance) == (7, 2)


@pytest.mark.parametrize(
    ("bits", "radius", "slack", "found"),
    [(31, 31, 0, True), (32, 31, 0, False), (32, 31, 10, True), (1, 0, 0, False)],
)
def test_the_radius_is_inclusive(bits, radius, slack, found):
    matcher = Matcher(
        [MatchList(name="demo")], [entries(Algorithm.PDQ, [flipped(HASHES[0], bits)], [1])]
    )
    policy = MatchPolicy(radius=radius, min_quality=50)
    assert bool(matches(matcher, picture(frame()), policy, slack=slack)) is found


@pytest.mark.parametrize(
    ("bits", "frame_quality", "entry_quality", "found"),
    [
        # of low quality on either side: equality only
        (2, 49, 100, False),
        (2, 100, 49, False),
        (0, 49, 100, True),
        (0, 100, 49, True),
        # a list that does not tell is taken for good
        (2, 50, -1, True),
    ],
)
def test_low_quality_is_compared_for_equality_only(bits, frame_quality, entry_quality, found):
    some = entries(Algorithm.PDQ, [flipped(HASHES[0], bits)], [1], qualities=[entry_quality])
    assert (
        bool(
            matches(
                Matcher([MatchList(name="demo")], [some]), picture(frame(quality=frame_quality))
            )
        )
        is found
    )


def test_entries_keep_their_list_across_batches():
    matcher = Matcher(
        [MatchList(name="one"), MatchList(name="two")],
        [
            entries(Algorithm.PDQ, HASHES[:2], [10, 11], lists=[1, 0]),
            entries(Algorithm.PDQ, HASHES[2:3], [12], lists=[1]),
        ],
    )
    found = {(one.entry, one.list_name) for one in matches(matcher, picture(frame()))}
    assert found == {(10, "two"), (11, "one"), (12, "two")}
    assert len(matcher) == 3


@pytest.mark.parametrize("algorithm", [Algorithm.MD5, Algorithm.SHA1, Algorithm.SHA256])
def test_digests_match_when_equal_even_for_an_undecoded_file(algorithm):
    values = [RANDOM.bytes(algorithm.size) for _ in range(50)]
    values.append(values[3][:-1] + b"\0")  # same first bytes, another digest
    matcher = Matcher([MatchList(name="demo")], [entries(algorithm, values, range(51))])
    sizes = {"md5": 16, "sha1": 20, "sha256": 32}
    texts = {name: "ff" * size for name, size in sizes.items()}
    texts[algorithm.value] = values[3].hex()
    unread = NotChecked(code="damaged", message="", digests=Digests(**texts, size=1))
    assert matches(matcher, unread) == [
        Match(list_name="demo", entry=3, algorithm=algorithm, distance=0)
    ]
    assert [hit.match.entry for hit in matcher.hash_hits(algorithm, values[50], POLICY)] == [50]


def test_nothing_loaded_matches_nothing():
    matcher = Matcher([], [])
    assert len(matcher) == 0
    assert matches(matcher, picture(frame())) == []
    assert matcher.hash_hits(Algorithm.MD5, bytes(16), POLICY) == []


def test_every_hit_says_what_its_list_is_for():
    same = [entries(Algorithm.PDQ, HASHES[:1], [number], lists=[number]) for number in range(3)]
    matcher = Matcher(
        [
            MatchList(name="plain"),
            MatchList(name="seen", standing=Standing.OBSERVED),
            MatchList(name="ignored", standing=Standing.IGNORE),
        ],
        same,
    )
    hits = matcher.hits(picture(frame()), POLICY)
    assert {hit.match.list_name: hit.standing for hit in hits} == {
        "plain": Standing.COUNTS,
        "seen": Standing.OBSERVED,
        "ignored": Standing.IGNORE,
    }
    answer = judge(picture(frame()), hits, POLICY)
    assert [match.list_name for match in answer.matches] == ["plain"]
    assert [match.list_name for match in answer.observed] == ["seen"]


def near_to(bits, count=1, **facts):
    """Entries so many bits from the first hash, one of each list."""
    some = entries(Algorithm.PDQ, [flipped(HASHES[0], bits)] * count, range(count), range(count))
    return replace(some, **facts)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        # each list says for itself what is near
        (MatchPolicy(), ["wide", "usual"]),
        # a request narrows it for all of them
        (MatchPolicy(radius=20), ["wide", "usual"]),
        (MatchPolicy(radius=19), []),
        # and widens it for none
        (MatchPolicy(radius=64), ["wide", "usual"]),
    ],
)
def test_every_list_has_its_own_radius(asked, found):
    lists = [
        MatchList(name="wide", radius=40),
        MatchList(name="narrow", radius=10),
        MatchList(name="usual"),
    ]
    hits = Matcher(lists, [near_to(20, 3)]).hits(picture(frame()), asked)
    assert sorted(hit.match.list_name for hit in hits) == sorted(found)
    assert {hit.near.radius for hit in hits} == {
        one.within(asked).radius for one in lists if one.name in found
    }
    bare = Matcher(lists, [near_to(20, 3)]).hash_hits(Algorithm.PDQ, bytes(HASHES[0]), asked)
    assert sorted(hit.match.list_name for hit in bare) == sorted(found)


@pytest.mark.parametrize(
    ("asked", "quality", "found"),
    [
        (None, 60, ["usual"]),
        (None, 30, []),
        (None, 80, ["strict", "usual"]),
        (70, 60, []),
        (10, 30, []),  # a request cannot lower what a list says
    ],
)
def test_every_list_has_its_own_least_quality(asked, quality, found):
    lists = [MatchList(name="strict", min_quality=80), MatchList(name="usual")]
    policy = MatchPolicy(min_quality=asked)
    hits = Matcher(lists, [near_to(2, 2)]).hits(picture(frame(quality=quality)), policy)
    assert sorted(hit.match.list_name for hit in hits) == found


NEAR_ONLY = (
    "near_exact_only: within 4 bits of entry 0 of list demo, which matches only where it is equal,"
    " as it is near to too many ordinary pictures"
)


@pytest.mark.parametrize(
    ("bits", "verdict", "reasons"),
    [(4, Verdict.NO_MATCH, (NEAR_ONLY,)), (31, Verdict.NO_MATCH, None), (32, None, ())],
)
def test_an_entry_may_match_only_where_it_is_equal(bits, verdict, reasons):
    some = near_to(bits, flags=np.array([EntryFlag.EXACT_ONLY], np.uint8))
    matcher = Matcher([MatchList(name="demo")], [some])
    for slack in (0, 20):
        answer = judge(
            picture(frame()), matcher.hits(picture(frame()), POLICY, slack=slack), POLICY
        )
        assert (answer.verdict, answer.matches) == (verdict or Verdict.NO_MATCH, ())
        expected = (NEAR_ONLY.replace("4 bits", f"{bits} bits"),) if reasons is None else reasons
        assert answer.reasons == expected


def test_an_entry_for_equality_only_is_found_where_it_is_equal():
    some = near_to(0, flags=np.array([EntryFlag.EXACT_ONLY], np.uint8))
    hits = Matcher([MatchList(name="demo")], [some]).hits(picture(frame()), POLICY)
    answer = judge(picture(frame()), hits, POLICY)
    assert (answer.verdict, [match.entry for match in answer.matches]) == (Verdict.KNOWN, [0])


def test_an_observed_entry_is_told_and_no_more():
    some = near_to(3, 2, lists=np.zeros(2, np.int32), flags=np.array([1, 0], np.uint8))
    hits = Matcher([MatchList(name="demo")], [some]).hits(picture(frame()), POLICY)
    answer = judge(picture(frame()), hits, POLICY)
    assert [match.entry for match in answer.observed] == [0]
    assert [match.entry for match in answer.matches] == [1]


@pytest.mark.parametrize(
    ("of_list", "of_entry", "until"),
    [
        (None, None, None),
        (None, 2000, 2000),
        (1000, None, 1000),
        (1000, 2000, 1000),
        (3000, 2000, 2000),
    ],
)
def test_what_has_ended_no_longer_counts(of_list, of_entry, until):
    never = np.iinfo(np.int64).max
    some = near_to(3, until=np.array([of_entry or never], np.int64))
    matcher = Matcher([MatchList(name="demo", until=of_list)], [some])
    hits = matcher.hits(picture(frame()), POLICY)
    assert [hit.until for hit in hits] == [until]
    last, after = (datetime.fromtimestamp((until or 9e9) + more, UTC) for more in (-1, 0))
    assert current(hits, last) == hits
    assert current(hits, after) == ([] if until else hits)


def test_the_class_of_an_entry_is_told():
    some = entries(Algorithm.PDQ, HASHES[:2], [1, 2])
    told = replace(some, classes=np.array([1, 0], np.int32), class_names=("", "A2"))
    more = replace(
        entries(Algorithm.MD5, [bytes(16)], [3]), classes=np.zeros(1, np.int32), class_names=("C",)
    )
    found = matches(Matcher([MatchList(name="demo")], [some, told, more]), picture(frame()))
    assert [(match.entry, match.their_class) for match in found] == [(3, "C"), (1, ""), (2, "")]
    found = matches(Matcher([MatchList(name="demo")], [told]), picture(frame()))
    assert [(match.entry, match.their_class) for match in found] == [(1, "A2"), (2, "")]
