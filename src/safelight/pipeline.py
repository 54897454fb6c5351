"""The path of an item, in order, once.

    intake → decode → hashing → matching → signals → triage → review → decisions → outcomes

The first four give the answer, in milliseconds; the rest is work for later jobs. Stages never
import one another; this module and `examine_child` (the two stages that run together in a child
process) know the order.
"""

from safelight.examine import Examiner
from safelight.matching.rules import FAST_SLACK_BITS, MatchPolicy, judge, needs_exact
from safelight.matching.step import Matcher
from safelight.model import Answer, HashMode


def answer(fd: int, *, examiner: Examiner, matcher: Matcher, policy: MatchPolicy) -> Answer:
    """Return the verdict about the open file `fd`, which stays open.

    In fast mode whatever is near an entry, or may have drifted further than that mode promises,
    is examined again exactly, so that the distance given is always the exact one.
    """
    examined = examiner.examine(fd, mode=policy.mode)
    slack = FAST_SLACK_BITS if policy.mode is HashMode.FAST else 0
    hits = matcher.hits(examined, policy, slack=slack)
    if needs_exact(examined, hits):
        examined = examiner.examine(fd, mode=HashMode.EXACT)
        hits = matcher.hits(examined, policy)
    return judge(examined, hits, policy)
