"""A file's way to its answer: when a fast hash stands and when the file is examined again."""

import io
import itertools
import os
import tarfile
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pictures import hashes, pattern, photo, saved
from videos import clip, still

from safelight import examine
from safelight.examine import PARQUET_CHILD, Examiner, make_pool, memory_file
from safelight.matching.rules import FAST_TRUSTED_QUALITY, MatchList, MatchPolicy
from safelight.matching.step import Matcher
from safelight.model import (
    Algorithm,
    Answer,
    Depth,
    EntryArrays,
    FrameSampling,
    HashMode,
    ItemAnswer,
    Verdict,
    VideoHashes,
)
from safelight.pipeline import answers
from safelight.settings import Settings

PHOTO = saved(photo("coffee").resize((700, 560)), "JPEG", quality=85)
POLICY = MatchPolicy(radius=31, min_quality=50)
FAST = Depth(mode=HashMode.FAST)


def answered(data: bytes, entry: str, depth: Depth = FAST) -> Answer:
    value = np.frombuffer(bytes.fromhex(entry), np.uint8).reshape(1, 32)
    entries = EntryArrays(
        algorithm=Algorithm.PDQ,
        ids=np.array([1], np.int64),
        lists=np.array([0], np.int32),
        values=value,
        qualities=np.array([-1], np.int16),
    )
    fd = memory_file(data)
    try:
        matcher = Matcher([MatchList(name="demo")], [entries])
        (item,) = answers(fd, examiner=Examiner(None), matcher=matcher, policy=POLICY, depth=depth)
        assert item.members == ()
        return item.answer
    finally:
        os.close(fd)


def flipped(digits: str, bits: int) -> str:
    return f"{int(digits, 16) ^ ((1 << bits) - 1):064x}"


@pytest.mark.parametrize(
    ("bits", "verdict", "mode"),
    [
        (0, Verdict.KNOWN, HashMode.EXACT),
        (31, Verdict.SIMILAR, HashMode.EXACT),
        # within the slack of the fast search: examined again, and found not to be near
        (40, Verdict.NO_MATCH, HashMode.EXACT),
        (100, Verdict.NO_MATCH, HashMode.FAST),
    ],
)
def test_what_is_near_is_examined_exactly(bits: int, verdict: Verdict, mode: HashMode) -> None:
    exact, fast = hashes(PHOTO), hashes(PHOTO, "fast")
    assert exact.pdq != fast.pdq  # else this shows nothing
    assert fast.pdq_quality >= FAST_TRUSTED_QUALITY
    result = answered(PHOTO, flipped(exact.pdq, bits))
    assert (result.verdict, result.examined) == (verdict, exact if mode == "exact" else fast)
    assert [match.distance for match in result.matches] == ([bits] if bits <= 31 else [])


