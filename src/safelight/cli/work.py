"""What several commands start with: a home folder, children to examine files, lists to match."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from safelight.cli.output import warn
from safelight.clock import utc_now
from safelight.examine import Examiner, examine_limits, make_pool
from safelight.files import make_private_folder
from safelight.matching.flood import FloodGuard, FloodLimits
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


def flood_guard(settings: Settings, loaded: Loaded) -> FloodGuard:
    """Who marks the entries that suddenly match far more than before."""
    return guard_of(settings, loaded.histories)


def guard_of(settings: Settings, histories: Mapping[int, History]) -> FloodGuard:
    """The same, of entries with these histories."""
    limits = FloodLimits(least=settings.flood_least, times=settings.flood_times)
    return FloodGuard(limits, histories, utc_now().date())


def load_matcher(
    settings: Settings, sources: Sources, policy: MatchPolicy, *, with_past: bool = False
) -> Loaded:
    """Load what to match against. Hash files need no database; lists open it and let go again.

    `with_past`: also how often each entry matched, which a flood guard needs.
    """
    if sources.hashes:
        loaded = load_files(sources, policy)
    else:
        loaded = _from_database(settings, sources, policy, with_past=with_past)
    for warning in loaded.warnings:
        warn(warning)
    return loaded


def _from_database(
    settings: Settings, sources: Sources, policy: MatchPolicy, *, with_past: bool
) -> Loaded:
    from safelight.app import open_app  # noqa: PLC0415 - the database is loaded when it is needed
    from safelight.store import matches  # noqa: PLC0415

    now = utc_now()
    with open_app(settings) as app:
        store, home = app.store, settings.home
        loaded = load_from(store, sources, policy, home=home, now=now, tell=warn)
        if not with_past:
            return loaded
        with app.transaction() as tx:
            return replace(loaded, histories=matches.histories(tx, today=now.date()))
