"""`safelight match - --follow`: the lists as they are at each line, not at the start."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from safelight.app import open_app
from safelight.cli.output import say, warn
from safelight.cli.work import guard_of
from safelight.clock import utc_now
from safelight.matching.flood import FloodGuard
from safelight.matching.live import LiveMatcher
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy, not_widened
from safelight.matching.step import Matcher
from safelight.settings import Settings
from safelight.store import matches


@contextmanager
def followed(
    settings: Settings, sources: Sources, policy: MatchPolicy
) -> Iterator[tuple[Callable[[], Matcher], FloodGuard]]:
    """Follow the lists while the block runs; yield what gives the matcher of the moment."""
    with open_app(settings) as app:
        with app.transaction() as tx:
            histories = matches.histories(tx, today=utc_now().date())
        with LiveMatcher(app.store, sources.lists, home=settings.home, tell=warn) as live:
            for text in (*live.refused, *not_widened(live.matcher.lists, policy)):
                warn(text)
            if not len(live.matcher):
                warn("there is no hash list with entries yet; they are matched as they come.")
            yield _Telling(live).matcher, guard_of(settings, histories)


class _Telling:
    """Gives the matcher, and tells once when it cannot follow the lists, and when it can again."""

    def __init__(self, live: LiveMatcher) -> None:
        self._live, self._told, self._slowed = live, "", ""

    def matcher(self) -> Matcher:
        """The matcher as it is now."""
        problem = self._live.problem
        if problem and not self._told:
            warn(
                f"the hash lists cannot be followed: {problem} What is known of them is used, which"
                f" is {self._live.age:.0f} s old."
            )
        elif self._told and not problem:
            say("The hash lists are followed again.")
        self._told = problem
        slowed = self._live.slowed
        if slowed and not self._slowed:
            warn(f"searches get slower, though none misses anything: {slowed}")
        self._slowed = slowed
        return self._live.matcher
