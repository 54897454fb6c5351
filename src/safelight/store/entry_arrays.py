"""All entries of lists as arrays to match against: COPY BINARY, whose rows NumPy reads as such."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from psycopg import sql

from safelight.model import Algorithm, EntryArrays, EntryFlag
from safelight.store.transaction import Transaction

_BATCH_BYTES = 8 << 20
CLASSES_JOINED = "; "  # between the classes that several sources give an entry

_FLAGS = f"""
(CAST(observed AS integer) * {EntryFlag.OBSERVED:d} + CAST(NOT near AS integer)
 * {EntryFlag.EXACT_ONLY:d})::smallint
"""
_ENTRIES = """
SELECT id, array_position({lists}, list) - 1, quality, {flags}, value FROM entry
WHERE {which} AND {kind} = {algorithm} AND {stands}
"""
_FRAMES = """
SELECT id, array_position({lists}, list) - 1, entry_frame.quality, {flags}, entry_frame.value,
    milliseconds
FROM entry JOIN entry_frame ON entry_frame.entry = entry.id
WHERE {which} AND {kind} = {algorithm} AND {stands} ORDER BY entry.id, number
"""
_KINDS = "SELECT DISTINCT algorithm, retracted FROM entry WHERE {which}"
_NAMES = """
CREATE TEMP TABLE class_name ON COMMIT DROP AS
SELECT CAST(row_number() OVER (ORDER BY their_class COLLATE "C") AS integer) AS number,
    their_class AS name
