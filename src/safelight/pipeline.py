"""The path of an item, in order, once.

    intake → decode → hashing → matching → signals → triage → review → decisions → outcomes

The first four give the answer, in milliseconds; the rest is work for later jobs. Stages never
import one another; this module and `examine_child` (the stages that run together in a child
process) know the order.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache

from safelight.clock import utc_now
from safelight.examine import Examiner
from safelight.matching.graded import left_out
from safelight.matching.rules import (
    FAST_SLACK_BITS,
    Hit,
    MatchPolicy,
    current,
    judge,
    needs_exact,
)
from safelight.matching.step import Matcher
from safelight.model import Depth, Examined, HashMode, ItemAnswer, Skipped
from safelight.sandbox.far import FarFile


def answers(
    fd: int | FarFile,
    *,
    examiner: Examiner,
    matcher: Matcher,
    policy: MatchPolicy,
    depth: Depth,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[ItemAnswer]:
    """Yield the verdict about every item in the open file `fd`, which stays open; itself last.

    In fast mode whatever is near an entry, or may have drifted further than that mode promises,
    is examined again exactly, so that the distance given is always the exact one. A video of which
    a key frame is near is looked at again in full, wherever it lies. What a list or entry says
    counts until its end, by the clock.
    """

    def hits_of(examined: Examined, slack: int = 0) -> list[Hit]:
        return current(matcher.hits(examined, policy, slack=slack), clock())

    hits_of_member = lru_cache(maxsize=1)(hits_of)

    def is_near(examined: Examined) -> bool:
        return needs_exact(examined, hits_of_member(examined))

    slack = FAST_SLACK_BITS if depth.mode is HashMode.FAST else 0
    for item in examiner.walk(fd, depth, in_full=is_near):
        examined = item.examined
        if isinstance(examined, Skipped):
            yield ItemAnswer(
                members=item.members,
                answer=left_out(examined, hits_of(examined), policy),
            )
            continue
        if item.members:
            hits = hits_of_member(examined)
        else:
            hits = hits_of(examined, slack)
            if needs_exact(examined, hits):
                examined = examiner.examine(fd, depth.exact())
                hits = hits_of(examined)
        answer = judge(examined, hits, policy, matcher.lists)
        yield ItemAnswer(members=item.members, answer=answer, facts=item.facts)