def test_a_fast_hash_of_low_quality_does_not_stand() -> None:
    data = saved(pattern().resize((512, 512)).point(lambda value: 120 + value // 16), "JPEG")
    assert hashes(data, "fast").pdq_quality < FAST_TRUSTED_QUALITY
    result = answered(data, "0f" * 32)
    assert (result.verdict, result.examined) == (Verdict.NO_MATCH, hashes(data))


def test_an_exact_search_has_no_slack() -> None:
    exact = hashes(PHOTO)
    result = answered(PHOTO, flipped(exact.pdq, 32), Depth())
    assert (result.verdict, result.matches, result.examined) == (Verdict.NO_MATCH, (), exact)


# ---- key frames: what is near is looked at in full, wherever it lies ----

KEY_FRAMES = Depth(video=FrameSampling.KEY_FRAMES, archives=True)
VIDEO = clip(
    itertools.chain.from_iterable(still(seed, 10) for seed in range(30)), options={"g": "20"}
)
OTHER = clip(itertools.chain.from_iterable(still(seed, 10) for seed in range(40, 50)))


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examiner]:
    with make_pool(Settings(), children=1) as pool:
        yield Examiner(pool)


def video_of(item: ItemAnswer) -> VideoHashes:
    assert isinstance(item.answer.examined, VideoHashes)
    return item.answer.examined


def looked_at(examiner: Examiner, data: bytes, entry: list[str]) -> list[ItemAnswer]:
    values = np.frombuffer(bytes.fromhex("".join(entry)), np.uint8).reshape(-1, 32)
    entries = EntryArrays(
        algorithm=Algorithm.VPDQ,
        ids=np.ones(len(values), np.int64),
        lists=np.zeros(len(values), np.int32),
        values=values,
        qualities=np.full(len(values), 100, np.int16),
        times=(np.arange(len(values)) * 1000).astype(np.int32),
    )
    fd = memory_file(data)
    try:
        matcher = Matcher([MatchList(name="demo")], [entries])
        found = answers(fd, examiner=examiner, matcher=matcher, policy=POLICY, depth=KEY_FRAMES)
        return list(found)
    finally:
        os.close(fd)


def tarred(*files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number, data in enumerate(files):
            info = tarfile.TarInfo(str(number))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def others(count: int) -> list[str]:
    """Hashes that are near nothing."""
    return [np.random.default_rng(seed).bytes(32).hex() for seed in range(count)]


def test_a_video_in_a_container_gets_the_answer_it_gets_on_disk(examiner: Examiner) -> None:
    (quick,) = looked_at(examiner, VIDEO, others(30))
    assert "key_frames_only" in video_of(quick).flags
    # one near frame of thirty is no match; but a key frame that is near makes it looked at in full
    entry = [video_of(quick).frames[0].pdq, *others(29)]
    (alone,) = looked_at(examiner, VIDEO, entry)
    assert (alone.answer.verdict, alone.answer.reasons) == (Verdict.NO_MATCH, ())
    assert len(video_of(alone).frames) == 30
    *items, whole = looked_at(examiner, tarred(OTHER, VIDEO, b"text", VIDEO), entry)
    assert [item.members[0].name for item in items] == [b"0", b"1", b"2", b"3"]
    assert [items[1].answer, items[3].answer] == [alone.answer, alone.answer]
    assert video_of(items[0]).sampling is FrameSampling.KEY_FRAMES
    assert whole.members == ()


def test_a_video_in_a_container_that_matches_is_told_as_on_disk(examiner: Examiner) -> None:
    (quick,) = looked_at(examiner, VIDEO, others(30))
    entry = [frame.pdq for frame in video_of(quick).frames]
    (alone,) = looked_at(examiner, VIDEO, entry)
    inside, _inner, _outer = looked_at(examiner, tarred(tarred(VIDEO)), entry)
    assert alone.answer.verdict is Verdict.SIMILAR
    assert inside.answer == alone.answer


def test_with_many_near_videos_the_rest_of_the_file_is_looked_at_in_full(
    examiner: Examiner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "MOST_LOOKS", 2)
    (quick,) = looked_at(examiner, VIDEO, others(30))
    entry = [video_of(quick).frames[0].pdq, *others(29)]
    *items, _ = looked_at(examiner, tarred(OTHER, VIDEO, VIDEO, OTHER, VIDEO), entry)
    assert [video_of(item).sampling.value for item in items] == ["key_frames", *["second"] * 4]
    assert {item.answer.verdict for item in items} == {Verdict.NO_MATCH}


def test_a_video_in_a_table_gets_the_answer_it_gets_on_disk(examiner: Examiner) -> None:
    (quick,) = looked_at(examiner, VIDEO, others(30))
    entry = [video_of(quick).frames[0].pdq, *others(29)]
    (alone,) = looked_at(examiner, VIDEO, entry)
    out = io.BytesIO()
    pq.write_table(pa.table({"video": [OTHER, VIDEO, OTHER]}), out)
    with make_pool(Settings(), children=1, child=PARQUET_CHILD) as pool:
        *items, _ = looked_at(Examiner(pool, carry=()), out.getvalue(), entry)
    assert [item.members[0].name for item in items] == [b"0", b"1", b"2"]
    assert items[1].answer == alone.answer
    assert video_of(items[2]).sampling is FrameSampling.KEY_FRAMES
