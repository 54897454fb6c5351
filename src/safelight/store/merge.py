"""Lists merged into one, with who said what of each entry, and from which list it was taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from safelight.errors import BadInput, NotPermitted
from safelight.store.lists import HashList, next_change
from safelight.store.transaction import Transaction

_NUMBERED = """
CREATE TEMP TABLE merged ON COMMIT DROP AS
SELECT coalesce(there.id, nextval('entry_id_seq')) AS id, there.id IS NULL AS is_new,
    old.id AS old, old.algorithm, old.value, old.quality, old.mode
FROM entry AS old LEFT JOIN entry AS there ON there.list = :into
    AND there.organisation = :organisation
    AND there.algorithm = old.algorithm AND there.value = old.value
WHERE old.list = :list AND old.organisation = :organisation AND NOT old.retracted
ORDER BY old.value, old.algorithm
"""
_ENTRIES = """
INSERT INTO entry (id, organisation, list, algorithm, value, quality, mode, change)
OVERRIDING SYSTEM VALUE
SELECT id, :organisation, :into, algorithm, value, quality, mode, :change FROM merged WHERE is_new
"""
_FRAMES = """
INSERT INTO entry_frame (organisation, entry, number, milliseconds, quality, value)
SELECT :organisation, merged.id, number, milliseconds, entry_frame.quality, entry_frame.value
FROM entry_frame JOIN merged ON merged.old = entry_frame.entry
WHERE is_new AND entry_frame.organisation = :organisation
"""
# What the list has from the source itself is not replaced by what it hears of it from elsewhere.
_ASSERTIONS = """
INSERT INTO entry_assertion
    (organisation, entry, source, their_id, their_class, asserted_at, derived_from)
SELECT :organisation, merged.id, source, their_id, their_class, asserted_at,
    coalesce(nullif(derived_from, ''), :origin)
FROM entry_assertion JOIN merged ON merged.old = entry_assertion.entry
WHERE entry_assertion.organisation = :organisation AND retracted_at IS NULL
ON CONFLICT (entry, source, their_id) DO NOTHING
"""
_BETTER = """
UPDATE entry SET change = :change, quality = greatest(entry.quality, merged.quality),
    mode = least(entry.mode, merged.mode),
    retracted = NOT EXISTS (
        SELECT FROM entry_assertion
        WHERE entry_assertion.entry = entry.id AND retracted_at IS NULL
    )
FROM merged WHERE entry.id = merged.id AND NOT merged.is_new
AND entry.organisation = :organisation AND (
    entry.quality < merged.quality OR entry.mode > merged.mode OR entry.retracted
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeCounts:
    """What became of the entries of the merged lists."""

    added: int
    already_there: int


def merge(tx: Transaction, into: HashList, lists: Sequence[HashList]) -> MergeCounts:
    """Add to `into` what stands of the lists, which stay as they are.

    Assertions keep their source, id, class and time, and name the list they were taken from. Raise
    NotPermitted when `into` permits more than one of the lists does; that is audited.
    """
    for list_ in lists:
        _check(tx, into, list_)
    tx.connection.execute(sa.text("SET LOCAL work_mem = '64MB'"))
    added = already_there = 0
    change = next_change(tx, into)
    for list_ in lists:
        facts = {
            "organisation": tx.organisation,
            "into": into.id,
            "list": list_.id,
            "change": change,
            "origin": list_.subject,
        }
        new, old = _merge_one(tx.connection, facts)
        added, already_there = added + new, already_there + old
    counts = MergeCounts(added=added, already_there=already_there)
    merged = [{"name": list_.name, "list": list_.subject} for list_ in lists]
    details: dict[str, Any] = {"added": added, "already_there": already_there}
    tx.record("list.merge", into.subject, name=into.name, merged=merged, change=change, **details)
    return counts


def _merge_one(connection: sa.Connection, facts: dict[str, Any]) -> tuple[int, int]:
    every = connection.execute(sa.text(_NUMBERED), facts).rowcount
    connection.execute(sa.text("ANALYZE merged"))
    new = connection.execute(sa.text(_ENTRIES), facts).rowcount
    for statement in (_FRAMES, _ASSERTIONS, _BETTER):
        connection.execute(sa.text(statement), facts)
    connection.execute(sa.text("DROP TABLE merged"))
    return new, every - new


def _check(tx: Transaction, into: HashList, list_: HashList) -> None:
    if list_.id == into.id:
        raise BadInput(f"The list {into.name!r} cannot be merged into itself.")
    if (into.meaning == "ignore") != (list_.meaning == "ignore"):
        raise BadInput(
            f"Of {into.name!r} and {list_.name!r} only one has the meaning ignore: what is to be "
            "found and what is to be passed over do not go on one list."
        )
    too_much = _laxer(into, list_)
    if too_much:
        reason = (
            f"The list {into.name!r} permits more than {list_.name!r} does: {too_much}. Narrow it "
            f"first with: safelight list edit {into.name}"
        )
        tx.record_refusal(
            "list.refuse", list_.subject, name=list_.name, purpose="merge", reason=reason
        )
        raise NotPermitted(reason)


def _laxer(into: HashList, list_: HashList) -> str:
    """What `into` permits and the list does not; empty if nothing."""
    more = sorted(set(into.permitted_purposes) - set(list_.permitted_purposes))
    if more:
        return f"the purposes {', '.join(more)}"
    order = ("forbidden", "unknown", "permitted")
    if order.index(into.redistribution) > order.index(list_.redistribution):
        return f"redistribution is {into.redistribution}, not {list_.redistribution}"
    if list_.expires_at is not None and _end(into) > list_.expires_at:
        return f"it does not end on {list_.expires_at.date()}"
    others = sorted(set(into.permitted_organisations) - set(list_.permitted_organisations))
    return f"the organisations {', '.join(others)}" if others else ""


def _end(list_: HashList) -> datetime:
    return list_.expires_at or datetime.max.replace(tzinfo=list_.created_at.tzinfo)