FROM (
    SELECT DISTINCT their_class FROM entry_assertion
    WHERE {said} AND their_class <> '' AND retracted_at IS NULL
) AS said
"""
_CLASSES = """
SELECT entry, number FROM entry_assertion JOIN class_name ON name = their_class
WHERE {said} AND retracted_at IS NULL
"""
_FEW_CLASSES = """
SELECT DISTINCT entry, their_class FROM entry_assertion
WHERE {said} AND their_class <> '' AND retracted_at IS NULL ORDER BY entry
"""
# Of every entry that ends, the latest end of what stands; whatever has no end goes on for ever.
_ENDS = """
SELECT entry, CAST(floor(extract(epoch FROM max(expires_at))) AS bigint) FROM entry_assertion
WHERE {said} AND expires_at IS NOT NULL AND retracted_at IS NULL AND NOT EXISTS (
    SELECT FROM entry_assertion AS endless WHERE endless.organisation = {organisation}
    AND endless.entry = entry_assertion.entry
    AND endless.expires_at IS NULL AND endless.retracted_at IS NULL
)
GROUP BY entry ORDER BY entry
"""
_NO_END = np.iinfo(np.int64).max
_NAMED_SINGLY = 20_000  # entries that a query names one by one

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedEntries:
    """What changed on a list: the entries that stand now, as they are now, and those gone."""

    arrays: dict[Algorithm, EntryArrays]
    lost: dict[Algorithm, EntryArrays]  # what is gone; without classes and ends


def entries_for_matching(tx: Transaction, list_ids: Sequence[UUID]) -> dict[Algorithm, EntryArrays]:
    """Every entry of the lists that stands, per algorithm; those without entries are left out.

    Of a video there is a row for every frame, in order. Ask `lists.permit` first: this does not
    look at purposes. Of entries that end, `until` tells when, and those that ended are there too.
    """
    return _read(_Scope(tx=tx, lists=list_ids))


def entries_changed(tx: Transaction, list_id: UUID, after: int) -> ChangedEntries:
    """What of the list changed after its change number `after`, without reading the rest.

    Position 0 in the arrays' `lists` is the list. Nothing is told of a list that was deleted.
    """
    scope = _Scope(tx=tx, lists=[list_id], after=after)
    # mostly it is one kind of many, and a query for each would be most of the work
    found = _driver(tx).execute(scope.filled(_KINDS)).fetchall()
    kinds: dict[bool, list[Algorithm]] = {False: [], True: []}
    for algorithm, retracted in found:
        kinds[retracted].append(Algorithm(algorithm))
    lost = _read_arrays(scope, kinds[True], retracted=True)
    return ChangedEntries(arrays=_read(scope, kinds[False]), lost=lost)


def entry_batches(
    tx: Transaction, list_ids: Sequence[UUID], algorithm: Algorithm
) -> Iterator[EntryArrays]:
    """The entries of one algorithm in batches of a few megabytes, without classes and ends."""
    return _batches(_Scope(tx=tx, lists=list_ids), algorithm)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scope:
    """Which entries are read: those of the lists, or only what changed past `after`."""

    tx: Transaction
    lists: Sequence[UUID]
    after: int | None = None

    def filled(self, query: str, **facts: sql.Composable) -> sql.Composed:
        """The query about these entries: `which` is a condition on rows of entry."""
        lists = sql.SQL("{}::uuid[]").format(sql.Literal([str(one) for one in self.lists]))
        organisation = sql.Literal(self.tx.organisation)
        which = sql.SQL("list = ANY({}) AND entry.organisation = {}").format(lists, organisation)
        if self.after is not None:
            which += sql.SQL(" AND change > {}").format(sql.Literal(self.after))
        return sql.SQL(query).format(lists=lists, organisation=organisation, which=which, **facts)

    def names_singly(self, ids: Sequence[Numbers]) -> bool:
        """Whether it is so few entries that queries name each of them."""
        return sum(map(len, ids)) <= _NAMED_SINGLY

    def said(self, ids: Sequence[Numbers]) -> sql.Composed:
        """A condition on assertions: of these entries where they are few, else of few others."""
        ours = sql.SQL("organisation = {}").format(sql.Literal(self.tx.organisation))
        if self.names_singly(ids):
            named = sql.Literal(np.unique(np.concatenate(ids)).tolist())
            return ours + sql.SQL(" AND entry = ANY({}::bigint[])").format(named)
        if self.after is not None:
            return ours + self.filled(" AND entry IN (SELECT id FROM entry WHERE {which})")
        # What was imported at once has ids in a row, so that the rest of the table is not read.
        first, last = min(map(np.min, ids)), max(map(np.max, ids))
        between = sql.SQL(" AND entry BETWEEN {} AND {}")
        return ours + between.format(sql.Literal(int(first)), sql.Literal(int(last)))


def _read_arrays(
    scope: _Scope, algorithms: Iterable[Algorithm], *, retracted: bool = False
) -> dict[Algorithm, EntryArrays]:
    found = {}
    for algorithm in algorithms:
        if batches := list(_batches(scope, algorithm, retracted=retracted)):
            found[algorithm] = _joined(algorithm, batches)
    return found


def _read(
    scope: _Scope, algorithms: Iterable[Algorithm] = tuple(Algorithm)
) -> dict[Algorithm, EntryArrays]:
    found = _read_arrays(scope, algorithms)
    if not found:
        return {}
    ids = [arrays.ids for arrays in found.values()]
    said = scope.said(ids)
    read = _read_few_classes if scope.names_singly(ids) else _read_classes
    classes, ends = read(scope, said), _read_ends(scope, said)
    return {
        algorithm: ends.given_to(classes.given_to(arrays)) for algorithm, arrays in found.items()
    }


def _batches(
    scope: _Scope, algorithm: Algorithm, *, retracted: bool = False
) -> Iterator[EntryArrays]:
    query = scope.filled(
        _FRAMES if algorithm is Algorithm.VPDQ else _ENTRIES,
        # Before PostgreSQL has looked at a new list, it would rather read the whole of it by the
        # index over algorithms than what changed; an expression has no index.
        kind=sql.SQL("algorithm" if scope.after is None else "(algorithm || '')"),
        algorithm=sql.Literal(algorithm.value),
        flags=sql.SQL(_FLAGS),
        stands=sql.SQL("retracted" if retracted else "NOT retracted"),
    )
    fields = {"id": ">i8", "list": ">i4", "quality": ">i2", "flags": ">i2"}
    fields["value"] = (np.uint8, algorithm.size)  # type: ignore[assignment]
    if algorithm is Algorithm.VPDQ:
        fields["time"] = ">i4"
    for rows in _copied(scope.tx, query, _row_type(fields)):
        flags = rows["flags"].astype(np.uint8)
        yield EntryArrays(
            algorithm=algorithm,
            ids=rows["id"].astype(np.int64),
            lists=rows["list"].astype(np.int32),
            values=rows["value"].copy(),
            qualities=rows["quality"].astype(np.int16),
            times=rows["time"].astype(np.int32) if "time" in fields else None,
            flags=flags if flags.any() else None,
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
        flags=_joined_flags(batches),
    )


def _joined_flags(batches: Sequence[EntryArrays]) -> npt.NDArray[np.uint8] | None:
    if all(batch.flags is None for batch in batches):
        return None
    return np.concatenate(
        [
            np.zeros(len(batch.ids), np.uint8) if batch.flags is None else batch.flags
            for batch in batches
        ]
    )


# -- ends --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ends:
    """When entries end: `ids[i]` at `moments[i]`, in seconds since 1970; others have no end."""

    ids: Numbers  # ascending
    moments: Numbers

    def given_to(self, arrays: EntryArrays) -> EntryArrays:
        """The arrays with the ends of their entries."""
        if not len(self.ids):
            return arrays
        places = np.minimum(np.searchsorted(self.ids, arrays.ids), len(self.ids) - 1)
        is_there = self.ids[places] == arrays.ids
        if not is_there.any():
            return arrays
        return replace(arrays, until=np.where(is_there, self.moments[places], _NO_END))


def _read_ends(scope: _Scope, said: sql.Composed) -> _Ends:
    query = scope.filled(_ENDS, said=said)
    parts = list(_copied(scope.tx, query, _row_type({"entry": ">i8", "end": ">i8"})))
    none = np.empty(0, np.int64)
    ids = np.concatenate([none, *(part["entry"].astype(np.int64) for part in parts)])
    return _Ends(
        ids=ids, moments=np.concatenate([none, *(part["end"].astype(np.int64) for part in parts)])
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


def _read_few_classes(scope: _Scope, said: sql.Composed) -> _Classes:
    """The same of entries that are named: without a table, which every reader would make often."""
    rows = _driver(scope.tx).execute(scope.filled(_FEW_CLASSES, said=said)).fetchall()
    names = ["", *sorted({name for _, name in rows})]
    numbers = {name: number for number, name in enumerate(names)}
    return _combined(
        np.array([entry for entry, _ in rows], np.int64),
        np.array([numbers[name] for _, name in rows], np.int64),
        names,
    )


def _read_classes(scope: _Scope, said: sql.Composed) -> _Classes:
    with _driver(scope.tx).cursor() as cursor:
        cursor.execute(scope.filled(_NAMES, said=said))
        cursor.execute("SELECT name FROM class_name ORDER BY number")
        names = ["", *(name for (name,) in cursor)]
    parts = []
    if len(names) > 1:
        copy = scope.filled(_CLASSES, said=said)
        parts = list(_copied(scope.tx, copy, _row_type({"entry": ">i8", "number": ">i4"})))
    scope.tx.connection.execute(sa.text("DROP TABLE class_name"))
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


def _driver(tx: Transaction) -> Any:
    """The driver's own connection."""
    return tx.connection.connection.driver_connection


def _blocks(tx: Transaction, query: sql.Composable) -> Iterator[bytes]:
    """The rows' bytes, without the header (19 bytes) and the trailer (-1 as int16)."""
    driver = _driver(tx)
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
