"""How often entries of lists matched, noted in the database while a command runs."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from safelight.cli.output import warn
from safelight.clock import utc_now
from safelight.errors import SafelightError
from safelight.matching.flood import Flood, FloodGuard
from safelight.settings import Settings

SECONDS_BETWEEN_NOTES = 60.0


class MatchNotes:
    """Counts matches of entries, and notes them about once a minute: on the day that it is then.

    What is noted raises alarms of the entries that flood. A failure costs no scan: it is told, and
    what was counted is noted the next time. Without a guard nothing is noted.
    """

    def __init__(self, settings: Settings, guard: FloodGuard | None) -> None:
        self._settings, self._guard = settings, guard
        self._counts: Counter[int] = Counter()
        self._due = time.monotonic() + SECONDS_BETWEEN_NOTES
        self._told: set[tuple[int, str]] = set()
        self._noting = self._failed = False

    def add(self, entries: Iterable[int] | Mapping[int, int]) -> None:
        """Count one more match of each of these entries, or as many as are told."""
        self._counts.update(entries)

    def note_if_due(self) -> None:
        """Note what was counted, if the last time was about a minute ago."""
        if time.monotonic() >= self._due:
            self.note()

    def note(self) -> None:
        """Note what was counted since the last time."""
        self._due = time.monotonic() + SECONDS_BETWEEN_NOTES
        if self._guard is None or self._noting:  # a signal that came while we were at it
            return
        self._noting = True
        try:
            self._note(self._guard)
        finally:
            self._noting = False

    def _note(self, guard: FloodGuard) -> None:
        floods = guard.floods()
        self._tell(floods)
        if not self._counts:
            return
        try:
            is_new_day = self._store(guard, floods)
        except SafelightError as exc:
            if not self._failed:
                warn(f"how often each entry matched could not be noted yet: {exc}")
            self._failed = True
            return
        self._counts.clear()
        self._failed = False
        if is_new_day:
            self._told.clear()

    def _store(self, guard: FloodGuard, floods: list[Flood]) -> bool:
        """Write counts and alarms, and tell the guard; return whether a day has begun since."""
        from safelight.app import open_app  # noqa: PLC0415 - loaded when it is needed
        from safelight.store import alarms, matches  # noqa: PLC0415

        now = utc_now()
        day = now.date()
        is_new_day = day != guard.day
        raised = [
            alarms.NewAlarm(
                entry=flood.entry,
                day=day,
                kind=flood.kind,
                matches=flood.matches,
                expected=flood.expected,
            )
            for flood in floods
        ]
        with open_app(self._settings) as app, app.transaction() as tx:
            matches.record(tx, self._counts, at=now)
            alarms.raise_alarms(tx, raised, at=now)
            if is_new_day:
                past = matches.histories(tx, today=day)
            else:
                past = matches.history(tx, list(self._counts), today=day)
        if is_new_day:
            guard.begin(past, day)
        else:
            guard.noted(self._counts, past)
        guard.raised(floods)
        return is_new_day

    def _tell(self, floods: Iterable[Flood]) -> None:
        """Warn of each entry once a day."""
        for flood in floods:
            if (flood.entry, flood.kind) not in self._told:
                self._told.add((flood.entry, flood.kind))
                warn(_flood_told(flood))


def _flood_told(flood: Flood) -> str:
    more = "it still counts" if flood.kind == "exact" else "such matches are marked"
    return (
        f"entry {flood.entry} of list {flood.list_name} had {flood.matches:,} {flood.kind} matches"
        f" today; {flood.expected:,} would surprise nobody. {more.capitalize()}, and a person"
        " should look (safelight list alarms)."
    )
