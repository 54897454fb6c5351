"""What several commands start with: a home folder, children to examine files, lists to match."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from safelight.cli.output import say
from safelight.clock import utc_now
from safelight.errors import SafelightError
from safelight.examine import Examiner, examine_limits, make_pool
from safelight.files import make_private_folder
from safelight.matching.load import Loaded, Sources, load_files, load_from
from safelight.matching.rules import MatchPolicy
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


def note_matches(settings: Settings, counts: Mapping[int, int]) -> None:
    """Count matches of entries of lists in the database: what a list has found is its worth.

    A failure costs the count and not the scan: it is told and no more.
    """
    if not counts:
        return
    from safelight.app import open_app  # noqa: PLC0415 - the database is loaded when it is needed
    from safelight.store import matches  # noqa: PLC0415

    try:
        with open_app(settings) as app, app.transaction() as tx:
            matches.record(tx, counts, at=utc_now())
    except SafelightError as exc:
        say(f"warning: how often each entry matched could not be noted: {exc}")


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

    with open_app(settings) as app:
        return load_from(app.store, sources, policy, home=settings.home, now=utc_now(), tell=_warn)


def _warn(text: str) -> None:
    say(f"warning: {text}")
