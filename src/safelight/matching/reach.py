"""How near is near, list by list, for one request. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from safelight.matching.facts import Columns, Flags, Numbers
from safelight.matching.rules import MatchList, MatchPolicy, Nearness

Small = npt.NDArray[np.int16]

# The quality of a hash of which none is told: taken for good.
UNTOLD_QUALITY = 100

_NOT_MATCHED = -1  # in the place of a radius
_FAR = Nearness(radius=_NOT_MATCHED, min_quality=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How near entries of each list may be, by the list's number; there is at least one place."""

    every: tuple[Nearness, ...]
    radius: Small  # [lists], bits; negative: the list is not matched
    quality: Small  # [lists], the least at which a hash is compared for more than equality
    farthest: int  # the largest radius there is; negative where no list is matched
    least: int  # the least quality that is enough for any list

    @classmethod
    def of(cls, lists: Sequence[MatchList | None], policy: MatchPolicy) -> "Reach":
        """What the lists and the request agree on."""
        every = tuple(_FAR if one is None else one.within(policy) for one in lists) or (_FAR,)
        radius = np.array([near.radius for near in every], np.int16)
        quality = np.array([near.min_quality for near in every], np.int16)
        return cls(
            every=every,
            radius=radius,
            quality=quality,
            farthest=int(radius.max()),
            least=int(quality[radius >= 0].min(initial=100)),
        )

    def counts(self, rows: Columns) -> Flags:
        """Which entries are matched at all: there, and on a list that is."""
        there: Flags = (rows.lists >= 0) & (self.radius[np.maximum(rows.lists, 0)] >= 0)
        return there

    def near(
        self, rows: Columns, distances: npt.NDArray[np.uint8], quality: int | Numbers, slack: int
    ) -> Flags:
        """Which of the hits are near enough: row i at distances[i] from a hash of this quality.

        What is equal always is; all else only where both hashes say enough. Of entries that match
        only where they are equal the near ones are given too: `Hit.is_held_back`.
        """
        lists = np.maximum(rows.lists, 0)
        least = self.quality[lists]
        enough = (quality >= least) & (known_quality(rows) >= least)
        near: Flags = enough & (distances <= self.radius[lists] + np.int16(slack))
        found: Flags = self.counts(rows) & (near | (distances == 0))
        return found

    def alike(self) -> Iterator[tuple[Nearness, Flags]]:
        """The lists that are matched in the same way: how, and which they are."""
        for near in dict.fromkeys(self.every):
            if near.radius >= 0:
                yield near, np.array([one == near for one in self.every])


def known_quality(rows: Columns) -> Small:
    """The qualities, with what is not told taken for good."""
    told = rows.qualities.astype(np.int16)
    return np.where(told < 0, np.int16(UNTOLD_QUALITY), told)


class Lists:
    """The lists by their numbers; None for one that is not matched. Never changed.

    What is PDQ on the `doubtful` may be SHA-256: it is matched as both.
    """

    __slots__ = ("_reach", "doubtful", "every")

    def __init__(
        self, every: Sequence[MatchList | None] = (), doubtful: frozenset[int] = frozenset()
    ) -> None:
        self.every = tuple(every)
        self.doubtful = doubtful
        self._reach: dict[MatchPolicy, Reach] = {}

    def reach(self, policy: MatchPolicy) -> Reach:
        """How near is near for this request."""
        found = self._reach.get(policy)
        if found is None:
            found = self._reach[policy] = Reach.of(self.every, policy)
        return found
