"""The verdict table: what each combination of hits and hashes means."""

from dataclasses import replace

import pytest

from safelight.decode.rules import FLAGS
from safelight.errors import BadInput
from safelight.matching.reasons import clock
from safelight.matching.rules import (
    PARTIAL,
    Hit,
    MatchList,
    MatchPolicy,
    Nearness,
    Standing,
    best_per_entry,
    fully_checked,
    judge,
    needs_exact,
    not_widened,
)
from safelight.model import (
    Algorithm,
    Container,
    Digests,
    FrameHashes,
    FrameSampling,
    HashMode,
    ImageHashes,
    Match,
    NotChecked,
    Scene,
    Verdict,
    VideoHashes,
    VideoMatch,
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


def hit(
    distance=0,
    quality=100,
    algorithm=Algorithm.PDQ,
    entry=1,
    list_name="demo",
    standing=Standing.COUNTS,
    near=Nearness(),  # noqa: B008 - frozen
):
    match = Match(list_name=list_name, entry=entry, algorithm=algorithm, distance=distance)
    return Hit(match=match, quality=quality, standing=standing, near=near)


def told(one):
    """The match as an answer tells it."""
    return replace(one.match, known=one.is_known)


def movie(flags=(), qualities=(100,)):
    frames = tuple(
        FrameHashes(number=number, quality=quality, dihedral=("ab" * 32,) * 8, time=float(number))
        for number, quality in enumerate(qualities)
    )
    return VideoHashes(
        digests=DIGESTS,
        format="mp4",
        width=10,
        height=10,
        duration=None,
        sampling=FrameSampling.SECOND,
        frames=frames,
        flags=flags,
    )


def in_video(scenes=1):
    some = tuple(
        Scene(start=100.0 * at, end=100.0 * at + 9, list_start=3600.0, list_end=3609.0)
        for at in range(scenes)
    )
    match = Match(
        list_name="demo",
        entry=1,
        algorithm=Algorithm.VPDQ,
        distance=0,
        orientation="flip_horizontal",
        time=0.0,
        video=VideoMatch(query_percent=12.5, list_percent=100.0, scenes=some),
    )
    return Hit(match=match)


def archive(flags=()):
    return Container(digests=DIGESTS, kind="archive", format="zip", members=2, flags=flags)


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
        # a video that is in part the same, even wholly, is similar
        (movie(), [in_video()], Verdict.SIMILAR),
        (movie(), [], Verdict.NO_MATCH),
        # what was opened for its members is known by its bytes only
        (archive(), [hit(algorithm=Algorithm.SHA256)], Verdict.KNOWN),
        (archive(), [], Verdict.NO_MATCH),
        # decoded in part and nothing near: still no match, but not fully checked (below)
        (picture(flags=("truncated",)), [], Verdict.NO_MATCH),
    ],
)
def test_verdict(examined, hits, verdict):
    answer = judge(examined, hits, POLICY)
    assert answer.verdict is verdict
    assert answer.matches == tuple(map(told, hits))


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
        (
            movie(flags=("truncated", "damaged")),
            [],
            (
                "truncated: only the part of the video that could be decoded was compared",
                "damaged: the video was decoded with errors, its hash may be off",
            ),
        ),
        # dark frames are nothing special; a video of nothing else is
        (movie(qualities=(100, 3)), [], ()),
        (
            movie(qualities=(3, 4)),
            [],
            ("nothing_compared: no frame of the video has enough quality, so none was compared",),
        ),
        (
            movie(),
            [in_video(5)],
            (
                "near_vpdq: 12.5 % of the frames are in the video of entry 1 of list demo,"
                " mirrored, and 100 % of its frames in this one; 0:00 to 0:09 is 1:00:00 to"
                " 1:00:09 there, 1:40 to 1:49 is 1:00:00 to 1:00:09 there, 3:20 to 3:29 is 1:00:00"
                " to 1:00:09 there, and 2 more (radius 31)",
            ),
        ),
        (
            archive(flags=("too_deep",)),
            [],
            ("too_deep: files packed into files in it are nested too deep to be looked at",),
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
        (movie(), True),
        (movie(flags=("key_frames_only",)), False),
        (movie(flags=("more_streams",)), False),
        # unknown is not clean: of such a video nothing was compared
        (movie(qualities=(3, 50)), True),
        (movie(qualities=(3, 49)), False),
        (movie(qualities=()), False),
        (archive(), True),
        (archive(flags=("too_many_members",)), False),
        (archive(flags=("pictures_only",)), False),
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


def test_lists_in_observe_mode_have_no_part_in_the_verdict():
    seen = hit(algorithm=Algorithm.MD5, list_name="new", standing=Standing.OBSERVED)
    answer = judge(picture(), [seen], POLICY)
    assert (answer.verdict, answer.reasons, answer.matches) == (Verdict.NO_MATCH, (), ())
    assert answer.observed == (seen.match,)
    counted = hit(2)
    answer = judge(picture(), [seen, counted], POLICY)
    assert (answer.verdict, answer.matches) == (Verdict.SIMILAR, (counted.match,))
    assert answer.observed == (seen.match,)


def ignorable(**more):
    return hit(entry=9, list_name="nsrl", standing=Standing.IGNORE, **more)


ON_LIST = (
    "on_ignore_list: byte for byte the file of entry 9 of list nsrl, whose files are not looked at"
    " further"
)


@pytest.mark.parametrize(
    ("hits", "verdict", "reasons"),
    [
        # a file to ignore is near nothing
        ([], Verdict.NO_MATCH, (ON_LIST,)),
        (
            [hit(4)],
            Verdict.NO_MATCH,
            (
                ON_LIST,
                "ignored_near: near_pdq: 4 of 256 bits from entry 1 of list demo (radius 31);"
                " byte for byte the file of entry 9 of list nsrl, to ignore",
            ),
        ),
        # of low quality even equality is near only
        (
            [hit(0, quality=3)],
            Verdict.NO_MATCH,
            (
                ON_LIST,
                "ignored_near: same_pdq_low_quality: the PDQ hash is that of entry 1 of list demo,"
                " but at quality 3 it says little; byte for byte the file of entry 9 of list nsrl,"
                " to ignore",
            ),
        ),
        # but what is exact on another list stays, and all that is near with it
        (
            [hit(algorithm=Algorithm.MD5), hit(4, entry=2)],
            Verdict.KNOWN,
            (
                "same_md5: byte for byte the file of entry 1 of list demo",
                "near_pdq: 4 of 256 bits from entry 2 of list demo (radius 31)",
            ),
        ),
        ([hit(0)], Verdict.KNOWN, ("same_pdq: the PDQ hash is that of entry 1 of list demo",)),
    ],
)
def test_a_file_to_ignore_is_similar_to_nothing(hits, verdict, reasons):
    answer = judge(picture(), [ignorable(algorithm=Algorithm.SHA256), *hits], POLICY)
    assert (answer.verdict, answer.reasons) == (verdict, reasons)
    found = list(map(told, hits))
    assert (list(answer.matches), list(answer.suppressed)) == (
        (found, []) if verdict is Verdict.KNOWN else ([], found)
    )


def test_a_file_to_ignore_that_could_not_be_checked_stays_unchecked():
    answer = judge(UNREAD, [ignorable(algorithm=Algorithm.MD5)], POLICY)
    assert answer.verdict is Verdict.UNREADABLE
    assert answer.reasons == (ON_LIST, "damaged: cannot be decoded")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (75.9, "1:15"), (3600, "1:00:00"), (86_399, "23:59:59")]
)
def test_times_are_written_as_on_a_player(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(("percent", "seconds"), [(0, 5), (101, 5), (50, 0.5), (50, float("nan"))])
def test_a_policy_for_videos_that_cannot_work_is_refused(percent, seconds):
    with pytest.raises(BadInput, match="cannot be used"):
        MatchPolicy(radius=31, min_quality=50, video_percent=percent, scene_seconds=seconds)


@pytest.mark.parametrize(("radius", "min_quality"), [(-1, 50), (65, 50), (300, 50), (31, 101)])
def test_a_policy_that_cannot_work_is_refused(radius, min_quality):
    with pytest.raises(BadInput, match="cannot be used"):
        MatchPolicy(radius=radius, min_quality=min_quality)


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        (MatchPolicy(), Nearness(radius=20, min_quality=60)),
        (MatchPolicy(radius=8), Nearness(radius=8, min_quality=60)),
        (MatchPolicy(radius=0, min_quality=100), Nearness(radius=0, min_quality=100)),
        # a request never widens what a list says
        (MatchPolicy(radius=64, min_quality=0), Nearness(radius=20, min_quality=60)),
    ],
)
def test_a_request_narrows_a_list_and_never_widens_it(asked, near):
    assert MatchList(name="demo", radius=20, min_quality=60).within(asked) == near


