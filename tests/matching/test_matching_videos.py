"""Videos against videos, pictures against videos' frames, and the other way round."""

import itertools
import time
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from safelight.matching import video as video_module
from safelight.matching.rules import MatchList, MatchPolicy, fully_checked, judge, needs_exact
from safelight.matching.step import Matcher
from safelight.model import (
    ORIENTATIONS,
    Algorithm,
    Digests,
    EntryArrays,
    FrameHashes,
    FrameSampling,
    HashMode,
    ImageHashes,
    Scene,
    Verdict,
    VideoHashes,
)

POLICY = MatchPolicy(radius=31, min_quality=50)
RANDOM = np.random.default_rng(11)
DIGESTS = Digests(md5="0" * 32, sha1="0" * 40, sha256="0" * 64, size=1)


def pictures(count):
    """Hashes that are far from one another, as those of different pictures are: [count, 32]."""
    return RANDOM.integers(0, 256, (count, 32), np.uint8)


def noisy(values, bits):
    """The same pictures encoded anew: `bits` of each hash differ."""
    out = np.unpackbits(values, axis=1)
    for row in out:
        row[RANDOM.choice(256, bits, replace=False)] ^= 1
    return np.packbits(out, axis=1)


def video(values, *, turn=0, quality=100, step=1.0, sampling=FrameSampling.SECOND, flags=()):
    """An examined video whose frames, in orientation `turn`, have these hashes."""
    qualities = [quality] * len(values) if isinstance(quality, int) else quality
    frames = []
    for number, (value, one) in enumerate(zip(values, qualities, strict=True)):
        hashes = [bytes(other).hex() for other in pictures(8)]
        hashes[turn] = bytes(value).hex()
        if turn:  # the same frame has the same hashes
            hashes[0] = bytes(value[::-1]).hex()
        frames.append(
            FrameHashes(number=number * 30, quality=one, dihedral=tuple(hashes), time=number * step)
        )
    return VideoHashes(
        digests=DIGESTS,
        format="mp4",
        width=1,
        height=1,
        duration=None,
        sampling=sampling,
        frames=tuple(frames),
        flags=flags,
    )


def listed(*videos, lists=None, qualities=None, **more):
    """Videos on a list: entry 1, 2, …, each with a frame a second."""
    lengths = [len(values) for values in videos]
    every = sum(lengths)
    return EntryArrays(
        algorithm=Algorithm.VPDQ,
        ids=np.repeat(np.arange(1, len(videos) + 1), lengths).astype(np.int64),
        lists=np.repeat(lists or [0] * len(videos), lengths).astype(np.int32),
        values=np.concatenate(videos),
        qualities=np.array(qualities or [100] * every, np.int16),
        times=np.concatenate([np.arange(length) * 1000 for length in lengths]).astype(np.int32),
        **more,
    )


def found(matcher, examined, policy=POLICY):
    return [hit.match for hit in matcher.hits(examined, policy)]


def shares(match):
    return match.video.query_percent, match.video.list_percent


# ---- as vPDQ defines it ----


def brute_force(query, entry, radius):
    """The definition in the README of vPDQ: shares of the different frames of enough quality."""

    def share(these, those):
        near = [any((one ^ other).bit_count() <= radius for other in those) for one in these]
        return round(100 * sum(near) / len(these), 1)

    these = {int(value.tobytes().hex(), 16) for value in query}
    those = {int(value.tobytes().hex(), 16) for value in entry}
    return share(these, those), share(those, these)


@pytest.mark.parametrize("same", [0, 3, 10, 20])
def test_the_shares_are_those_of_vpdq(same):
    entry = pictures(25)
    query = np.concatenate([noisy(entry[:same], 30), noisy(entry[:2], 40), pictures(20 - same)])
    query = np.concatenate([query, query[:5]])  # some come twice
    policy = MatchPolicy(radius=31, min_quality=50, video_percent=1)
    expected = brute_force(query, entry, 31)
    matches = found(
        Matcher([MatchList(name="demo")], [listed(entry, pictures(9))]), video(query), policy
    )
    assert [shares(match) for match in matches] == ([expected] if same else [])


