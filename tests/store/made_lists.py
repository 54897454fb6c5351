"""Lists with made-up hashes, for tests of what is done with lists."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

from safelight.model import Algorithm, HashRow, VideoFrame, video_value
from safelight.store import audit, entries, imports, lists
from safelight.store.lists import HashList, NewList
from safelight.store.transaction import Transaction

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FRAMES = (VideoFrame(0, 100, bytes(32)), VideoFrame(1000, 90, bytes([1]) * 32))
VIDEO = HashRow(1, Algorithm.VPDQ, video_value(FRAMES), None, "V", "A", frames=FRAMES)


def md5(number: int, their_id: str = "", their_class: str = "") -> HashRow:
    return HashRow(number, Algorithm.MD5, bytes([number]) * 16, None, their_id, their_class)


def pdq(number: int, quality: int | None = None) -> HashRow:
    return HashRow(number, Algorithm.PDQ, bytes([number]) * 32, quality)


def make_list(tx: Transaction, name: str, *rows: HashRow, **facts: Any) -> HashList:
    new = lists.create(tx, NewList(**{"name": name, "source": f"S-{name}", **facts}))
    terms = imports.terms_of(tx, new, now=NOW)
    imports.import_entries(tx, new, rows, terms=terms)
    return lists.get(tx, name)


def said_of(tx: Transaction, list_: HashList) -> dict[int, list[tuple[str, str, str, str]]]:
    return {
        entry.value[0]: [
            (one.source, one.their_id, one.their_class, one.derived_from)
            for one in entry.assertions
            if one.retracted_at is None
        ]
        for entry in entries.page(tx, list_)[0]
    }


def edit_list(tx: Transaction, list_: HashList, **facts: Any) -> HashList:
    now = lists.get(tx, list_.name)
    same = {name: getattr(now, name) for name in NewList.__dataclass_fields__}
    return lists.edit(tx, now, NewList(**{**same, **facts}), now=NOW).list_


def last_event(tx: Transaction) -> audit.AuditEvent:
    return list(audit.events(tx))[-1]


def within(tx: Transaction) -> Callable[[], AbstractContextManager[Transaction]]:
    """What begins a transaction, where all is to happen in this one."""
    return lambda: nullcontext(tx)
