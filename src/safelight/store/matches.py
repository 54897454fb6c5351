"""How often each entry was matched, in all and on each day, noted in batches after a scan."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from safelight.model import History
from safelight.store.transaction import Transaction

# Entries that have gone since, or are another organisation's, are passed over.
_OF_ENTRIES = """
FROM unnest(CAST(:entries AS bigint[]), CAST(:matches AS bigint[])) AS said (entry, matches)
JOIN entry ON entry.id = said.entry AND entry.organisation = :organisation
ORDER BY entry.id
"""
_RECORD = f"""
INSERT INTO entry_match_count AS known (organisation, entry, matches, first_at, last_at)
SELECT :organisation, entry.id, said.matches, :at, :at {_OF_ENTRIES}
ON CONFLICT (entry) DO UPDATE SET matches = known.matches + excluded.matches,
    first_at = least(known.first_at, excluded.first_at),
    last_at = greatest(known.last_at, excluded.last_at)
"""
_RECORD_DAY = f"""
INSERT INTO entry_match_day AS known (organisation, entry, day, matches)
SELECT :organisation, entry.id, :day, said.matches {_OF_ENTRIES}
ON CONFLICT (entry, day) DO UPDATE SET matches = known.matches + excluded.matches
"""
# Whoever else does the same just now has the rows locked: they are gone either way.
_FORGET = """
DELETE FROM entry_match_day WHERE (entry, day) IN (
    SELECT entry, day FROM entry_match_day
    WHERE organisation = :organisation AND day < :first FOR UPDATE SKIP LOCKED
)
"""
_HISTORY = """
SELECT entry, count(*) FILTER (WHERE day < :today),
    coalesce(max(matches) FILTER (WHERE day < :today), 0),
    coalesce(max(matches) FILTER (WHERE day = :today), 0)
FROM entry_match_day
WHERE organisation = :organisation {of_entries} AND day BETWEEN :first AND :today
GROUP BY entry
"""
_OF_SOME = "AND entry = ANY(CAST(:entries AS bigint[]))"
_AT_A_TIME = 50_000
DAYS_KEPT = 90


def record(tx: Transaction, counts: Mapping[int, int], *, at: datetime) -> None:
    """Add the number of matches of each entry, by the entry's number, as of `at`.

    The numbers of single days are forgotten after 90.
    """
    day = at.astimezone(UTC).date()
    numbers = sorted(counts.items())
    for first in range(0, len(numbers), _AT_A_TIME):
        some = numbers[first : first + _AT_A_TIME]
        facts = {
            "organisation": tx.organisation,
            "entries": [entry for entry, _ in some],
            "matches": [number for _, number in some],
        }
        tx.connection.execute(sa.text(_RECORD), {**facts, "at": at})
        tx.connection.execute(sa.text(_RECORD_DAY), {**facts, "day": day})
    oldest = {"organisation": tx.organisation, "first": day - timedelta(days=DAYS_KEPT)}
    tx.connection.execute(sa.text(_FORGET), oldest)


def histories(tx: Transaction, *, today: date, days: int = 28) -> dict[int, History]:
    """How often each entry that matched today or on the `days` before did so."""
    facts = {
        "organisation": tx.organisation,
        "today": today,
        "first": today - timedelta(days=days),
    }
    rows = tx.connection.execute(sa.text(_HISTORY.format(of_entries="")), facts)
    return {entry: History(*numbers) for entry, *numbers in rows}


def history(
    tx: Transaction, entries: Sequence[int], *, today: date, days: int = 28
) -> dict[int, History]:
    """How often these entries matched today and on the `days` before; none of those that did not.

    `days` is up to 90.
    """
    facts: dict[str, Any] = {
        "organisation": tx.organisation,
        "today": today,
        "first": today - timedelta(days=days),
    }
    found: dict[int, History] = {}
    for first in range(0, len(entries), _AT_A_TIME):
        some = {**facts, "entries": list(entries[first : first + _AT_A_TIME])}
        rows = tx.connection.execute(sa.text(_HISTORY.format(of_entries=_OF_SOME)), some)
        found |= {entry: History(*numbers) for entry, *numbers in rows}
    return found