def test_frames_of_low_quality_count_on_neither_side():
    entry, query = pictures(10), None
    query = np.concatenate([entry[:4], np.zeros((16, 32), np.uint8)])
    some = listed(
        np.concatenate([entry, np.zeros((10, 32), np.uint8)]), qualities=[100] * 10 + [0] * 10
    )
    examined = video(query, quality=[100] * 4 + [5] * 16)
    (match,) = found(Matcher([MatchList(name="demo")], [some]), examined)
    assert shares(match) == (100.0, 40.0)
    black = video(query[4:], quality=5)
    assert found(Matcher([MatchList(name="demo")], [some]), black) == []
    answer = judge(black, [], POLICY)
    assert answer.reasons[0].startswith("nothing_compared: no frame of the video")


@pytest.mark.parametrize("turn", range(8))
def test_a_turned_or_mirrored_copy_is_found_and_named(turn):
    entry = pictures(12)
    (match,) = found(
        Matcher([MatchList(name="demo")], [listed(entry)]), video(noisy(entry, 10), turn=turn)
    )
    assert match.orientation == ORIENTATIONS[turn]
    assert match.algorithm is Algorithm.VPDQ
    assert shares(match) == (100.0, 100.0)
    assert match.distance == 10
    assert match.video.scenes == (Scene(start=0.0, end=11.0, list_start=0.0, list_end=11.0),)


# ---- scenes ----


def test_a_short_scene_in_a_long_video_is_found_with_its_times():
    entry = pictures(600)
    query = np.concatenate([pictures(1000), noisy(entry[300:312], 20), pictures(2000)])
    (match,) = found(Matcher([MatchList(name="demo")], [listed(entry)]), video(query))
    assert (match.time, match.frame) == (1000.0, 30_000)
    assert match.video.scenes == (
        Scene(start=1000.0, end=1011.0, list_start=300.0, list_end=311.0),
    )
    assert shares(match) == (0.4, 2.0)


def test_several_scenes_in_another_order_are_several():
    entry = pictures(300)
    parts = [entry[200:210], pictures(30), entry[20:40], pictures(30), entry[100:108]]
    (match,) = found(
        Matcher([MatchList(name="demo")], [listed(entry)]), video(np.concatenate(parts))
    )
    assert [(scene.start, scene.list_start, scene.list_end) for scene in match.video.scenes] == [
        (0.0, 200.0, 209.0),
        (40.0, 20.0, 39.0),
        (90.0, 100.0, 107.0),
    ]


def test_a_few_missed_frames_do_not_end_a_scene_but_many_do():
    entry, query = pictures(200), pictures(60)
    query[10:30] = entry[50:70]
    for missed in (12, 17, 18, 24):
        query[missed] = pictures(1)[0]
    (match,) = found(Matcher([MatchList(name="demo")], [listed(entry)]), video(query))
    assert match.video.scenes == (Scene(start=10.0, end=29.0, list_start=50.0, list_end=69.0),)
    query[15:22] = pictures(7)
    (match,) = found(Matcher([MatchList(name="demo")], [listed(entry)]), video(query))
    assert [scene.start for scene in match.video.scenes] == [10.0, 22.0]


@pytest.mark.parametrize("speed", [0.8, 0.96, 1.04, 1.25])
def test_a_copy_that_runs_faster_or_slower_is_one_scene(speed):
    entry = pictures(200)
    seen = [int(20 + second * speed) for second in range(60)]
    query = np.concatenate([pictures(300), entry[seen], pictures(300)])
    (match,) = found(Matcher([MatchList(name="demo")], [listed(entry)]), video(query))
    (scene,) = match.video.scenes
    assert (scene.start, scene.end) == (300.0, 359.0)
    assert (scene.list_start, scene.list_end) == (20.0, seen[-1])


def test_less_than_a_scene_and_than_the_share_is_no_match():
    entry = pictures(600)
    query = np.concatenate([pictures(300), entry[300:304], pictures(300)])
    matcher = Matcher([MatchList(name="demo")], [listed(entry)])
    assert found(matcher, video(query)) == []
    shorter = MatchPolicy(radius=31, min_quality=50, scene_seconds=4.0)
    assert len(found(matcher, video(query), shorter)) == 1


def test_what_is_scattered_in_another_order_is_no_scene():
    entry = pictures(600)
    query = pictures(600)
    query[::10] = entry[RANDOM.permutation(600)[:60]]
    assert found(Matcher([MatchList(name="demo")], [listed(entry)]), video(query)) == []


def test_what_stands_still_is_one_picture_and_no_scene():
    logo = pictures(1)
    standing = np.concatenate([noisy(logo, 2) for _ in range(60)])
    entry = np.concatenate([pictures(100), np.repeat(logo, 60, axis=0)])
    query = np.concatenate([pictures(300), standing])
    assert found(Matcher([MatchList(name="demo")], [listed(entry)]), video(query)) == []
    # but where it is all there is of a video, it is the same video
    (match,) = found(
        Matcher([MatchList(name="demo")], [listed(entry)]), video(np.repeat(logo, 60, axis=0))
    )
    assert shares(match) == (100.0, round(100 / 101, 1))


