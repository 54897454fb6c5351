"""Rows of a hash file into a list: one transaction, COPY into a staging table, then set by set."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from safelight.model import Algorithm, HashRow
from safelight.store.lists import HashList, next_change
from safelight.store.tables import (
    MODE_NOT_APPLICABLE,
    MODE_UNKNOWN,
    QUALITY_NOT_APPLICABLE,
    QUALITY_UNKNOWN,
    check_code,
)
from safelight.store.transaction import Transaction

_STAGE = """
CREATE TEMPORARY TABLE staged (
    algorithm text NOT NULL, value bytea NOT NULL, quality smallint NOT NULL,
    mode text NOT NULL, their_id text NOT NULL, their_class text NOT NULL
) ON COMMIT DROP
"""

# A known quality beats an unknown one, and the mode `exact` an unknown one (it is the lesser word);
# sorted, so that the index is filled in order.
_ENTRIES = """
INSERT INTO entry (organisation, list, algorithm, value, quality, mode, change)
SELECT :organisation, :list, algorithm, value, max(quality), min(mode), :change FROM staged
GROUP BY algorithm, value ORDER BY algorithm, value
ON CONFLICT (list, algorithm, value) DO NOTHING
"""

# The same holds for entries that were there already: matching must learn of it as of a new one.
_BETTER = """
UPDATE entry SET change = :change,
    quality = greatest(entry.quality, better.quality), mode = least(entry.mode, better.mode)
FROM (
    SELECT algorithm, value, max(quality) AS quality, min(mode) AS mode FROM staged
    WHERE quality >= 0 OR mode = 'exact' GROUP BY algorithm, value
) AS better
WHERE entry.list = :list AND entry.organisation = :organisation
AND entry.algorithm = better.algorithm AND entry.value = better.value
AND (entry.quality < better.quality OR entry.mode > better.mode)
"""

# A source that says the same again changes nothing; a class it changed its mind about is replaced,
# and one it does not repeat stays.
_ASSERTIONS = """
INSERT INTO entry_assertion (organisation, entry, source, their_id, their_class)
SELECT :organisation, entry.id, :source, their_id, max(their_class)
FROM staged JOIN entry USING (algorithm, value)
WHERE entry.list = :list AND entry.organisation = :organisation
GROUP BY entry.id, their_id ORDER BY entry.id
ON CONFLICT (entry, source, their_id) DO UPDATE
SET their_class = coalesce(nullif(excluded.their_class, ''), entry_assertion.their_class),
    retracted_at = NULL
WHERE excluded.their_class NOT IN ('', entry_assertion.their_class)
   OR entry_assertion.retracted_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCounts:
    """What became of the rows: `added` are new entries; the other good rows were there already."""

    added: int
    already_there: int


def import_entries(
    tx: Transaction, list_: HashList, rows: Iterable[HashRow], *, source: str | None = None
) -> ImportCounts:
    """Add the rows to the list, each with an assertion by `source` (the list's, if not given).

    Importing the same rows again adds nothing; what is better known by then is noted.
    Raise ListNotFound when the list has gone.
    """
    connection = tx.connection
    change = next_change(tx, list_)
    connection.execute(sa.text("SET LOCAL work_mem = '64MB'"))  # sorts in memory
    connection.execute(sa.text(_STAGE))
    staged = _copy(connection, rows)
    connection.execute(sa.text("ANALYZE staged"))
    facts = {
        "organisation": tx.organisation,
        "list": list_.id,
        "change": change,
        "source": source or list_.source,
    }
    if change > 1:  # the first import finds nothing to improve
        connection.execute(sa.text(_BETTER), facts)
    added = connection.execute(sa.text(_ENTRIES), facts).rowcount
    connection.execute(sa.text(_ASSERTIONS), facts)
    connection.execute(sa.text("DROP TABLE staged"))
    counts = ImportCounts(added=added, already_there=staged - added)
    details: dict[str, Any] = {"name": list_.name, "source": facts["source"], "change": change}
    details |= {"added": counts.added, "already_there": counts.already_there}
    tx.record("list.import", list_.subject, **details)
    return counts


def _copy(connection: sa.Connection, rows: Iterable[HashRow]) -> int:
    """Stage the rows; return how many."""
    driver: Any = connection.connection.driver_connection
    number = 0
    columns = "(algorithm, value, quality, mode, their_id, their_class)"
    with driver.cursor().copy(f"COPY staged {columns} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["text", "bytea", "int2", "text", "text", "text"])
        write = copy.write_row
        for row in rows:
            kind, said = row.algorithm.value, (row.their_id, row.their_class)
            write((kind, row.value, _quality(row), _mode(row), *said))
            number += 1
    return number


def _quality(row: HashRow) -> int:
    if row.algorithm is not Algorithm.PDQ:
        return QUALITY_NOT_APPLICABLE
    return QUALITY_UNKNOWN if row.quality is None else row.quality


def _mode(row: HashRow) -> str:
    if row.algorithm is not Algorithm.PDQ:
        return MODE_NOT_APPLICABLE
    return MODE_UNKNOWN if row.mode is None else check_code("mode", row.mode.value)
