"""Rows of a hash file into a list: one transaction, COPY into a staging table, then set by set."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from safelight.errors import BadInput
from safelight.model import HashRow
from safelight.store.lists import HashList, end_of_ignoring, next_change
from safelight.store.staging import stage
from safelight.store.tables import entry, hash_list
from safelight.store.transaction import Transaction

# Each different hash once, with the id of its entry: that which is there, or a new one. A known
# quality beats an unknown one, and the mode `exact` an unknown one (it is the lesser word). Sorted
# by value, so that the index is filled in order.
_NUMBERED = """
CREATE TEMP TABLE numbered ON COMMIT DROP AS
SELECT {id} AS id, {is_new} AS is_new, hashes.* FROM (
    SELECT value, algorithm, max(quality) AS quality, min(mode) AS mode,
        min(their_id) AS their_id, max(their_class) AS their_class, count(*) AS times
    FROM staged GROUP BY value, algorithm ORDER BY value, algorithm
) AS hashes {there}
"""
_ALL_NEW = {"id": "nextval('entry_id_seq')", "is_new": "true", "there": ""}
_SOME_THERE = {
    "id": "coalesce(entry.id, nextval('entry_id_seq'))",
    "is_new": "entry.id IS NULL",
    "there": (
        "LEFT JOIN entry ON entry.list = :list AND entry.organisation = :organisation"
        " AND entry.algorithm = hashes.algorithm AND entry.value = hashes.value"
        " ORDER BY hashes.value, hashes.algorithm"
    ),
}

_ENTRIES = """
INSERT INTO entry (id, organisation, list, algorithm, value, quality, mode, change, observed)
OVERRIDING SYSTEM VALUE
SELECT id, :organisation, :list, algorithm, value, quality, mode, :change, :observe
FROM numbered WHERE is_new
"""

# What is better known, or said otherwise or again, of entries that were there: matching must learn
# of it as of a new one. One that was retracted comes back as a new one would come.
_BETTER = """
WITH spoken AS ({assertions} RETURNING entry)
UPDATE entry SET change = :change, retracted = false,
    observed = CASE WHEN entry.retracted THEN :observe ELSE entry.observed END,
    quality = greatest(entry.quality, numbered.quality), mode = least(entry.mode, numbered.mode)
FROM numbered LEFT JOIN (SELECT DISTINCT entry FROM spoken) AS said ON said.entry = numbered.id
WHERE entry.id = numbered.id AND NOT numbered.is_new
AND entry.organisation = :organisation AND (
    entry.quality < numbered.quality OR entry.mode > numbered.mode OR entry.retracted
    OR said.entry IS NOT NULL
)
"""

_FRAMES = """
INSERT INTO entry_frame (organisation, entry, number, milliseconds, quality, value)
SELECT DISTINCT ON (id, number) CAST(:organisation AS uuid), id, number, milliseconds,
    staged_frame.quality, frame
