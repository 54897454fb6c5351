"""A matcher that follows the lists of the database, in this process, whoever changes them.

It hears of a change when that is committed and reads what is new, a few milliseconds later. What
it did not hear, because the connection was lost or nothing was heard on it, it finds by looking
anyway every so often, and after every new connection: the lists number their changes. While the
database is away it matches with what it has, and tells how old that is.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from uuid import UUID

from safelight.clock import utc_now
from safelight.errors import SafelightError
from safelight.matching.begin import Begun, begin
from safelight.matching.following import Followed
from safelight.matching.step import Matcher
from safelight.store.changes import CHANNEL, Changes, changes_since, record_refused
from safelight.store.database import Store
from safelight.store.listen import Listener

LOOKED_EVERY = 30.0  # seconds, though nothing was heard
KEPT_EVERY = 600.0  # seconds at least, from one look at what is kept on disk to the next

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 15.0  # seconds, between attempts to come by a connection


class LiveMatcher:
    """Follows lists from `start` to `close`, or as a context manager.

        with LiveMatcher(store) as live:
            hits = live.matcher.hash_hits(algorithm, value, policy)

    `names` are the lists to follow; none: all enabled and observed ones, also those that are made
    later. A list that is renamed is still followed; one that may no longer be matched is not
    matched from the next look on, and from its end on by the clock (`rules.current`).
    """

    def __init__(
        self,
        store: Store,
        names: Sequence[str] = (),
        *,
        every: float = LOOKED_EVERY,
        clock: Callable[[], datetime] = utc_now,
        home: Path | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`home`: begin with what is kept there; `tell` is told what of it could not be used."""
        self._store, self._names, self._every, self._clock = store, tuple(names), every, clock
        self._home, self._tell = home, tell
        self._followed = Followed()
        self._only: frozenset[UUID] | None = None
        self._organisation = ""
        self._looking, self._stopping = Lock(), Event()
        self._listener: Listener | None = None
        self._thread: Thread | None = None
        self._told: set[tuple[UUID, str]] = set()
        self._audited: set[str] = set()  # why lists were left out when it began
        self._caught_up = float("-inf")
        self._problem, self._pause = "", _FIRST_PAUSE
        self._refused: tuple[str, ...] = ()
        self._begun: Begun | None = None
        self._settling: Thread | None = None
        self._settled = float("-inf")

    # -- what there is --

    @property
    def matcher(self) -> Matcher:
        """What to search. From the start on it is always the same one, and changes."""
        return self._followed.matcher

    @property
    def position(self) -> Mapping[UUID, int]:
        """Up to which change each list is known."""
        return self._followed.place.position

    @property
    def age(self) -> float:
        """Seconds since the lists were last found to be as they are here."""
        return time.monotonic() - self._caught_up

    @property
    def problem(self) -> str:
        """Why the lists cannot be followed just now; empty while they are."""
        return self._problem

    @property
    def slowed(self) -> str:
        """Why searches get slower and slower, though nothing is missed; empty while they do not."""
        error = self.matcher.state.pdq.index.statistics().merge_error
        return "" if error is None else f"New hashes cannot be joined with the others: {error}"

    @property
    def refused(self) -> tuple[str, ...]:
        """Why lists are not matched that are enabled or were asked for."""
        return self._refused

    # -- following --

    def start(self) -> None:
        """Load the lists and begin to follow them.

        Raise DatabaseUnavailable; ListNotFound or NotPermitted for a list that was asked for.
        """
        self._listener = self._store.listen(CHANNEL)  # before the first look: nothing is missed
        try:
            self._begin()
            self.catch_up()
        except BaseException:
            self._listener.close()
            raise
        self._thread = Thread(target=self._follow, name="safelight-lists", daemon=True)
        self._thread.start()

    def _begin(self) -> None:
        now = self._clock()
        begun = begin(self._store, self._names, home=self._home, now=now, tell=self._tell)
        self._followed, self._only = begun.followed, begun.only
        self._organisation = str(begun.organisation)
        self._begun = begun
        self._audited |= set(begun.left_out)
        if self._home is None:
            self._followed.contents = None  # nobody asks
        self._settle(again=False)

    def _settle(self, *, again: bool) -> None:
        """Have kept on disk what is followed, where it is not or is worn; not all the time."""
        if self._home is None or self._begun is None or self._is_settling():
            return
        if time.monotonic() - self._settled >= KEPT_EVERY:
            self._settled = time.monotonic()
            self._settling = self._begun.settle(
                self._home, now=self._clock(), tell=self._tell, again=again
            )

    def _is_settling(self) -> bool:
        return self._settling is not None and self._settling.is_alive()

    def close(self) -> None:
        """Stop following. The matcher stays as it is."""
        self._stopping.set()
        if self._thread is None:
            return
        listener = self._listener
        if listener is not None:
            listener.wake()
        self._thread.join()

    def __enter__(self) -> "LiveMatcher":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def catch_up(self) -> None:
        """Take in what has changed until now. Raise DatabaseUnavailable."""
        with self._looking:
            began = time.monotonic()
            with self._store.transaction(snapshot=True) as tx:
                position = self._followed.place.position
                changes = changes_since(tx, position, only=self._only, now=self._clock())
            self._followed.take(changes)
            self._caught_up = began
            self._note_refused(changes)

    def _note_refused(self, changes: Changes) -> None:
        """Have it audited, once, that a list was not used."""
        self._refused = tuple(reason for _, reason in changes.refused)
        new = [one for one in changes.refused if (one[0].id, one[1]) not in self._told]
        new = [one for one in new if one[1] not in self._audited]
        if new:
            with self._store.transaction() as tx:
                record_refused(tx, new)
            self._told |= {(list_.id, reason) for list_, reason in new}

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(self._listener or self._store.listen(CHANNEL)) as listener:
                    self._listener = listener
                    self._hear(listener)
            except SafelightError as exc:
                self._problem = str(exc)
            except Exception as exc:  # noqa: BLE001 - nothing may end this but `close`; it is told
                self._problem = f"The lists could not be read: {type(exc).__name__}: {exc}"
            self._listener = None
            self._stopping.wait(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _hear(self, listener: Listener) -> None:
        """Catch up whenever something is told, and now and then; until stopped or it fails."""
        self.catch_up()  # what was told before anybody listened
        self._problem, self._pause = "", _FIRST_PAUSE
        due = time.monotonic() + self._every
        while not self._stopping.is_set():
            told = listener.wait(max(0.0, due - time.monotonic()))
            if self._organisation in told or time.monotonic() >= due:
                self.catch_up()
                self._settle(again=True)
                due = time.monotonic() + self._every
