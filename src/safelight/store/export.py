"""The entries of a list to be given away: checked, audited, read as they are written."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from safelight.errors import BadInput, NotPermitted
from safelight.model import Algorithm, VideoFrame
from safelight.store.entries import Entry, page
from safelight.store.lists import HashList
from safelight.store.origins import origins_of, why_not_given
from safelight.store.tables import entry_frame
from safelight.store.transaction import Transaction

_PAGE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An entry that stands, with the frames of a video."""

    entry: Entry
    frames: tuple[VideoFrame, ...] = ()


def check_export(tx: Transaction, list_: HashList, *, i_may: str = "", now: datetime) -> None:
    """Raise NotPermitted, audited, when the list may not be given away now.

    The lists its entries were taken from are asked too. Where nobody noted whether one of these may
    be passed on, or one is gone, `i_may` must say why it may.
    """
    if i_may and not i_may.isprintable():
        raise BadInput("The reason cannot be kept: give printable characters, on one line.")
    origins = origins_of(tx, list_)
    reason = next(why_not_given(tx, list_, origins, i_may=i_may, now=now), "")
    if reason:
        facts = {"name": list_.name, "purpose": "export", "reason": reason}
        tx.record_refusal("list.refuse", list_.subject, **facts)
        raise NotPermitted(reason)


def entries_to_export(tx: Transaction, list_: HashList, *, now: datetime) -> Iterator[Exported]:
    """Every entry that stands, by number, with what is said of it that stands.

    Ask `check_export` first, and `record_export` after.
    """
    after: int | None = 0
    while after is not None:
        found, after = page(tx, list_, after=after, limit=_PAGE)
        videos = [one.id for one in found if one.algorithm is Algorithm.VPDQ]
        frames = _frames(tx, videos) if videos else {}
        for one in found:
            said = tuple(assertion for assertion in one.assertions if assertion.stands(now))
            if said and not one.retracted:
                entry = replace(one, assertions=said)
                yield Exported(entry=entry, frames=tuple(frames.get(one.id, ())))


def record_export(
    tx: Transaction, list_: HashList, *, form: str, entries: int, left_out: int, i_may: str
) -> None:
    """Have the export audited."""
    facts = {"name": list_.name, "format": form, "entries": entries, "left_out": left_out}
    tx.record("list.export", list_.subject, **facts, **({"reason": i_may} if i_may else {}))


def _frames(tx: Transaction, ids: list[int]) -> dict[int, list[VideoFrame]]:
    frame = entry_frame.c
    query = sa.select(frame.entry, frame.milliseconds, frame.quality, frame.value).where(
        frame.organisation == tx.organisation, frame.entry.in_(ids)
    )
    found: dict[int, list[VideoFrame]] = {}
    for identity, *facts in tx.connection.execute(query.order_by(frame.entry, frame.number)):
        found.setdefault(identity, []).append(VideoFrame(facts[0], facts[1], bytes(facts[2])))
    return found