def test_who_asks_for_more_than_a_list_gives_is_told():
    lists = [MatchList(name="a", radius=20, min_quality=60), MatchList(name="b", radius=31)]
    assert not_widened(lists, MatchPolicy()) == []
    assert not_widened(lists, MatchPolicy(radius=20, min_quality=60)) == []
    assert not_widened(lists, MatchPolicy(radius=30, min_quality=55)) == [
        "list a compares within 20 bits, as it says; a request can ask for fewer, not for 30.",
        "list a compares hashes of quality 60 and more, as it says; a request can ask for more, not"
        " for 55.",
    ]


@pytest.mark.parametrize(
    ("quality", "reasons"),
    [
        (70, ()),
        (
            55,
            ("low_quality: PDQ quality 55 is below 60, compared for equality only with strict",),
        ),
        (49, ("low_quality: PDQ quality 49 is below 50, compared for equality only",)),
    ],
)
def test_a_quality_may_be_enough_for_one_list_and_not_for_another(quality, reasons):
    lists = [MatchList(name="strict", min_quality=60), MatchList(name="usual")]
    assert judge(picture(quality=quality), [], MatchPolicy(), lists).reasons == reasons


def test_a_video_must_be_good_enough_for_every_list():
    lists = [MatchList(name="strict", min_quality=60), MatchList(name="usual")]
    assert fully_checked(judge(movie(qualities=(60,)), [], MatchPolicy(), lists))
    assert not fully_checked(judge(movie(qualities=(59,)), [], MatchPolicy(), lists))
    assert fully_checked(judge(movie(qualities=(59,)), [], MatchPolicy(), lists[1:]))
    assert not fully_checked(judge(movie(qualities=(59,)), [], MatchPolicy(min_quality=60)))


@pytest.mark.parametrize(
    ("near", "verdict", "reason"),
    [
        # the quality that the list asks for decides, not another list's
        (
            Nearness(min_quality=20),
            Verdict.KNOWN,
            "same_pdq: the PDQ hash is that of entry 1 of list demo",
        ),
        (
            Nearness(min_quality=40),
            Verdict.SIMILAR,
            "same_pdq_low_quality: the PDQ hash is that of entry 1 of list demo, but at quality 30"
            " it says little",
        ),
    ],
)
def test_a_hit_is_judged_by_what_its_list_says(near, verdict, reason):
    lists = [MatchList(name="demo", min_quality=near.min_quality)]
    answer = judge(picture(quality=30), [hit(quality=30, near=near)], MatchPolicy(), lists)
    assert (answer.verdict, answer.reasons[0]) == (verdict, reason)


def test_the_radius_in_a_reason_is_that_of_the_list():
    (reason,) = judge(picture(), [hit(4, near=Nearness(radius=9))], MatchPolicy()).reasons
    assert reason == "near_pdq: 4 of 256 bits from entry 1 of list demo (radius 9)"
