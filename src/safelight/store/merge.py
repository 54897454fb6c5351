"""Lists merged into one, with who said what of each entry, and from which list it was taken."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from safelight.errors import BadInput, NotPermitted
from safelight.store.lists import HashList, next_change
from safelight.store.transaction import Transaction

_NUMBERED = """
CREATE TEMP TABLE merged ON COMMIT DROP AS
SELECT coalesce(there.id, nextval('entry_id_seq')) AS id, there.id IS NULL AS is_new,
    old.id AS old, old.algorithm, old.value, old.quality, old.mode, old.observed, old.near
FROM entry AS old LEFT JOIN entry AS there ON there.list = :into
    AND there.organisation = :organisation
    AND there.algorithm = old.algorithm AND there.value = old.value
WHERE old.list = :list AND old.organisation = :organisation AND NOT old.retracted
ORDER BY old.value, old.algorithm
"""
_ENTRIES = """
INSERT INTO entry
    (id, organisation, list, algorithm, value, quality, mode, change, observed, near)
OVERRIDING SYSTEM VALUE
SELECT id, :organisation, :into, algorithm, value, quality, mode, :change, observed, near
FROM merged WHERE is_new
"""
_FRAMES = """
INSERT INTO entry_frame (organisation, entry, number, milliseconds, quality, value)
SELECT :organisation, merged.id, number, milliseconds, entry_frame.quality, entry_frame.value
FROM entry_frame JOIN merged ON merged.old = entry_frame.entry
WHERE is_new AND entry_frame.organisation = :organisation
"""
# What the list has from the source itself is not replaced by what it hears of it from elsewhere.
_ASSERTIONS = """
INSERT INTO entry_assertion (organisation, entry, source, their_id, their_class, asserted_at,
    derived_from, owner, expires_at)
SELECT :organisation, merged.id, source, their_id, their_class, asserted_at,
    coalesce(nullif(derived_from, ''), :origin), owner, expires_at
FROM entry_assertion JOIN merged ON merged.old = entry_assertion.entry
WHERE entry_assertion.organisation = :organisation AND retracted_at IS NULL
ON CONFLICT (entry, source, their_id) DO NOTHING
"""
# What is better known of entries that were there, or said by one more: matching must learn of it.
# One that was retracted stands again where somebody else says it.
_BETTER = """
UPDATE entry SET change = :change, quality = greatest(entry.quality, merged.quality),
    mode = least(entry.mode, merged.mode),
    retracted = entry.retracted AND said.entry IS NULL,
    observed = CASE WHEN entry.retracted THEN merged.observed ELSE entry.observed END
FROM merged LEFT JOIN (SELECT DISTINCT entry FROM spoken) AS said ON said.entry = merged.id
WHERE entry.id = merged.id AND NOT merged.is_new
AND entry.organisation = :organisation AND (
    entry.quality < merged.quality OR entry.mode > merged.mode OR said.entry IS NOT NULL
)
"""

_STILL_SILENT = """
SELECT count(*) FROM entry AS there JOIN entry AS old USING (algorithm, value)
WHERE there.list = :into AND there.organisation = :organisation AND there.retracted
AND old.list = :list AND old.organisation = :organisation AND NOT old.retracted
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeCounts:
    """What became of the entries of the merged lists."""

    added: int
    already_there: int
    retracted_here: int = 0  # their sources took them back on `into`: they stay so


def merge(
    tx: Transaction, into: HashList, lists: Sequence[HashList], *, i_may: str = ""
) -> MergeCounts:
    """Add to `into` what stands of the lists, which stay as they are.

    Assertions keep their source, id, class and time, and name the list they were taken from. What a
    source took back on `into` stays so: a merge brings no new word of that source. Raise
    NotPermitted, audited, when `into` permits more than one of the lists does; and where its
    entries would mean or do more there than on their list, unless `i_may` says why they may.
    """
    if i_may and not i_may.isprintable():
        raise BadInput("The reason cannot be kept: give printable characters, on one line.")
    for list_ in lists:
        _check(tx, into, list_, i_may=i_may)
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
    silent = _still_silent(tx, into, lists)
    counts = MergeCounts(added=added, already_there=already_there - silent, retracted_here=silent)
    merged = [{"name": list_.name, "list": list_.subject} for list_ in lists]
    details: dict[str, Any] = {**asdict(counts), **({"reason": i_may} if i_may else {})}
    tx.record("list.merge", into.subject, name=into.name, merged=merged, change=change, **details)
    return counts


def _still_silent(tx: Transaction, into: HashList, lists: Sequence[HashList]) -> int:
    """How many entries of the lists are on `into`, but were taken back there."""
    facts = {"organisation": tx.organisation, "into": into.id}
    counts = (
        tx.connection.scalar(sa.text(_STILL_SILENT), {**facts, "list": list_.id}) for list_ in lists
    )
    return sum(int(number or 0) for number in counts)


def _merge_one(connection: sa.Connection, facts: dict[str, Any]) -> tuple[int, int]:
    every = connection.execute(sa.text(_NUMBERED), facts).rowcount
    connection.execute(sa.text("ANALYZE merged"))
    new = connection.execute(sa.text(_ENTRIES), facts).rowcount
    said_and_better = f"WITH spoken AS ({_ASSERTIONS} RETURNING entry) {_BETTER}"
    for statement in (_FRAMES, said_and_better):
        connection.execute(sa.text(statement), facts)
    connection.execute(sa.text("DROP TABLE merged"))
    return new, every - new


def _check(tx: Transaction, into: HashList, list_: HashList, *, i_may: str) -> None:
    if list_.id == into.id:
        raise BadInput(f"The list {into.name!r} cannot be merged into itself.")
    if (into.meaning == "ignore") != (list_.meaning == "ignore"):
        raise BadInput(
            f"Of {into.name!r} and {list_.name!r} only one has the meaning ignore: what is to be "
            "found and what is to be passed over do not go on one list."
        )
    reason = ""
    if too_much := _laxer(into, list_):
        reason = (
            f"The list {into.name!r} permits more than {list_.name!r} does: {too_much}. Narrow it "
            f"first with: safelight list edit {into.name}"
        )
    elif not i_may.strip() and (more := _says_more(into, list_) or _does_more(into, list_)):
        reason = f"{more}, or say with --i-may why they may."
    if reason:
        tx.record_refusal(
            "list.refuse", list_.subject, name=list_.name, purpose="merge", reason=reason
        )
        raise NotPermitted(reason)


def _says_more(into: HashList, list_: HashList) -> str:
    """What `into` says of entries and the list does not; empty if nothing."""
    said = (into.meaning, into.source_term)
    if into.meaning == "unverified" or said == (list_.meaning, list_.source_term):
        return ""
    return (
        f"What is on {into.name!r} is said to be {_meaning(into)}, and what is on {list_.name!r}"
        f" {_meaning(list_)}: entries would be called what nobody called them. Merge into a list"
        " whose meaning is unverified"
    )


def _meaning(list_: HashList) -> str:
    return repr(list_.source_term) if list_.source_term else list_.meaning.replace("_", " ")


def _does_more(into: HashList, list_: HashList) -> str:
    """That entries which no verdict hangs on would have one hang on them; empty if not so."""
    order = ("disabled", "observe", "enabled")
    if order.index(into.state) <= order.index(list_.state):
        return ""
    states = {"disabled": "disabled", "observe": "only observed", "enabled": "enabled"}
    return (
        f"The list {list_.name!r} is {states[list_.state]}, and {into.name!r} is"
        f" {states[into.state]}: its entries would be used as they are not now. Enable it first"
        f" (safelight list enable {list_.name})"
    )


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