def test_a_scene_among_standing_frames_is_found_where_it_is():
    entry = np.concatenate([np.repeat(pictures(1), 30, axis=0), pictures(40)])
    query = np.concatenate([pictures(100), entry[25:45], pictures(100)])
    (match,) = found(Matcher([MatchList(name="demo")], [listed(entry)]), video(query))
    (scene,) = match.video.scenes
    assert (scene.start, scene.end, scene.list_end) == (100.0, 119.0, 44.0)
    assert scene.list_start == pytest.approx(25.0, abs=1.5)


def test_lists_and_entries_are_kept_apart():
    same = pictures(20)
    some = listed(same, same, same[:10], lists=[0, 1, 1])
    matches = found(Matcher([MatchList(name="one"), MatchList(name="two")], [some]), video(same))
    assert [(match.list_name, match.entry, shares(match)) for match in matches] == [
        ("one", 1, (100.0, 100.0)),
        ("two", 2, (100.0, 100.0)),
        ("two", 3, (50.0, 100.0)),
    ]


def test_batches_of_entries_and_their_order_do_not_matter():
    first, second = pictures(30), pictures(30)
    whole = listed(first, second)
    order = RANDOM.permutation(60)
    parts = [
        replace(
            whole,
            ids=whole.ids[some],
            lists=whole.lists[some],
            values=whole.values[some],
            qualities=whole.qualities[some],
            times=whole.times[some],
        )
        for some in np.array_split(order, 4)
    ]
    query = video(second)
    assert found(Matcher([MatchList(name="demo")], parts), query) == found(
        Matcher([MatchList(name="demo")], [whole]), query
    )


# ---- the verdict ----


def test_a_video_that_matches_is_similar_and_says_where():
    entry = pictures(100)
    query = video(np.concatenate([pictures(70), entry[30:50]]))
    answer = judge(
        query, Matcher([MatchList(name="demo")], [listed(entry)]).hits(query, POLICY), POLICY
    )
    assert answer.verdict is Verdict.SIMILAR
    assert answer.reasons == (
        "near_vpdq: 22.2 % of the frames are in the video of entry 1 of list demo, and 20 % of its"
        " frames in this one; 1:10 to 1:29 is 0:30 to 0:49 there (radius 31)",
    )
    assert fully_checked(answer)


def test_even_an_equal_video_is_similar_only():
    entry = pictures(30)
    hits = Matcher([MatchList(name="demo")], [listed(entry)]).hits(video(entry), POLICY)
    assert judge(video(entry), hits, POLICY).verdict is Verdict.SIMILAR


def test_a_match_of_key_frames_is_looked_at_again():
    entry = pictures(100)
    matcher = Matcher([MatchList(name="demo")], [listed(entry)])
    # one key frame in a hundred: too little to be a match, enough to look
    quick = video(
        np.concatenate([pictures(99), entry[40:41]]),
        step=8.0,
        sampling=FrameSampling.KEY_FRAMES,
        flags=("key_frames_only",),
    )
    hits = matcher.hits(quick, POLICY)
    assert [hit.match.entry for hit in hits] == [1]
    assert needs_exact(quick, hits)
    assert not needs_exact(quick, [])
    assert not fully_checked(judge(quick, [], POLICY))
    slow = replace(quick, sampling=FrameSampling.SECOND)
    assert matcher.hits(slow, POLICY) == []
    assert not needs_exact(slow, hits)


# ---- pictures and videos ----


def picture(value, quality=100, turn=0, stored=None):
    hashes = [bytes(other).hex() for other in pictures(8)]
    hashes[turn] = bytes(value).hex()
    frame = FrameHashes(
        number=0,
        quality=quality,
        dihedral=tuple(hashes),
        stored=stored,
        stored_quality=None if stored is None else 100,
    )
    return ImageHashes(
        digests=DIGESTS,
        format="png",
        width=1,
        height=1,
        mode=HashMode.EXACT,
        frames=(frame,),
    )


def pdq(values, qualities=None):
    return EntryArrays(
        algorithm=Algorithm.PDQ,
        ids=np.arange(1, len(values) + 1, dtype=np.int64),
        lists=np.zeros(len(values), np.int32),
        values=values,
        qualities=np.array(qualities or [100] * len(values), np.int16),
    )


