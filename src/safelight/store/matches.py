"""How often each entry was matched, noted in batches after a scan."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from safelight.store.transaction import Transaction

# Entries that have gone since, or are another organisation's, are passed over.
_RECORD = """
INSERT INTO entry_match_count AS known (organisation, entry, matches, first_at, last_at)
SELECT :organisation, entry.id, said.matches, :at, :at
FROM unnest(CAST(:entries AS bigint[]), CAST(:matches AS bigint[])) AS said (entry, matches)
JOIN entry ON entry.id = said.entry AND entry.organisation = :organisation
ORDER BY entry.id
ON CONFLICT (entry) DO UPDATE SET matches = known.matches + excluded.matches,
    first_at = least(known.first_at, excluded.first_at),
    last_at = greatest(known.last_at, excluded.last_at)
"""
_AT_A_TIME = 50_000


def record(tx: Transaction, counts: Mapping[int, int], *, at: datetime) -> None:
    """Add the number of matches of each entry, by the entry's number, as of `at`."""
    numbers = sorted(counts.items())
    for first in range(0, len(numbers), _AT_A_TIME):
        some = numbers[first : first + _AT_A_TIME]
        facts = {
            "organisation": tx.organisation,
            "entries": [entry for entry, _ in some],
            "matches": [number for _, number in some],
            "at": at,
        }
        tx.connection.execute(sa.text(_RECORD), facts)
