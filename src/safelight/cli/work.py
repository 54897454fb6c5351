"""What several commands start with: a home folder, children to examine files, lists to match."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from safelight.app import open_app
from safelight.errors import BadSetting
from safelight.examine import Examiner, open_examiner
from safelight.files import PRIVATE_FOLDER, disk_errors
from safelight.matching.load import Sources, batches_from_files, batches_from_store
from safelight.matching.step import Matcher
from safelight.settings import Settings


def private_home(settings: Settings) -> None:
    """Make the home folder, or refuse one that other users can look into."""
    with disk_errors(settings.home):
        settings.home.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        if settings.home.stat().st_mode & 0o022:
            raise BadSetting(
                f"SAFELIGHT_HOME ({settings.home}) can be written by other users:"
                f" chmod go-w {settings.home}, or name another folder."
            )


@contextmanager
def examiner_for(settings: Settings, jobs: int) -> Iterator[tuple[Examiner, int]]:
    """Start the children; yield the examiner and how many files it takes at once."""
    count = jobs or len(os.sched_getaffinity(0))
    with open_examiner(settings, children=count) as examiner:
        yield examiner, count


def load_matcher(settings: Settings, sources: Sources) -> Matcher:
    """Load what to match against. Hash files need no database; lists open it and let go again."""
    if sources.hashes:
        return Matcher(batches_from_files(sources.hashes, sources.algorithm))
    with open_app(settings) as app, app.transaction() as tx:
        return Matcher(batches_from_store(tx, sources.lists))
