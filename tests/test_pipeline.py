"""A file's way to its answer: when a fast hash stands and when the file is examined again."""

import os

import numpy as np
import pytest
from pictures import hashes, pattern, photo, saved

from safelight.examine import Examiner, memory_file
from safelight.matching.rules import FAST_TRUSTED_QUALITY, MatchPolicy
from safelight.matching.step import Matcher
from safelight.model import Algorithm, Answer, Depth, EntryArrays, HashMode, Verdict
from safelight.pipeline import answers

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
        matcher = Matcher(["demo"], [entries])
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
