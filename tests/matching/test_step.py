"""Searching loaded lists: orientations, frames, stored pixels, qualities, digests."""

from dataclasses import replace

import numpy as np
import pytest
from pictures import hashes, saved
from PIL import Image

from safelight.matching.rules import MatchPolicy, Standing, judge
from safelight.matching.step import Matcher
from safelight.model import (
    ORIENTATIONS,
    Algorithm,
    Digests,
    EntryArrays,
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
    matcher = Matcher(["demo"], [entries(Algorithm.PDQ, [flipped(HASHES[turn], 5)], [42])])
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
    matcher = Matcher(["demo"], [entries(Algorithm.PDQ, [HASHES[9]], [1])])
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
    matcher = Matcher(["demo"], [entries(Algorithm.PDQ, [flipped(HASHES[9], bits)], [1])])
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
    matcher = Matcher(["demo"], [entries(Algorithm.PDQ, [bytes(32)], [1])])
    answer = judge(examined, matcher.hits(examined, POLICY), POLICY)
    assert answer.verdict is Verdict.SIMILAR
    (reason,) = answer.reasons
    assert reason.startswith("same_pdq_low_quality: ")


def test_of_equal_hits_the_one_of_better_quality_counts():
    matcher = Matcher(["demo"], [entries(Algorithm.PDQ, [HASHES[0]], [1])])
    examined = picture(frame(0, quality=10), frame(7, quality=90))
    (hit,) = matcher.hits(examined, POLICY)
    assert (hit.match.frame, hit.quality) == (7, 90)


def test_the_nearest_of_several_frames_counts():
    matcher = Matcher(["demo"], [entries(Algorithm.PDQ, [HASHES[0]], [1])])
    far = frame(0, dihedral=(bytes(flipped(HASHES[0], 9)).hex(),) * 8)
    near = frame(7, dihedral=(bytes(flipped(HASHES[0], 2)).hex(),) * 8)
    (match,) = matches(matcher, picture(far, near))
    assert (match.frame, match.distance) == (7, 2)


@pytest.mark.parametrize(
    ("bits", "radius", "slack", "found"),
    [(31, 31, 0, True), (32, 31, 0, False), (32, 31, 10, True), (1, 0, 0, False)],
)
def test_the_radius_is_inclusive(bits, radius, slack, found):
    matcher = Matcher(["demo"], [entries(Algorithm.PDQ, [flipped(HASHES[0], bits)], [1])])
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
    assert bool(matches(Matcher(["demo"], [some]), picture(frame(quality=frame_quality)))) is found


def test_entries_keep_their_list_across_batches():
    matcher = Matcher(
        ["one", "two"],
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
    matcher = Matcher(["demo"], [entries(algorithm, values, range(51))])
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
    same = [entries(Algorithm.PDQ, HASHES[:1], [number], lists=[number]) for number in range(4)]
    matcher = Matcher(
        ["plain", "seen", "ignored", "both"],
        same,
        observed=frozenset({"seen", "both"}),
        ignore=frozenset({"ignored", "both"}),
    )
    hits = matcher.hits(picture(frame()), POLICY)
    assert {hit.match.list_name: hit.standing for hit in hits} == {
        "plain": Standing.COUNTS,
        "seen": Standing.OBSERVED,
        "ignored": Standing.IGNORE,
        "both": Standing.OBSERVED,
    }
    answer = judge(picture(frame()), hits, POLICY)
    assert [match.list_name for match in answer.matches] == ["plain"]
    assert [match.list_name for match in answer.observed] == ["both", "seen"]


def test_the_class_of_an_entry_is_told():
    some = entries(Algorithm.PDQ, HASHES[:2], [1, 2])
    told = replace(some, classes=np.array([1, 0], np.int32), class_names=("", "A2"))
    more = replace(
        entries(Algorithm.MD5, [bytes(16)], [3]), classes=np.zeros(1, np.int32), class_names=("C",)
    )
    found = matches(Matcher(["demo"], [some, told, more]), picture(frame()))
    assert [(match.entry, match.their_class) for match in found] == [(3, "C"), (1, ""), (2, "")]
    found = matches(Matcher(["demo"], [told]), picture(frame()))
    assert [(match.entry, match.their_class) for match in found] == [(1, "A2"), (2, "")]
