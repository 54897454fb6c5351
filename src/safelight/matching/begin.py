"""Where following begins: with what is kept on disk, brought up to the present, or with all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Thread
from uuid import UUID

from safelight.errors import CorruptFile, SafelightError
from safelight.matching.content import ListContents
from safelight.matching.following import Followed
from safelight.matching.kept import (
    LEAST_KEPT,
    Kept,
    check_kept,
    is_worn,
    keep,
    kept_folder,
    open_kept,
)
from safelight.matching.kept_files import discard, tidy
from safelight.store.changes import Changes, changes_since, has_mark
from safelight.store.database import Store
from safelight.store.lists import HashList, lists_for_matching
from safelight.store.transaction import Transaction

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Lists that are followed as they were at one moment, and what of them is kept on disk."""

    followed: Followed
    lists: tuple[HashList, ...]  # that may be matched; as asked for, or by name
    left_out: tuple[str, ...]  # why others may not
    organisation: UUID
    only: frozenset[UUID] | None  # None: every list
    kept: Kept | None

    def settle(self, home: Path, *, now: datetime, tell: Tell, again: bool = False) -> Thread:
        """Do in the background what the next start is to find: check, or keep anew.

        `again`: later, while the lists are followed; nothing is checked then. What goes wrong is
        told, and costs no answer.
        """
        work: Callable[[Path, datetime], None] = self._tidy
        if self.only is None and is_worn(self.followed, now):
            work = self._keep
        elif not again and self.kept is not None and not self.kept.is_checked:
            work = self._check
        folder = kept_folder(home, self.organisation)

        def run() -> None:
            try:
                work(folder, now)
            except SafelightError as exc:
                tell(str(exc))

        # A process waits until all is written, and does not read to the end for its own sake.
        thread = Thread(target=run, name="safelight-kept", daemon=work == self._check)
        thread.start()
        return thread

    def _keep(self, folder: Path, now: datetime) -> None:
        if len(self.followed.matcher) >= LEAST_KEPT:
            keep(folder, self.organisation, self.followed, now=now)
        else:
            discard(folder)

    def _tidy(self, folder: Path, _now: datetime) -> None:
        tidy(folder)

    def _check(self, _folder: Path, now: datetime) -> None:
        assert self.kept is not None  # noqa: S101 - `settle` has seen to it
        try:
            check_kept(self.kept)
        except CorruptFile as exc:
            raise CorruptFile(
                f"{exc} Matches may have been missed since {now.isoformat(timespec='seconds')}: do"
                " this again. It is read from the database then."
            ) from exc


def begin(
    store: Store, names: Sequence[str], *, home: Path | None, now: datetime, tell: Tell
) -> Begun:
    """Load the lists of these names, or all that may be matched.

    `home`: where what is kept may be found; None: read everything. What cannot be used of it is
    told. Raise ListNotFound or NotPermitted for a list that was asked for, DatabaseUnavailable.
    """
    with store.transaction() as tx:
        named, reasons = lists_for_matching(tx, names, now=now)
        organisation = tx.organisation
    only = frozenset(one.id for one in named) if names else None
    with store.transaction(snapshot=True) as tx:
        kept = None if home is None else _usable(tx, home, tell)
        followed = Followed(contents=ListContents()) if kept is None else kept.followed
        if only is not None:
            followed.only(only)
        changes = changes_since(tx, followed.place.position, only=only, now=now)
        if kept is not None and _is_ahead(followed, changes):
            tell("What is kept on disk is ahead of the database; all is read anew.")
            kept, followed = None, Followed(contents=ListContents())
            changes = changes_since(tx, {}, only=only, now=now)
    followed.take(changes)
    usable = {one.id: one for one in changes.usable}
    return Begun(
        followed=followed,
        lists=tuple(usable[one.id] for one in named if one.id in usable)
        if names
        else changes.usable,
        left_out=tuple(reasons),
        organisation=organisation,
        only=only,
        kept=kept,
    )


def _usable(tx: Transaction, home: Path, tell: Tell) -> Kept | None:
    """What is kept, if it is whole and of this database as it is; else it is told why not."""
    try:
        kept = open_kept(kept_folder(home, tx.organisation), tx.organisation)
    except SafelightError as exc:
        tell(f"What is kept on disk cannot be used, all is read from the database: {exc}")
        return None
    if kept is None:
        return None
    mark = kept.followed.place.mark
    if mark is None or not has_mark(tx, mark):
        tell("What is kept on disk is of another database, or of another past; all is read anew.")
        return None
    return kept


def _is_ahead(followed: Followed, changes: Changes) -> bool:
    """Tell whether more is known of a list than there is."""
    position = followed.place.position
    return any(position.get(one.id, 0) > one.change for one in changes.usable)