def test_a_picture_on_a_list_is_found_in_a_video():
    query = pictures(50)
    (match,) = found(
        Matcher([MatchList(name="demo")], [pdq(noisy(query[20:21], 7))]), video(query, turn=5)
    )
    assert (match.algorithm, match.distance, match.orientation) == (
        Algorithm.PDQ,
        7,
        "flip_horizontal",
    )
    assert (match.time, match.frame, match.video) == (20.0, 600, None)


def test_pictures_near_to_every_frame_of_a_long_video_take_little_memory():
    one = pictures(1)
    query = video(noisy(np.repeat(one, 400, axis=0), 8))
    entries = noisy(np.repeat(one, 3000, axis=0), 8)
    entries[5] = np.frombuffer(bytes.fromhex(query.frames[321].pdq), np.uint8)
    matcher = Matcher([MatchList(name="demo")], [pdq(entries)])
    tracemalloc.start()
    try:
        matches = found(matcher, query)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(matches) == 3000
    assert (matches[0].entry, matches[0].distance, matches[0].time) == (6, 0, 321.0)
    assert peak < 30_000_000


def test_a_picture_equal_to_a_frame_is_known():
    query = pictures(9)
    matcher = Matcher([MatchList(name="demo")], [pdq(query[3:4])])
    answer = judge(video(query), matcher.hits(video(query), POLICY), POLICY)
    assert answer.verdict is Verdict.KNOWN
    assert answer.reasons == ("same_pdq: the PDQ hash is that of entry 1 of list demo, at 0:03",)


def test_black_frames_match_no_picture():
    black = np.zeros((1, 32), np.uint8)
    assert (
        found(Matcher([MatchList(name="demo")], [pdq(black, [0])]), video(black, quality=0)) == []
    )
    assert (
        found(
            Matcher([MatchList(name="demo")], [pdq(noisy(black, 2), [0])]), video(black, quality=60)
        )
        == []
    )


@pytest.mark.parametrize("turn", [0, 3])
def test_a_screenshot_of_a_listed_video_is_found_with_its_time_there(turn):
    entry = pictures(90)
    examined = picture(noisy(entry[75:76], 12)[0], turn=turn)
    matcher = Matcher([MatchList(name="demo")], [listed(pictures(20), entry)])
    hits = matcher.hits(examined, POLICY)
    (match,) = [hit.match for hit in hits]
    assert (match.entry, match.algorithm, match.distance) == (2, Algorithm.VPDQ, 12)
    assert (match.orientation, match.time) == (ORIENTATIONS[turn], None)
    assert match.video.scenes == (Scene(start=0.0, end=0.0, list_start=75.0, list_end=75.0),)
    assert shares(match) == (100.0, 1.1)
    answer = judge(examined, hits, POLICY)
    assert answer.verdict is Verdict.SIMILAR
    turned = ", turned by 270°" if turn else ""
    assert answer.reasons == (
        f"near_vpdq: 12 of 256 bits from what the video of entry 2 of list demo{turned} shows at"
        " 1:15 (radius 31)",
    )


def test_the_stored_pixels_of_a_picture_are_looked_for_in_videos_too():
    entry = pictures(9)
    stored = tuple(bytes(value).hex() for value in [entry[4], *pictures(7)])
    (match,) = found(
        Matcher([MatchList(name="demo")], [listed(entry)]), picture(pictures(1)[0], stored=stored)
    )
    assert match.video.scenes[0].list_start == 4.0


def test_a_picture_of_low_quality_is_not_looked_for_in_videos():
    entry = pictures(9)
    assert (
        found(Matcher([MatchList(name="demo")], [listed(entry)]), picture(entry[0], quality=49))
        == []
    )


def test_a_bare_hash_is_looked_for_in_videos():
    entry = pictures(9)
    matcher = Matcher([MatchList(name="demo")], [listed(entry), pdq(entry[2:3])])
    hits = matcher.hash_hits(Algorithm.PDQ, entry[2].tobytes(), POLICY)
    assert [(hit.match.algorithm, hit.match.distance) for hit in hits] == [
        (Algorithm.PDQ, 0),
        (Algorithm.VPDQ, 0),
    ]


