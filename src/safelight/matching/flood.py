"""When an entry suddenly matches far more than it ever did: its near matches wait for a person.

A bad entry (a logo, a blank page) or a wave of one picture looks like this. A near match of such an
entry stays similar and is marked; an exact one is as good as before. Both raise an alarm, and
nothing becomes no match. Pure, but for what a guard has counted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from threading import Lock

from safelight.matching import reasons
from safelight.model import PERCEPTUAL, Answer, History, Match

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
    """Counts the matches of every entry, near and exact ones apart, and marks floods.

    Safe to use from several threads. The entries are those of lists in a database. Of the days
    before, and of what others noted today, only the sum of both kinds is known: each kind is held
    against it. A wave of exact matches in this run marks no near one, and the other way round.
    """

    def __init__(self, limits: FloodLimits, histories: Mapping[int, History], day: date) -> None:
        self._limits = limits
        self._lock = Lock()
        self._floods: dict[tuple[int, str], Flood] = {}
        self.begin(histories, day)

    def begin(self, histories: Mapping[int, History], day: date) -> None:
        """Begin a day (UTC), with what has been noted of it and of those before by now."""
        with self._lock:
            self.day = day
            self._histories = dict(histories)
            self._counted: Counter[tuple[int, str]] = Counter()
            self._noted: Counter[int] = Counter()  # of what we counted, both kinds

    def noted(self, counts: Mapping[int, int], histories: Mapping[int, History]) -> None:
        """Take in that what we counted was noted, and what is known of these entries since."""
        with self._lock:
            self._noted.update(counts)
            self._histories |= histories

    def look(self, answer: Answer) -> Answer:
        """Count the answer; return it with the near matches marked whose entries flood."""
        matches, why = self.mark(answer.matches, answer.observed)
        return (
            replace(answer, matches=matches, reasons=(*answer.reasons, *why.values()))
            if why
            else answer
        )

    def mark(
        self, matches: tuple[Match, ...], observed: tuple[Match, ...]
    ) -> tuple[tuple[Match, ...], dict[int, str]]:
        """Count what one item matched; return its matches, marked, and why, by entry."""
        if not matches and not observed:
            return matches, {}
        with self._lock:
            self._counted.update({(one.entry, _kind(one)) for one in (*matches, *observed)})
            floods = dict.fromkeys(filter(None, map(self._flood_of, matches)))
            near = {flood.entry: flood for flood in floods if flood.kind == "near"}
            why = {entry: self._why(flood) for entry, flood in near.items()}
        marked = tuple(
            replace(one, flood=True) if one.entry in near and not one.known else one
            for one in matches
        )
        return marked, why

    def floods(self) -> list[Flood]:
        """Every entry that floods and whose alarm is still to be raised, as the numbers are now."""
        with self._lock:
            return list(self._floods.values())

    def raised(self, floods: Iterable[Flood]) -> None:
        """Forget floods whose alarms were raised, but those that have grown since."""
        with self._lock:
            for flood in floods:
                if self._floods.get((flood.entry, flood.kind)) == flood:
                    del self._floods[flood.entry, flood.kind]

    def _flood_of(self, match: Match) -> Flood | None:
        """The flood that the match is part of, noted for the alarm. Under the lock."""
        history, kind = self._histories.get(match.entry, NONE_YET), _kind(match)
        others = max(0, history.today - self._noted[match.entry])
        today = others + self._counted[match.entry, kind]
        if not self._limits.is_flood(history, today):
            return None
        flood = Flood(
            list_name=match.list_name,
            entry=match.entry,
            kind=kind,
            matches=today,
            expected=self._limits.expected(history),
        )
        self._floods[flood.entry, flood.kind] = flood
        return flood

    def _why(self, flood: Flood) -> str:
        greatest = self._histories.get(flood.entry, NONE_YET).greatest
        return reasons.flood(flood.list_name, flood.entry, flood.matches, greatest)


def _kind(match: Match) -> str:
    """Exact is what makes a file known; in observe mode, where nothing does, an equal digest."""
    return "exact" if match.known or match.algorithm not in PERCEPTUAL else "near"
