"""Whether the entries of a list may be given away: by the list, and by those they came from."""

from collections.abc import Iterable, Iterator
from datetime import datetime

import sqlalchemy as sa

from safelight.errors import NotPermitted
from safelight.store.lists import HashList, by_subject, check_use
from safelight.store.tables import entry, entry_assertion
from safelight.store.transaction import Transaction


def origins_of(tx: Transaction, list_: HashList) -> list[str]:
    """The lists, as `derived_from` names them, that what stands on this one was taken from."""
    said = entry_assertion.c
    query = (
        sa.select(said.derived_from)
        .select_from(entry_assertion.join(entry, entry.c.id == said.entry))
        .where(entry.c.list == list_.id, entry.c.organisation == tx.organisation)
        .where(said.organisation == tx.organisation, ~entry.c.retracted)
        .where(said.derived_from != "", said.retracted_at.is_(None))
    )
    return sorted(tx.connection.scalars(query.distinct()))


def why_not_given(
    tx: Transaction,
    list_: HashList,
    origins: Iterable[str],
    *,
    i_may: str = "",
    now: datetime,
) -> Iterator[str]:
    """Why entries of the list, taken over from `origins`, may not be given away now; none if so.

    Each list is asked for what it permits now, not when its entries were taken over. Where nobody
    noted whether it may be passed on, and where it is gone, `i_may` must say why it may.
    """
    yield from _why_not(list_, i_may=i_may, now=now)
    origins = sorted(set(origins) - {list_.subject})
    found = by_subject(tx, origins)
    for origin in origins:
        if origin in found:
            for reason in _why_not(found[origin], i_may=i_may, now=now):
                yield f"Entries of {list_.name!r} were taken from {found[origin].name!r}. {reason}"
        elif not i_may.strip():
            yield (
                f"Entries of {list_.name!r} were taken from a list that is gone ({origin}), so that"
                " nobody can ask it. Find out with safelight audit show which it was and what it"
                " permitted, and say with --i-may why you may."
            )


def why_shortened(
    tx: Transaction, list_: HashList, origins: Iterable[str], *, now: datetime
) -> str:
    """Why a person may not see whole values of the list; empty if they may.

    As for an export; but a person who looks hands nothing on, so that lists of which nobody noted
    whether they may be passed on are no reason. One that is gone is.
    """
    origins = sorted(set(origins))
    found = by_subject(tx, origins)
    if gone := [origin for origin in origins if origin not in found]:
        return f"Entries of {list_.name!r} were taken from a list that is gone ({gone[0]})."
    return next(why_not_given(tx, list_, origins, i_may="only looked at", now=now), "")


def _why_not(list_: HashList, *, i_may: str, now: datetime) -> Iterator[str]:
    try:
        check_use(list_, purpose="export", now=now)
    except NotPermitted as exc:
        yield str(exc)
    if list_.redistribution == "forbidden":
        yield f"The list {list_.name!r} may not be given away: its redistribution is forbidden."
    elif list_.redistribution == "unknown" and not i_may.strip():
        yield (
            f"Nobody noted whether the list {list_.name!r} may be given away. Find out and note it "
            f"(safelight list edit {list_.name} --redistribution), or say with --i-may why you may."
        )
