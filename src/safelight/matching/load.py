"""Where the entries to match come from: hash lists in the database, or hash files."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from safelight.connectors.hash_files import not_all_pdq, read_hash_file
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.matching.step import Matcher
from safelight.model import PDQ_BITS, Algorithm, EntryArrays, HashRow, RejectedRow

if TYPE_CHECKING:  # hash files need no database, so that SQLAlchemy is not loaded for them
    from safelight.store.transaction import Transaction

ROWS_AT_A_TIME = 50_000
REJECTS_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a person asked to match against. Neither lists nor hash files: all enabled lists."""

    lists: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()  # absolute paths of hash files
    algorithm: Algorithm | None = None  # of hashes whose file does not say

    @classmethod
    def of(
        cls,
        lists: Sequence[str] | None,
        hashes: Sequence[Path] | None,
        algorithm: Algorithm | None,
    ) -> "Sources":
        """The sources as the command line gives them."""
        if lists and hashes:
            raise BadInput("give either --list or --hashes, not both.")
        files = tuple(str(path.absolute()) for path in hashes or ())
        return cls(lists=tuple(lists or ()), hashes=files, algorithm=algorithm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was loaded, and what a person must know of what was not.

    `fingerprint` is equal for equal entries of equal lists, whatever their order.
    """

    matcher: Matcher
    entries: int
    fingerprint: str
    warnings: tuple[str, ...] = ()
    unread: int = 0  # lines of hash files that are no hash


def load_files(sources: Sources) -> Loaded:
    """Load hash files. An entry's number is the line it stands on.

    Raises BadPath or BadHashFile; lines that are no hash are told in the warnings. Hashes of 64
    digits that the file does not name are matched as PDQ and as SHA-256.
    """
    warnings: list[str] = []
    arrays: list[EntryArrays] = []
    guesses: list[EntryArrays] = []
    unread = 0
    for number, path in enumerate(sources.hashes):
        accepted = _Accepted(path)
        rows = read_hash_file(Path(path), algorithm=sources.algorithm)
        for array, guessed in _arrays(accepted.take(rows), number):
            arrays.append(array)
            if guessed:
                guesses.append(replace(array, algorithm=Algorithm.SHA256))
        warnings += accepted.warnings()
        unread += accepted.rejected
    names = _names(sources.hashes)
    warnings += [_doubt(names[number]) for number in _doubtful(guesses)]
    return _loaded(names, arrays, guesses, warnings, unread=unread)


def load_lists(tx: "Transaction", sources: Sources, *, now: datetime) -> Loaded:
    """Load hash lists from the database; those named must be usable, else NotPermitted."""
    # Here, not above: whoever has a transaction has loaded the store already.
    from safelight.store.entry_arrays import entries_for_matching  # noqa: PLC0415
    from safelight.store.lists import lists_for_matching  # noqa: PLC0415

    lists, reasons = lists_for_matching(tx, sources.lists, now=now)
    if not lists:
        raise BadInput(
            "there is no enabled hash list to match against. Import one (safelight list import),"
            " enable one (safelight list enable), or give a file of hashes with --hashes."
            + "".join(f" {reason}" for reason in reasons)
        )
    names = [one.name for one in lists]
    arrays = entries_for_matching(tx, [one.id for one in lists])
    guesses = []
    if (pdq := arrays.get(Algorithm.PDQ)) is not None:
        for number in _doubtful([pdq]):
            rows = pdq.lists == number
            guesses.append(_rows_as_sha256(pdq, rows))
            reasons = [*reasons, _doubt(names[number])]
    return _loaded(names, list(arrays.values()), guesses, reasons)


def _loaded(
    names: Sequence[str],
    arrays: Sequence[EntryArrays],
    guesses: Sequence[EntryArrays],
    warnings: Sequence[str],
    *,
    unread: int = 0,
) -> Loaded:
    entries = sum(len(array.ids) for array in arrays)
    if not entries:
        raise BadInput(
            f"there is nothing to match against: {', '.join(names) or 'no file'} holds no hashes."
        )
    facts = sorted(f"{array.algorithm} {len(array.ids)} {_mixed(array)}" for array in arrays)
    fingerprint = blake2b("\n".join([*names, *facts]).encode(), digest_size=16).hexdigest()
    return Loaded(
        matcher=Matcher(names, [*arrays, *guesses]),
        entries=entries,
        fingerprint=fingerprint,
        warnings=tuple(warnings),
        unread=unread,
    )


def _doubtful(arrays: Sequence[EntryArrays]) -> list[int]:
    """Which lists have 64-digit hashes that do not look like PDQ."""
    odd: Counter[int] = Counter()
    every: Counter[int] = Counter()
    for array in arrays:
        bits = np.bitwise_count(array.values).sum(axis=1, dtype=np.int64)
        untold = array.qualities < 0
        every.update(array.lists[untold].tolist())
        odd.update(array.lists[untold & (bits != PDQ_BITS // 2)].tolist())
    return [number for number in sorted(every) if not_all_pdq(odd[number], every[number])]


def _doubt(name: str) -> str:
    return (
        f"{name}: some of its hashes of 64 digits do not look like PDQ. They are matched as SHA-256"
        " as well; to be rid of the doubt, say --algorithm when you import or scan."
    )


def _rows_as_sha256(array: EntryArrays, rows: npt.NDArray[np.bool_]) -> EntryArrays:
    return EntryArrays(
        algorithm=Algorithm.SHA256,
        ids=array.ids[rows],
        lists=array.lists[rows],
        values=array.values[rows],
        qualities=array.qualities[rows],
    )


def _mixed(array: EntryArrays) -> str:
    """All values in one, whatever their order: any one entry more or less changes it."""
    mixed: npt.NDArray[np.uint8] = np.bitwise_xor.reduce(array.values, axis=0)
    return mixed.tobytes().hex()


def _names(paths: Sequence[str]) -> list[str]:
    """The files by their names, or by their whole paths where two share a name."""
    short = [Path(path).name for path in paths]
    return [
        show_path(path if short.count(name) > 1 else name)
        for path, name in zip(paths, short, strict=True)
    ]


class _Accepted:
    """Passes the hashes of a file on, and keeps what to say of the lines that are none."""

    def __init__(self, path: str) -> None:
        self._path = show_path(path)
        self._first: list[str] = []
        self.rejected = 0

    def take(self, rows: Iterable[HashRow | RejectedRow]) -> Iterator[HashRow]:
        for row in rows:
            if isinstance(row, HashRow):
                yield row
                continue
            self.rejected += 1
            if self.rejected <= REJECTS_TOLD:
                self._first.append(f"{self._path}, line {row.line}: {row.reason}")

    def warnings(self) -> list[str]:
        if not self.rejected:
            return []
        what = f"{self._path}: {self.rejected:,} lines are not hashes and were not matched against."
        return [*self._first, what]


def _arrays(rows: Iterable[HashRow], number: int) -> Iterator[tuple[EntryArrays, bool]]:
    """The rows as arrays, each with whether its algorithm was guessed."""
    waiting: dict[tuple[Algorithm, bool], list[HashRow]] = {}
    for row in rows:
        key = (row.algorithm, row.guessed)
        some = waiting.setdefault(key, [])
        some.append(row)
        if len(some) == ROWS_AT_A_TIME:
            yield _array(row.algorithm, waiting.pop(key), number), row.guessed
    for (algorithm, guessed), some in waiting.items():
        yield _array(algorithm, some, number), guessed


def _array(algorithm: Algorithm, rows: Sequence[HashRow], number: int) -> EntryArrays:
    values = np.frombuffer(b"".join(row.value for row in rows), np.uint8)
    qualities = [-1 if row.quality is None else row.quality for row in rows]
    return EntryArrays(
        algorithm=algorithm,
        ids=np.array([row.line for row in rows], np.int64),
        lists=np.full(len(rows), number, np.int32),
        values=values.reshape(-1, algorithm.size),
        qualities=np.array(qualities, np.int16),
    )
