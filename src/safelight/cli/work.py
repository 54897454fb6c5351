"""What several commands start with: a home folder, children to examine files, lists to match."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from safelight.cli.output import say
from safelight.clock import utc_now
from safelight.errors import SafelightError
from safelight.examine import Examiner, examine_limits, make_pool
from safelight.files import make_private_folder
from safelight.matching.flood import Flood, FloodGuard, FloodLimits
from safelight.matching.load import Loaded, Sources, load_files, load_from
from safelight.matching.rules import MatchPolicy
from safelight.model import History
from safelight.settings import Settings

if TYPE_CHECKING:
    from safelight.matching.graded import Graded


def private_home(settings: Settings) -> None:
    """Make the home folder, or refuse one that is not ours alone."""
    make_private_folder(settings.home)


@contextmanager
def examiner_for(
    settings: Settings, jobs: int, graded: "Graded | None" = None
) -> Iterator[tuple[Examiner, int]]:
    """Start the children; yield the examiner and how many files it takes at once.

    `graded`: what is not to be decoded.
    """
    count = jobs or len(os.sched_getaffinity(0))
    with make_pool(settings, children=count) as pool:
        pool.self_test()  # a sandbox that cannot start is said once, not once per file
        yield Examiner(pool, examine_limits(settings), graded), count


def note_matches(
    settings: Settings, counts: Mapping[int, int], guard: FloodGuard | None = None
) -> None:
    """Count matches of entries of lists in the database: what a list has found is its worth.

    What floods raises an alarm, and is told. A failure costs the count and not the scan: it is told
    and no more.
    """
    floods = guard.take_floods() if guard else []
    for flood in floods:
        say(f"warning: {_flood_told(flood)}")
    if not counts:
        return
    from safelight.app import open_app  # noqa: PLC0415 - the database is loaded when it is needed
    from safelight.store import alarms, matches  # noqa: PLC0415

    now = utc_now()
    raised = [
        alarms.NewAlarm(
            entry=flood.entry,
            day=now.date(),
            kind=flood.kind,
            matches=flood.matches,
            expected=flood.expected,
        )
        for flood in floods
    ]
    try:
        with open_app(settings) as app, app.transaction() as tx:
            matches.record(tx, counts, at=now)
            alarms.raise_alarms(tx, raised, at=now)
            if guard is not None:
                guard.renew(matches.histories(tx, today=now.date()))
    except SafelightError as exc:
        say(f"warning: how often each entry matched could not be noted: {exc}")


def _flood_told(flood: Flood) -> str:
    more = "it still counts" if flood.kind == "exact" else "such matches are marked"
    return (
        f"entry {flood.entry} of list {flood.list_name} matched {flood.matches:,} times today;"
        f" {flood.expected:,} would surprise nobody. {more.capitalize()}, and a person should look"
        " (safelight list alarms)."
    )


def flood_guard(settings: Settings, loaded: Loaded) -> FloodGuard:
    """Who marks the entries that suddenly match far more than before."""
    return guard_of(settings, loaded.histories)


def guard_of(settings: Settings, histories: Mapping[int, History]) -> FloodGuard:
    """The same, of entries with these histories."""
    limits = FloodLimits(least=settings.flood_least, times=settings.flood_times)
    return FloodGuard(limits, histories)


def load_matcher(settings: Settings, sources: Sources, policy: MatchPolicy) -> Loaded:
    """Load what to match against. Hash files need no database; lists open it and let go again."""
    if sources.hashes:
        loaded = load_files(sources, policy)
    else:
        loaded = _from_database(settings, sources, policy)
    for warning in loaded.warnings:
        say(f"warning: {warning}")
    return loaded


def _from_database(settings: Settings, sources: Sources, policy: MatchPolicy) -> Loaded:
    from safelight.app import open_app  # noqa: PLC0415 - the database is loaded when it is needed
    from safelight.store import matches  # noqa: PLC0415

    now = utc_now()
    with open_app(settings) as app:
        store, home = app.store, settings.home
        loaded = load_from(store, sources, policy, home=home, now=now, tell=_warn)
        with app.transaction() as tx:
            return replace(loaded, histories=matches.histories(tx, today=now.date()))


def _warn(text: str) -> None:
    say(f"warning: {text}")