FROM staged_frame JOIN numbered USING (value)
WHERE is_new AND algorithm = 'vpdq' ORDER BY id, number
"""

_SAID_ONCE = "SELECT id, is_new, their_id, their_class FROM numbered WHERE times = 1"
_SAID_OFTEN = """
UNION ALL SELECT id, is_new, staged.their_id, max(staged.their_class)
FROM staged JOIN numbered USING (value, algorithm)
WHERE times > 1 GROUP BY id, is_new, staged.their_id
"""
_ASSERTIONS = """
INSERT INTO entry_assertion (organisation, entry, source, their_id, their_class, owner, expires_at)
SELECT :organisation, id, :source, their_id, their_class, :owner, CAST(:expires_at AS timestamptz)
FROM ({said}) AS said
"""

_RECLASSIFIED = """
SELECT count(*) FROM ({said}) AS said JOIN entry_assertion AS there
ON there.organisation = :organisation AND there.entry = said.id AND there.source = :source
AND there.their_id = said.their_id AND there.retracted_at IS NULL
WHERE NOT is_new AND there.their_class <> '' AND said.their_class NOT IN ('', there.their_class)
"""

# A source that says the same again changes nothing; a class it changed its mind about is replaced,
# and one it does not repeat stays, as do the owner and the end: who says nothing of an end has not
# taken it back.
_OF_NEW = " WHERE is_new"
_OF_OLD = """
WHERE NOT is_new AND NOT EXISTS (
    SELECT FROM entry_assertion AS there WHERE there.organisation = :organisation
    AND there.entry = said.id AND there.source = :source AND there.their_id = said.their_id
    AND there.retracted_at IS NULL AND said.their_class IN ('', there.their_class)
    AND :owner IN ('', there.owner)
    AND there.expires_at IS NOT DISTINCT FROM CASE WHEN :endless THEN NULL
        ELSE coalesce(CAST(:expires_at AS timestamptz), there.expires_at) END
)
ON CONFLICT (entry, source, their_id) DO UPDATE SET retracted_at = NULL,
    their_class = coalesce(nullif(excluded.their_class, ''), entry_assertion.their_class),
    owner = coalesce(nullif(excluded.owner, ''), entry_assertion.owner),
    expires_at = CASE WHEN :endless THEN NULL
        ELSE coalesce(excluded.expires_at, entry_assertion.expires_at) END
"""
# Entries that were there and that nobody stands by any more: all that was said of them has ended.
_ENDED = """
SELECT count(DISTINCT numbered.id) FROM numbered JOIN entry_assertion AS said
ON said.organisation = :organisation AND said.entry = numbered.id
WHERE NOT is_new AND said.expires_at <= now() AND said.retracted_at IS NULL AND NOT EXISTS (
    SELECT FROM entry_assertion AS lasts WHERE lasts.organisation = :organisation
    AND lasts.entry = numbered.id AND lasts.retracted_at IS NULL
    AND (lasts.expires_at IS NULL OR lasts.expires_at > now())
)
"""


_OWNER = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for all that an import brings."""

    owner: str = ""  # who answers for it here; empty: the source alone does
    until: datetime | None = None  # from then on it does not stand; None: as was said before
    endless: bool = False  # an end that was said before is taken back
    observe: bool = False  # no verdict hangs on what is new until the list is enabled

    def to_json(self) -> dict[str, Any]:
        """The terms as the audit trail has them: nothing that was not said."""
        ends = None if self.until is None else self.until.isoformat()
        terms = {"owner": self.owner, "until": ends, "endless": self.endless}
        terms["observe"] = self.observe
        return {name: value for name, value in terms.items() if value}


NO_TERMS = Terms()


def terms_of(
    tx: Transaction,
    list_: HashList,
    *,
    owner: str | None = None,
    until: datetime | None = None,
    endless: bool = False,
    observe: bool = False,
    now: datetime,
) -> Terms:
    """The terms of an import into this list; raise BadInput where they cannot be.

    What is to be ignored is ignored in somebody's name and not for ever: the actor's and for 365
    days, where nothing is said.
    """
    if owner is not None and (not owner.strip() or not owner.isprintable() or len(owner) > _OWNER):
        raise BadInput(f"The owner cannot be kept: 1 to {_OWNER} printable characters.")
    if until is not None and until <= now:
        raise BadInput(f"The end {until:%Y-%m-%d} has passed. Give a day to come.")
    if endless and (until is not None or list_.meaning == "ignore"):
        raise BadInput("There is an end, or there is none; what is to be ignored has one.")
    if list_.meaning == "ignore":
        end = until or end_of_ignoring(now)
        return Terms(owner=owner or tx.actor, until=end, observe=observe)
    return Terms(owner=owner or "", until=until, endless=endless, observe=observe)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCounts:
    """What became of the rows: `added` are new entries; the other good rows were there already.

    Of those the source gives `reclassified` another class than before, and that one stands; and
    `ended` match nothing, because all that was said of them has ended.
    """

    added: int
    already_there: int
    reclassified: int = 0
    ended: int = 0