def test_classes_are_told_across_batches():
    first = listed(pictures(9), classes=np.zeros(9, np.int32), class_names=("A1",))
    second = replace(
        listed(pictures(9), classes=np.ones(9, np.int32), class_names=("", "B2")),
        ids=np.full(9, 7, np.int64),
    )
    third = replace(listed(pictures(9)), ids=np.full(9, 8, np.int64))
    matcher = Matcher([MatchList(name="demo")], [first, second, third])
    for part, name in ((first, "A1"), (second, "B2"), (third, "")):
        assert [match.their_class for match in found(matcher, video(part.values))] == [name]


def test_all_videos_of_a_list_are_told_though_they_share_a_scene():
    shared = pictures(10)
    videos = [np.concatenate([pictures(20), shared, pictures(20)]) for _ in range(50)]
    query = video(np.concatenate([pictures(40), shared, pictures(40)]))
    matches = found(Matcher([MatchList(name="demo")], [listed(*videos)]), query)
    assert sorted(match.entry for match in matches) == list(range(1, 51))
    scenes = set(itertools.chain.from_iterable(match.video.scenes for match in matches))
    assert scenes == {Scene(start=40.0, end=49.0, list_start=20.0, list_end=29.0)}


# ---- a flood: a picture that is all over a list ----


@pytest.fixture
def flood(monkeypatch):
    """Let every search that finds anything be a flood."""
    return lambda: monkeypatch.setattr(video_module, "_FLOOD", 1)


def test_a_flood_leaves_both_shares_and_all_matches_as_they_are(flood):
    one = pictures(1)
    # all of the first video is near one frame of twenty; of the second a part; a third is a copy
    near = noisy(np.repeat(one, 20, axis=0), 8)
    query = np.concatenate([one, pictures(19)])
    some = listed(near, np.concatenate([near[:12], pictures(12)]), query, pictures(9))
    before = found(Matcher([MatchList(name="demo")], [some]), video(query, turn=3))
    assert {match.entry: shares(match) for match in before} == {
        1: (5.0, 100.0),
        2: (5.0, 50.0),
        3: (100.0, 100.0),
    }
    shot = picture(one[0], turn=6)
    picture_before = found(Matcher([MatchList(name="demo")], [some]), shot)
    flood()
    after = found(Matcher([MatchList(name="demo")], [some]), video(query, turn=3))
    # which of twenty like places one frame is said to be at may differ
    assert [replace(match, video=None) for match in after] == [
        replace(match, video=None) for match in before
    ]
    assert list(map(shares, after)) == list(map(shares, before))
    assert found(Matcher([MatchList(name="demo")], [some]), shot) == picture_before
    assert {match.entry: shares(match)[1] for match in picture_before} == {
        1: 100.0,
        2: 50.0,
        3: 5.0,
    }


def test_a_scene_that_a_flood_hides_is_told_all_the_same(flood):
    shown = pictures(6)
    # each picture of the scene comes once more elsewhere, the other way round and nearer
    there = np.concatenate([noisy(shown, 12), pictures(80), shown[::-1], pictures(80)])
    query = np.concatenate([pictures(90), shown])
    (before,) = found(Matcher([MatchList(name="demo")], [listed(there)]), video(query))
    assert before.video.scenes == (Scene(start=90.0, end=95.0, list_start=0.0, list_end=5.0),)
    flood()
    (match,) = found(Matcher([MatchList(name="demo")], [listed(there)]), video(query))
    assert shares(match) == shares(before)
    (scene,) = match.video.scenes
    assert (scene.start, scene.end) == (90.0, 95.0)


def test_a_short_known_scene_is_found_among_thousands_of_videos():
    many, frames = 3000, 60
    values = pictures(many * frames)
    some = replace(
        listed(values),
        ids=np.repeat(np.arange(1, many + 1), frames),
        times=np.tile(np.arange(frames, dtype=np.int32) * 1000, many),
    )
    scene = values[1234 * frames + 20 : 1234 * frames + 28]
    query = np.concatenate([pictures(1800), noisy(scene, 20), pictures(1800)])
    matcher = Matcher([MatchList(name="demo")], [some])
    began = time.perf_counter()
    (match,) = found(matcher, video(query, turn=6))
    assert time.perf_counter() - began < 20  # an hour of video; measured: a second
    assert (match.entry, match.orientation, match.time) == (1235, ORIENTATIONS[6], 1800.0)
    assert match.video.scenes == (Scene(start=1800.0, end=1807.0, list_start=20.0, list_end=27.0),)
    (shot,) = found(matcher, picture(noisy(values[7:8], 9)[0]))
    assert (shot.entry, shot.distance, shot.video.scenes[0].list_start) == (1, 9, 7.0)
