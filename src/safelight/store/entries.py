"""The entries of a list: a page to look at, or all of them as arrays to match against."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import ARRAY

from safelight.errors import NotPermitted
from safelight.model import Algorithm, EntryArrays
from safelight.store.lists import HashList, check_use
from safelight.store.tables import entry, entry_assertion
from safelight.store.transaction import Transaction

_BATCH_BYTES = 8 << 20
_DIGITS_SHOWN = 8
_COLUMNS = ("id", "algorithm", "value", "quality", "mode", "change", "added_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """Who says that the entry belongs on the list, in what words; empty where they gave none."""

    source: str
    their_id: str
    their_class: str

    def to_json(self) -> dict[str, Any]:
        """The assertion as the CLI writes it."""
        return {"source": self.source, "id": self.their_id, "class": self.their_class}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as stored; `quality` is -1 where unknown, -2 where there is no such thing."""

    id: int
    algorithm: Algorithm
    value: bytes
    quality: int
    mode: str  # exact, unknown, or not_applicable
    change: int
    added_at: datetime
    assertions: tuple[Assertion, ...] = ()

    def to_json(self, *, whole: bool) -> dict[str, Any]:
        """The entry as the CLI writes it; its value is shortened if not `whole`."""
        return {
            "id": self.id,
            "algorithm": self.algorithm.value,
            "value": self.shown(whole=whole),
            "quality": self.quality if self.quality >= 0 else None,
            "mode": self.mode,
            "added_at": self.added_at.isoformat(),
            "assertions": [assertion.to_json() for assertion in self.assertions],
        }

    def shown(self, *, whole: bool) -> str:
        """The value in hexadecimal; if not `whole`, enough to recognise it and no more."""
        return self.value.hex() if whole else self.value.hex()[:_DIGITS_SHOWN] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Entries a person may look at; values may only be given in full where `whole`."""

    entries: tuple[Entry, ...]
    following: int | None  # the `after` of the next page, if any
    whole: bool


def show(
    tx: Transaction, list_: HashList, *, after: int = 0, limit: int = 100, now: datetime
) -> Shown:
    """A page for a person to look at, audited: whole values are an export, which must be permitted.

    Where the list does not permit that purpose, or no longer, the values are to be shortened.
    """
    try:
        check_use(list_, purpose="export", now=now)
        whole = True
    except NotPermitted:
        whole = False
    found, following = page(tx, list_, after=after, limit=limit)
    facts = {"name": list_.name, "after": after, "entries": len(found)}
    tx.record("list.export" if whole else "list.show", list_.subject, **facts)
    return Shown(entries=tuple(found), following=following, whole=whole)


def page(
    tx: Transaction, list_: HashList, *, after: int = 0, limit: int = 100
) -> tuple[list[Entry], int | None]:
    """Up to `limit` entries with an id past `after`, and the `after` of the next page if any."""
    columns = [entry.c[name] for name in _COLUMNS]
    query = sa.select(*columns).where(
        entry.c.list == list_.id, entry.c.organisation == tx.organisation
    )
    query = query.where(entry.c.id > after).order_by(entry.c.id).limit(limit + 1)
    rows = tx.connection.execute(query).mappings().all()
    more, rows = len(rows) > limit, rows[:limit]
    said = _assertions(tx, [row["id"] for row in rows])
    entries = [_entry(row, tuple(said.get(row["id"], ()))) for row in rows]
    return entries, entries[-1].id if more else None


def _entry(row: sa.RowMapping, assertions: tuple[Assertion, ...]) -> Entry:
    return Entry(**{**row, "algorithm": Algorithm(row["algorithm"]), "assertions": assertions})


def _assertions(tx: Transaction, ids: Sequence[int]) -> dict[int, list[Assertion]]:
    """What stands of the assertions about these entries, in the order they came."""
    table = entry_assertion.c
    query = sa.select(table.entry, table.source, table.their_id, table.their_class).where(
        table.organisation == tx.organisation,
        table.entry == sa.any_(sa.literal(list(ids), ARRAY(sa.BigInteger))),
        table.retracted_at.is_(None),
    )
    found: dict[int, list[Assertion]] = {}
    for identity, source, their_id, their_class in tx.connection.execute(query.order_by(table.id)):
        made = Assertion(source=source, their_id=their_id, their_class=their_class)
        found.setdefault(identity, []).append(made)
    return found


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