def import_entries(
    tx: Transaction,
    list_: HashList,
    rows: Iterable[HashRow],
    *,
    source: str | None = None,
    terms: Terms = NO_TERMS,
    step: Callable[[str], None] = lambda _: None,
) -> ImportCounts:
    """Add the rows to the list, each with an assertion by `source` (the list's, if not given).

    Importing the same rows again adds nothing; what is better known by then is noted, and what was
    retracted stands again. An end or owner that was said before stays where `terms` say nothing of
    it. `step` is told what is done next, once all rows are read. Raise ListNotFound when the list
    has gone, and BadInput when it is to be ignored without an owner or an end.
    """
    connection = tx.connection
    facts: dict[str, Any] = {
        "organisation": tx.organisation,
        "list": list_.id,
        "change": next_change(tx, list_),
        "source": source or list_.source,
        "owner": terms.owner,
        "expires_at": terms.until,
        "endless": terms.endless,
        "observe": terms.observe,
    }
    _check_terms(tx, list_, terms)
    connection.execute(sa.text("SET LOCAL work_mem = '64MB'"))  # sorts in memory
    staged, frames = stage(connection, rows)
    step(f"Sorting {staged:,} hashes")
    numbered = _number(tx, list_, facts)
    step(f"Adding {numbered:,} hashes to the list")
    added = connection.execute(sa.text(_ENTRIES), facts).rowcount
    if frames:
        connection.execute(sa.text(_FRAMES), facts)
        connection.execute(sa.text("DROP TABLE staged_frame"))
    step("Noting who says so")
    changed = _assert(
        connection, facts, new=added > 0, old=added < numbered, often=numbered < staged
    )
    ended = connection.scalar(sa.text(_ENDED), facts) if added < numbered else 0
    connection.execute(sa.text("DROP TABLE staged, numbered"))
    counts = ImportCounts(
        added=added, already_there=staged - added, reclassified=changed, ended=int(ended or 0)
    )
    details = {"name": list_.name, "source": facts["source"], "change": facts["change"]}
    details |= {"added": counts.added, "already_there": counts.already_there}
    if changed:
        details["reclassified"] = changed
    details |= terms.to_json()
    tx.record("list.import", list_.subject, **details)
    return counts


def _check_terms(tx: Transaction, list_: HashList, terms: Terms) -> None:
    """Call it with the list's change taken: by then its meaning stays until the commit."""
    if terms.owner and terms.until:
        return
    meaning = sa.select(hash_list.c.meaning).where(hash_list.c.id == list_.id)
    if tx.connection.scalar(meaning) == "ignore":
        raise BadInput(
            f"The list {list_.name!r} is one to ignore: what comes on it needs an owner and an end."
            f" Import again: safelight list import {list_.name} FILE"
        )


def _number(tx: Transaction, list_: HashList, facts: dict[str, Any]) -> int:
    """Give each different hash the id of its entry; return how many there are."""
    some = sa.select(entry.c.id).where(entry.c.list == list_.id).limit(1)
    is_empty = tx.connection.scalar(some) is None
    statement = _NUMBERED.format_map(_ALL_NEW if is_empty else _SOME_THERE)
    return int(tx.connection.execute(sa.text(statement), facts).rowcount)


def _assert(
    connection: sa.Connection, facts: dict[str, Any], *, new: bool, old: bool, often: bool
) -> int:
    """Note who says it of the `new` entries and the `old`; `often`: of some several times.

    Returns how many entries are given another class than before.
    """
    said = _SAID_ONCE + (_SAID_OFTEN if often else "")
    statement = _ASSERTIONS.format(said=said)
    if new:
        connection.execute(sa.text(statement + _OF_NEW), facts)
    if not old:
        return 0
    connection.execute(sa.text("ANALYZE numbered"))
    changed = connection.scalar(sa.text(_RECLASSIFIED.format(said=said)), facts)
    connection.execute(sa.text(_BETTER.format(assertions=statement + _OF_OLD)), facts)
    return int(changed or 0)
