"""The entries of a list: a page to look at, or all of them as arrays to match against."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from psycopg import sql

from safelight.model import Algorithm, EntryArrays
from safelight.store.lists import HashList
from safelight.store.tables import entry
from safelight.store.transaction import Transaction

_BATCH_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as stored; `quality` is -1 where unknown, -2 where there is no such thing."""

    id: int
    algorithm: Algorithm
    value: bytes
    quality: int
    change: int
    added_at: datetime

    def to_json(self) -> dict[str, Any]:
        """The entry as the CLI writes it."""
        return {
            "id": self.id,
            "algorithm": self.algorithm.value,
            "value": self.value.hex(),
            "quality": self.quality if self.quality >= 0 else None,
            "added_at": self.added_at.isoformat(),
        }


def page(
    tx: Transaction, list_: HashList, *, after: int = 0, limit: int = 100
) -> tuple[list[Entry], int | None]:
    """Up to `limit` entries with an id past `after`, and the `after` of the next page if any."""
    query = sa.select(
        entry.c.id,
        entry.c.algorithm,
        entry.c.value,
        entry.c.quality,
        entry.c.change,
        entry.c.added_at,
    ).where(entry.c.list == list_.id, entry.c.organisation == tx.organisation)
    query = query.where(entry.c.id > after).order_by(entry.c.id).limit(limit + 1)
    rows = tx.connection.execute(query).mappings().all()
    entries = [Entry(**{**row, "algorithm": Algorithm(row["algorithm"])}) for row in rows[:limit]]
    return entries, entries[-1].id if len(rows) > limit else None


def entries_for_matching(tx: Transaction, list_ids: Sequence[UUID]) -> dict[Algorithm, EntryArrays]:
    """Every entry of the lists, per algorithm; algorithms without entries are left out.

    Ask `lists.permit` first: this does not look at purposes.
    """
    found = {}
    for algorithm in Algorithm:
        batches = list(entry_batches(tx, list_ids, algorithm))
        if batches:
            found[algorithm] = EntryArrays(
                algorithm=algorithm,
                ids=np.concatenate([batch.ids for batch in batches]),
                lists=np.concatenate([batch.lists for batch in batches]),
                values=np.concatenate([batch.values for batch in batches]),
                qualities=np.concatenate([batch.qualities for batch in batches]),
            )
    return found


def entry_batches(
    tx: Transaction, list_ids: Sequence[UUID], algorithm: Algorithm
) -> Iterator[EntryArrays]:
    """The entries of one algorithm in batches of a few megabytes, in no particular order."""
    row = _row_type(algorithm)
    rest = b""
    for block in _blocks(tx, list_ids, algorithm):
        whole = rest + block
        rows = np.frombuffer(whole, row, count=len(whole) // row.itemsize)
        rest = whole[rows.nbytes :]
        if len(rows):
            yield EntryArrays(
                algorithm=algorithm,
                ids=rows["id"].astype(np.int64),
                lists=rows["list"].astype(np.int32),
                values=rows["value"].copy(),
                qualities=rows["quality"].astype(np.int16),
            )


def _row_type(algorithm: Algorithm) -> "np.dtype[np.void]":
    """One row of COPY BINARY: a count of fields, then each field's length and bytes."""
    return np.dtype(
        [
            ("fields", ">i2"),
            ("id_length", ">i4"),
            ("id", ">i8"),
            ("list_length", ">i4"),
            ("list", ">i4"),
            ("quality_length", ">i4"),
            ("quality", ">i2"),
            ("value_length", ">i4"),
            ("value", np.uint8, (algorithm.size,)),
        ]
    )


def _blocks(tx: Transaction, list_ids: Sequence[UUID], algorithm: Algorithm) -> Iterator[bytes]:
    """The rows' bytes, without the header (19 bytes) and the trailer (-1 as int16)."""
    query = sql.SQL(
        "COPY (SELECT id, array_position({lists}, list) - 1, quality, value FROM entry "
        "WHERE list = ANY({lists}) AND algorithm = {algorithm} AND organisation = {organisation}) "
        "TO STDOUT (FORMAT BINARY)"
    ).format(
        lists=sql.SQL("{}::uuid[]").format(sql.Literal([str(identity) for identity in list_ids])),
        algorithm=sql.Literal(algorithm.value),
        organisation=sql.Literal(tx.organisation),
    )
    driver: Any = tx.connection.connection.driver_connection
    with driver.cursor().copy(query) as copy:
        gathered = bytearray()
        header = 19
        for piece in copy:
            gathered += piece
            if header and len(gathered) >= header:
                del gathered[:header]
                header = 0
            if not header and len(gathered) > _BATCH_BYTES:
                yield bytes(gathered[:-2])
                del gathered[:-2]
        yield bytes(gathered[:-2])
