"""When an entry suddenly matches far more than it ever did: its near matches wait for a person.

A bad entry (a logo, a blank page) or a wave of one picture looks like this. A near match of such an
entry stays similar and is marked; an exact one is as good as before. Both raise an alarm, and
nothing becomes no match. Pure, but for what a guard has counted.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Lock

from safelight.matching import reasons
from safelight.model import Answer, History, Match

LEAST = 200
TIMES = 10
YOUNG = 5

NONE_YET = History(days=0, greatest=0, today=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimits:
    """What is far more: over `least` matches in a day, and over `times` those of the greatest.

    `least` 0: nothing ever is.
    """

    least: int = LEAST
    times: int = TIMES

    def expected(self, history: History) -> int:
        """The most matches in a day that surprise nobody; more of an entry that has no past."""
        if not history.days:
            return self.least * YOUNG
        return max(self.least, self.times * history.greatest)

    def is_flood(self, history: History, today: int) -> bool:
        """Whether so many matches today are far more than on the days before."""
        return bool(self.least) and today > self.expected(history)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """An entry that floods: how often it matched today, and how often nobody would wonder."""

    list_name: str
    entry: int
    kind: str  # near, exact
    matches: int
    expected: int


class FloodGuard:
    """Counts the matches of every entry, beginning with those of today, and marks floods.

    Safe to use from several threads. The entries are those of lists in a database.
    """

    def __init__(self, limits: FloodLimits, histories: Mapping[int, History]) -> None:
        self._limits = limits
        self._lock = Lock()
        self._floods: dict[tuple[int, str], Flood] = {}
        self.renew(histories)

    def renew(self, histories: Mapping[int, History]) -> None:
        """Begin again with what has been noted by now; what was counted so far is in it."""
        with self._lock:
            self._histories = histories
            self._counted: Counter[int] = Counter()

    def look(self, answer: Answer) -> Answer:
        """Count the answer; return it with the near matches marked whose entries flood."""
        matches, why = self.mark(answer.matches, answer.observed)
        return replace(answer, matches=matches, reasons=(*answer.reasons, *why)) if why else answer

    def mark(
        self, matches: tuple[Match, ...], observed: tuple[Match, ...]
    ) -> tuple[tuple[Match, ...], list[str]]:
        """Count what one item matched; return its matches, marked, and why they are."""
        if not matches and not observed:
            return matches, []
        with self._lock:
            self._counted.update({one.entry for one in (*matches, *observed)})
            floods = dict.fromkeys(filter(None, map(self._flood_of, matches)))
            near = {flood.entry: flood for flood in floods if flood.kind == "near"}
            why = [self._why(flood) for flood in near.values()]
        marked = tuple(
            replace(one, flood=True) if one.entry in near and not one.known else one
            for one in matches
        )
        return marked, why

    def take_floods(self) -> list[Flood]:
        """Every entry that floods, with the numbers as they are now; each is given once."""
        with self._lock:
            floods, self._floods = self._floods, {}
        return list(floods.values())

    def _flood_of(self, match: Match) -> Flood | None:
        """The flood that the match is part of, noted for the alarm. Under the lock."""
        history = self._histories.get(match.entry, NONE_YET)
        today = history.today + self._counted[match.entry]
        if not self._limits.is_flood(history, today):
            return None
        flood = Flood(
            list_name=match.list_name,
            entry=match.entry,
            kind="exact" if match.known else "near",
            matches=today,
            expected=self._limits.expected(history),
        )
        self._floods[flood.entry, flood.kind] = flood
        return flood

    def _why(self, flood: Flood) -> str:
        greatest = self._histories.get(flood.entry, NONE_YET).greatest
        return reasons.flood(flood.list_name, flood.entry, flood.matches, greatest)
