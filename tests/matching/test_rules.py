"""The verdict table: what each combination of hits and hashes means."""

import pytest

from safelight.decode.rules import FLAGS
from safelight.errors import BadInput
from safelight.matching.rules import (
    PARTIAL,
    Hit,
    MatchPolicy,
    best_per_entry,
    fully_checked,
    judge,
    needs_exact,
)
from safelight.model import (
    Algorithm,
    Digests,
    FrameHashes,
    HashMode,
    ImageHashes,
    Match,
    NotChecked,
    Verdict,
)

POLICY = MatchPolicy(radius=31, min_quality=50)
DIGESTS = Digests(md5="0" * 32, sha1="0" * 40, sha256="0" * 64, size=1)


def picture(quality=100, flags=(), mode=HashMode.EXACT, stored_quality=None):
    hashes = ("ab" * 32,) * 8
    frame = FrameHashes(
        number=0,
        quality=quality,
        dihedral=hashes,
        stored=None if stored_quality is None else hashes,
        stored_quality=stored_quality,
    )
    return ImageHashes(
        digests=DIGESTS,
        format="jpeg",
        width=10,
        height=10,
        mode=mode,
        frames=(frame,),
        flags=flags,
    )


def hit(distance=0, quality=100, algorithm=Algorithm.PDQ, entry=1, list_name="demo"):
    match = Match(list_name=list_name, entry=entry, algorithm=algorithm, distance=distance)
    return Hit(match=match, quality=quality)


UNREAD = NotChecked(code="damaged", message="cannot be decoded", digests=DIGESTS)


@pytest.mark.parametrize(
    ("examined", "hits", "verdict"),
    [
        # nothing near: no match, which does not mean harmless
        (picture(), [], Verdict.NO_MATCH),
        # equal PDQ of enough quality is known, near is similar
        (picture(), [hit(0)], Verdict.KNOWN),
        (picture(), [hit(2)], Verdict.SIMILAR),
        # equal PDQ of low quality says little: a person must look
        (picture(quality=3), [hit(0, quality=3)], Verdict.SIMILAR),
        # an equal digest is known whatever the picture is like
        (picture(quality=3), [hit(algorithm=Algorithm.MD5)], Verdict.KNOWN),
        (UNREAD, [hit(algorithm=Algorithm.SHA256)], Verdict.KNOWN),
        # the worst of several wins
        (picture(), [hit(0, entry=1), hit(20, entry=2)], Verdict.KNOWN),
        # could not be checked is a result of its own
        (UNREAD, [], Verdict.UNREADABLE),
        # decoded in part and nothing near: still no match, but not fully checked (below)
        (picture(flags=("truncated",)), [], Verdict.NO_MATCH),
    ],
)
def test_verdict(examined, hits, verdict):
    answer = judge(examined, hits, POLICY)
    assert answer.verdict is verdict
    assert answer.matches == tuple(one.match for one in hits)


@pytest.mark.parametrize(
    ("examined", "hits", "reasons"),
    [
        (picture(), [], ()),
        (
            picture(),
            [hit(4)],
            ("near_pdq: 4 of 256 bits from entry 1 of list demo (radius 31)",),
        ),
        (
            picture(quality=10),
            [],
            ("low_quality: PDQ quality 10 is below 50, compared for equality only",),
        ),
        (UNREAD, [], ("damaged: cannot be decoded",)),
        (
            UNREAD,
            [hit(algorithm=Algorithm.SHA1)],
            (
                "same_sha1: byte for byte the file of entry 1 of list demo",
                "damaged: cannot be decoded",
            ),
        ),
        (
            picture(flags=("truncated",)),
            [],
            ("truncated: only the part of the picture that could be decoded was compared",),
        ),
    ],
)
def test_reasons(examined, hits, reasons):
    assert judge(examined, hits, POLICY).reasons == reasons


@pytest.mark.parametrize(
    ("examined", "checked"),
    [
        (picture(), True),
        (picture(flags=("animated", "turned")), True),
        (picture(flags=("truncated",)), False),
        (picture(flags=("damaged",)), False),
        (picture(flags=("pages", "more_pictures_missing")), False),
        (picture(flags=("animated", "frames_capped")), False),
        (UNREAD, False),
    ],
)
def test_only_a_whole_picture_is_fully_checked(examined, checked):
    assert fully_checked(judge(examined, [], POLICY)) is checked


def test_what_was_left_out_is_told():
    examined = picture(flags=("animated", "frames_capped", "more_pictures_missing"))
    assert judge(examined, [], POLICY).reasons == (
        "frames_capped: the animation or video is so long that its end was not looked at",
        "more_pictures_missing: a further picture that the file announces is missing or cut off",
    )


def test_every_flag_of_a_partial_check_is_a_flag_of_decoding():
    assert set(PARTIAL) < set(FLAGS)


def test_the_nearest_hit_of_each_entry_is_kept_and_digests_come_first():
    far, near = hit(9, entry=1), hit(3, entry=1)
    other_list = hit(3, entry=1, list_name="another")
    digest = hit(0, entry=7, algorithm=Algorithm.MD5)
    assert best_per_entry([far, near, other_list, digest]) == [digest, other_list, near]


@pytest.mark.parametrize(
    ("examined", "hits", "again"),
    [
        # exact hashes stand
        (picture(), [hit(3)], False),
        # fast: anything near, and anything whose drift is not bounded, is hashed exactly
        (picture(mode=HashMode.FAST), [hit(3)], True),
        (picture(mode=HashMode.FAST, quality=81), [], True),
        (picture(mode=HashMode.FAST, quality=82), [], False),
        # also where only the hash of the stored pixels drifted
        (picture(mode=HashMode.FAST, quality=82, stored_quality=81), [], True),
        (picture(mode=HashMode.FAST, quality=82, stored_quality=82), [], False),
        # an equal digest needs no PDQ
        (picture(mode=HashMode.FAST), [hit(algorithm=Algorithm.MD5)], False),
        (UNREAD, [], False),
    ],
)
def test_which_fast_hashes_are_examined_again(examined, hits, again):
    assert needs_exact(examined, hits) is again


@pytest.mark.parametrize(("radius", "min_quality"), [(-1, 50), (65, 50), (300, 50), (31, 101)])
def test_a_policy_that_cannot_work_is_refused(radius, min_quality):
    with pytest.raises(BadInput, match="cannot be used"):
        MatchPolicy(radius=radius, min_quality=min_quality)
