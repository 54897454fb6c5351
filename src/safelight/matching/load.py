"""Where the entries to match come from: hash lists in the database, or hash files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from safelight.connectors.hash_files import Guesses, read_hash_file
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.matching.step import Matcher
from safelight.model import Algorithm, EntryArrays, HashRow, RejectedRow

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
    fingerprint: str
    warnings: tuple[str, ...] = ()


def load_files(sources: Sources) -> Loaded:
    """Load hash files. An entry's number is the line it stands on.

    Raises BadPath or BadHashFile; lines that are no hash are told in the warnings. Hashes of 64
    digits that were taken for PDQ and do not look it are matched as SHA-256 as well.
    """
    warnings: list[str] = []
    arrays: list[EntryArrays] = []
    for number, path in enumerate(sources.hashes):
        guesses = Guesses()
        rows = read_hash_file(Path(path), algorithm=sources.algorithm)
        some = list(_arrays(guesses.take(_accepted(rows, path, warnings)), number))
        arrays += [array for array, _ in some]
        if guesses.in_doubt:
            arrays += [replace(array, algorithm=Algorithm.SHA256) for array, guess in some if guess]
            warnings.append(
                f"{show_path(path)}: its hashes of 64 digits do not look like PDQ, and are matched"
                " as SHA-256 as well; say which they are with --algorithm."
            )
    return _loaded(_names(sources.hashes), arrays, warnings)


def load_lists(tx: "Transaction", sources: Sources, *, now: datetime) -> Loaded:
    """Load hash lists from the database; those named must be usable, else NotPermitted."""
    # Here, not above: whoever has a transaction has loaded the store already.
    from safelight.store.entries import entries_for_matching  # noqa: PLC0415
    from safelight.store.lists import lists_for_matching  # noqa: PLC0415

    lists, reasons = lists_for_matching(tx, sources.lists, now=now)
    if not lists:
        raise BadInput(
            "there is no enabled hash list to match against. Import one (safelight list import),"
            " enable one (safelight list enable), or give a file of hashes with --hashes."
        )
    entries = entries_for_matching(tx, [one.id for one in lists])
    return _loaded([one.name for one in lists], list(entries.values()), reasons)


def _loaded(names: Sequence[str], arrays: Sequence[EntryArrays], warnings: Sequence[str]) -> Loaded:
    facts = sorted(f"{array.algorithm} {len(array.ids)} {_mixed(array)}" for array in arrays)
    fingerprint = blake2b("\n".join([*names, *facts]).encode(), digest_size=16).hexdigest()
    matcher = Matcher(names, arrays)
    return Loaded(matcher=matcher, fingerprint=fingerprint, warnings=tuple(warnings))


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


def _accepted(
    rows: Iterable[HashRow | RejectedRow], path: str, warnings: list[str]
) -> Iterator[HashRow]:
    rejected = 0
    for row in rows:
        if isinstance(row, HashRow):
            yield row
            continue
        rejected += 1
        if rejected <= REJECTS_TOLD:
            warnings.append(f"{show_path(path)}, line {row.line}: {row.reason}")
    if rejected:
        warnings.append(
            f"{show_path(path)}: {rejected:,} lines are not hashes and were not matched against."
        )


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
