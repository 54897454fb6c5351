"""The path of an item, in order, once.

    intake → decode → hashing → matching → signals → triage → review → decisions → outcomes

The first four give the answer, in milliseconds; the rest is work for later jobs. Stages never
import one another; this module and `examine_child` (the stages that run together in a child
process) know the order.
"""

from collections.abc import Iterator
from functools import lru_cache, partial

from safelight.examine import Examiner
from safelight.matching.graded import left_out
from safelight.matching.rules import FAST_SLACK_BITS, MatchPolicy, judge, needs_exact
from safelight.matching.step import Matcher
from safelight.model import Depth, Examined, HashMode, ItemAnswer, Skipped
from safelight.sandbox.far import FarFile


def answers(
    fd: int | FarFile, *, examiner: Examiner, matcher: Matcher, policy: MatchPolicy, depth: Depth
) -> Iterator[ItemAnswer]:
    """Yield the verdict about every item in the open file `fd`, which stays open; itself last.

    In fast mode whatever is near an entry, or may have drifted further than that mode promises,
    is examined again exactly, so that the distance given is always the exact one. A video of which
    a key frame is near is looked at again in full, wherever it lies.
    """
    hits_of_member = lru_cache(maxsize=1)(partial(matcher.hits, policy=policy))

    def is_near(examined: Examined) -> bool:
        return needs_exact(examined, hits_of_member(examined))

    slack = FAST_SLACK_BITS if depth.mode is HashMode.FAST else 0
    for item in examiner.walk(fd, depth, in_full=is_near):
        examined = item.examined
        if isinstance(examined, Skipped):
            yield ItemAnswer(
                members=item.members,
                answer=left_out(examined, matcher.hits(examined, policy), policy),
            )
            continue
        if item.members:
            hits = hits_of_member(examined)
        else:
            hits = matcher.hits(examined, policy, slack=slack)
            if needs_exact(examined, hits):
                examined = examiner.examine(fd, depth.exact())
                hits = matcher.hits(examined, policy)
        answer = judge(examined, hits, policy)
        yield ItemAnswer(members=item.members, answer=answer, facts=item.facts)
