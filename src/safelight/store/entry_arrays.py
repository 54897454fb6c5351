"""All entries of lists as arrays to match against: COPY BINARY, whose rows NumPy reads as such."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from psycopg import sql

from safelight.model import Algorithm, EntryArrays
from safelight.store.transaction import Transaction

_BATCH_BYTES = 8 << 20
CLASSES_JOINED = "; "  # between the classes that several sources give an entry

_ENTRIES = """
SELECT id, array_position({lists}, list) - 1, quality, value FROM entry
WHERE list = ANY({lists}) AND algorithm = {algorithm} AND organisation = {organisation}
AND NOT retracted
"""
_FRAMES = """
SELECT id, array_position({lists}, list) - 1, entry_frame.quality, entry_frame.value, milliseconds
FROM entry JOIN entry_frame ON entry_frame.entry = entry.id
WHERE list = ANY({lists}) AND algorithm = {algorithm} AND entry.organisation = {organisation}
AND NOT retracted ORDER BY entry.id, number
"""
_NAMES = """
CREATE TEMP TABLE class_name ON COMMIT DROP AS
SELECT CAST(row_number() OVER (ORDER BY their_class COLLATE "C") AS integer) AS number,
    their_class AS name
FROM (
    SELECT DISTINCT their_class FROM entry_assertion
    WHERE organisation = :organisation AND their_class <> '' AND retracted_at IS NULL
) AS said
"""
_CLASSES = """
SELECT entry, number FROM entry_assertion JOIN class_name ON name = their_class
WHERE organisation = {organisation} AND retracted_at IS NULL
"""

Numbers = npt.NDArray[np.int64]


def entries_for_matching(tx: Transaction, list_ids: Sequence[UUID]) -> dict[Algorithm, EntryArrays]:
    """Every entry of the lists that stands, per algorithm; those without entries are left out.

    Of a video there is a row for every frame, in order. Ask `lists.permit` first: this does not
    look at purposes.
    """
    classes = _read_classes(tx)
    found = {}
    for algorithm in Algorithm:
        batches = list(entry_batches(tx, list_ids, algorithm))
        if batches:
            found[algorithm] = classes.given_to(_joined(algorithm, batches))
    return found


def entry_batches(
    tx: Transaction, list_ids: Sequence[UUID], algorithm: Algorithm
) -> Iterator[EntryArrays]:
    """The entries of one algorithm in batches of a few megabytes, without their classes."""
    query = sql.SQL(_FRAMES if algorithm is Algorithm.VPDQ else _ENTRIES).format(
        lists=sql.SQL("{}::uuid[]").format(sql.Literal([str(identity) for identity in list_ids])),
        algorithm=sql.Literal(algorithm.value),
        organisation=sql.Literal(tx.organisation),
    )
    fields = {"id": ">i8", "list": ">i4", "quality": ">i2", "value": (np.uint8, algorithm.size)}
    if algorithm is Algorithm.VPDQ:
        fields["time"] = ">i4"
    for rows in _copied(tx, query, _row_type(fields)):
        yield EntryArrays(
            algorithm=algorithm,
            ids=rows["id"].astype(np.int64),
            lists=rows["list"].astype(np.int32),
            values=rows["value"].copy(),
            qualities=rows["quality"].astype(np.int16),
            times=rows["time"].astype(np.int32) if "time" in fields else None,
        )


def _joined(algorithm: Algorithm, batches: Sequence[EntryArrays]) -> EntryArrays:
    times = [batch.times for batch in batches if batch.times is not None]
    return EntryArrays(
        algorithm=algorithm,
        ids=np.concatenate([batch.ids for batch in batches]),
        lists=np.concatenate([batch.lists for batch in batches]),
        values=np.concatenate([batch.values for batch in batches]),
        qualities=np.concatenate([batch.qualities for batch in batches]),
        times=np.concatenate(times) if times else None,
    )


# -- classes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Classes:
    """What the sources call entries: `codes[i]`, a position in `names`, is that of `ids[i]`."""

    ids: Numbers  # ascending
    codes: Numbers
    names: tuple[str, ...]  # the first is empty

    def given_to(self, arrays: EntryArrays) -> EntryArrays:
        """The arrays with the classes of their entries, and only the names they need."""
        if not len(self.ids):
            return arrays
        places = np.minimum(np.searchsorted(self.ids, arrays.ids), len(self.ids) - 1)
        codes = np.where(self.ids[places] == arrays.ids, self.codes[places], 0)
        used = np.bincount(codes, minlength=len(self.names)) > 0
        used[0] = True
        if used.sum() == 1:
            return arrays
        renumbered = (np.cumsum(used) - 1).astype(np.int32)
        names = tuple(name for name, is_used in zip(self.names, used, strict=True) if is_used)
        return replace(arrays, classes=renumbered[codes], class_names=names)


def _read_classes(tx: Transaction) -> _Classes:
    tx.connection.execute(sa.text(_NAMES), {"organisation": tx.organisation})
    query = sa.text("SELECT name FROM class_name ORDER BY number")
    names = ["", *tx.connection.scalars(query)]
    parts = []
    if len(names) > 1:
        copy = sql.SQL(_CLASSES).format(organisation=sql.Literal(tx.organisation))
        parts = list(_copied(tx, copy, _row_type({"entry": ">i8", "number": ">i4"})))
    tx.connection.execute(sa.text("DROP TABLE class_name"))
    entries = [part["entry"].astype(np.int64) for part in parts]
    numbers = [part["number"].astype(np.int64) for part in parts]
    none = np.empty(0, np.int64)
    return _combined(np.concatenate([none, *entries]), np.concatenate([none, *numbers]), names)


def _combined(entries: Numbers, numbers: Numbers, names: list[str]) -> _Classes:
    """One class for each entry: of those that have several, all of them in one."""
    if (np.diff(entries) > 0).all():  # one each, in order: as a list is after its first import
        return _Classes(ids=entries, codes=numbers, names=tuple(names))
    order = np.lexsort((numbers, entries))
    entries, numbers = entries[order], numbers[order]
    is_other = np.ones(len(entries), bool)
    is_other[1:] = (np.diff(entries) != 0) | (np.diff(numbers) != 0)
    entries, numbers = entries[is_other], numbers[is_other]
    ids, starts, counts = np.unique(entries, return_index=True, return_counts=True)
    codes = numbers[starts]
    for place in range(1, counts.max(initial=1)):
        more = np.flatnonzero(counts > place)
        pairs = np.stack([codes[more], numbers[starts[more] + place]], axis=1)
        unique, which = np.unique(pairs, axis=0, return_inverse=True)
        codes[more] = len(names) + which.ravel()
        names += [f"{names[one]}{CLASSES_JOINED}{names[other]}" for one, other in unique.tolist()]
    return _Classes(ids=ids, codes=codes, names=tuple(names))


# -- COPY ------------------------------------------------------------------------------------


def _row_type(fields: dict[str, Any]) -> "np.dtype[np.void]":
    """One row of COPY BINARY: a count of fields, then each field's length and bytes."""
    parts: list[Any] = [("fields", ">i2")]
    for name, kind in fields.items():
        parts += [
            (f"{name}_length", ">i4"),
            (name, *kind) if isinstance(kind, tuple) else (name, kind),
        ]
    return np.dtype(parts)


def _copied(
    tx: Transaction, query: sql.Composable, row: "np.dtype[np.void]"
) -> Iterator["npt.NDArray[np.void]"]:
    """The rows of the query, some megabytes at a time."""
    rest = b""
    for block in _blocks(tx, query):
        whole = rest + block
        rows = np.frombuffer(whole, row, count=len(whole) // row.itemsize)
        rest = whole[rows.nbytes :]
        if len(rows):
            yield rows


def _blocks(tx: Transaction, query: sql.Composable) -> Iterator[bytes]:
    """The rows' bytes, without the header (19 bytes) and the trailer (-1 as int16)."""
    driver: Any = tx.connection.connection.driver_connection
    copy_out = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(query)
    with driver.cursor().copy(copy_out) as copy:
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
