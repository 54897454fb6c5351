"""Where the entries to match come from: hash lists in the database, or hash files."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from safelight.connectors.hash_files import not_all_pdq, read_hash_file
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.matching.content import ListContents
from safelight.matching.following import Followed, to_match
from safelight.matching.rules import AS_LISTED, MatchList, MatchPolicy, Standing, not_widened
from safelight.matching.step import Matcher
from safelight.model import (
    DEFAULT_MIN_QUALITY,
    DEFAULT_RADIUS,
    PDQ_BITS,
    PDQ_BYTES,
    Algorithm,
    EntryArrays,
    HashRow,
    History,
    RejectedRow,
)

if TYPE_CHECKING:  # hash files need no database, so that SQLAlchemy is not loaded for them
    from safelight.store.database import Store
    from safelight.store.lists import HashList
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
class ListFacts:
    """What a report says about a list, or hash file, that was matched against.

    `digest` is equal for equal entries and classes whatever their order and numbers. It notices
    accidents, not somebody who builds entries for the purpose.
    """

    name: str
    source: str
    meaning: str
    source_term: str  # the source's own word; empty but where that is the meaning
    licence: str  # unknown where nobody said
    permitted_purposes: tuple[str, ...]  # of a hash file: unknown
    redistribution: str
    change: int  # of the list; 0: a hash file
    entries: int
    digest: str
    radius: int | None  # None: a hash file, compared as the request asks
    min_quality: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was loaded, and what a person must know of what was not.

    `fingerprint` is equal for equal entries and classes of equal lists, in whatever order. Of the
    lists in `observed` matches are counted, and those in `ignore` hold what is of no interest:
    neither makes a file known or similar.
    """

    matcher: Matcher
    entries: int
    fingerprint: str
    warnings: tuple[str, ...] = ()
    unread: int = 0  # lines of hash files that are no hash
    observed: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    about: tuple[ListFacts, ...] = ()
    histories: Mapping[int, History] = field(default_factory=dict)  # of entries that matched


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A list or file that entries belong to, and how it is matched."""

    name: str
    source: str = ""
    meaning: str = "unverified"
    source_term: str = ""
    licence: str = "unknown"
    permitted_purposes: tuple[str, ...] = ("unknown",)
    redistribution: str = "unknown"
    change: int = 0
    rules: MatchList
    is_file: bool = False


def load_files(sources: Sources, policy: MatchPolicy = AS_LISTED) -> Loaded:
    """Load hash files. An entry's number is the line it stands on.

    A file does not say how near is near: what the request asks counts, or else the defaults.
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
        warnings += [left_out_note(path, name, count) for name, count in rows.left_out.items()]
        unread += accepted.rejected
    names = _names(sources.hashes)
    warnings += [_doubt(names[number]) for number in _doubtful(guesses)]
    named = [_of_file(name, policy) for name in names]
    contents = ListContents()
    for array in arrays:
        contents.add(array)
    about = [_facts(one, contents, number) for number, one in enumerate(named)]
    matcher = Matcher([one.rules for one in named], [*arrays, *guesses])
    return _loaded(named, matcher, about, warnings, unread=unread)


def _of_file(name: str, policy: MatchPolicy) -> _Named:
    return _Named(
        name=name,
        is_file=True,
        rules=MatchList(
            name=name,
            radius=DEFAULT_RADIUS if policy.radius is None else policy.radius,
            min_quality=DEFAULT_MIN_QUALITY if policy.min_quality is None else policy.min_quality,
        ),
    )


def load_lists(
    tx: "Transaction", sources: Sources, policy: MatchPolicy = AS_LISTED, *, now: datetime
) -> Loaded:
    """Load hash lists from the database; those named must be usable, else NotPermitted.

    A list that gives less than `policy` asks for is told of in the warnings.
    """
    # Here, not above: whoever has a transaction has loaded the store already.
    from safelight.store.changes import changes_since  # noqa: PLC0415
    from safelight.store.lists import lists_for_matching  # noqa: PLC0415

    lists, reasons = lists_for_matching(tx, sources.lists, now=now)
    _refuse_none(lists, reasons)
    followed = Followed(contents=ListContents())
    followed.take(changes_since(tx, {}, only=[one.id for one in lists], now=now))
    return _of_followed(lists, followed, [*reasons, *not_widened(followed.matcher.lists, policy)])


def load_from(
    store: "Store",
    sources: Sources,
    policy: MatchPolicy = AS_LISTED,
    *,
    home: Path | None,
    now: datetime,
    tell: Callable[[str], None],
) -> Loaded:
    """As `load_lists`, beginning with what is kept in `home`, which is kept up meanwhile.

    `tell` is told, from whatever thread, of what of it could not be used or written. The answers do
    not depend on it.
    """
    from safelight.matching.begin import begin  # noqa: PLC0415 - as in load_lists

    begun = begin(store, sources.lists, home=home, now=now, tell=tell)
    _refuse_none(begun.lists, begun.left_out)
    told = [*begun.left_out, *not_widened(begun.followed.matcher.lists, policy)]
    loaded = _of_followed(begun.lists, begun.followed, told)
    if home is not None:
        begun.settle(home, now=now, tell=tell)
    return loaded


def _refuse_none(lists: "Sequence[HashList]", reasons: Sequence[str]) -> None:
    if not lists:
        raise BadInput(
            "there is no enabled hash list to match against. Import one (safelight list import),"
            " enable one (safelight list enable), or give a file of hashes with --hashes."
            + "".join(f" {reason}" for reason in reasons)
        )


def _of_followed(
    lists: "Sequence[HashList]", followed: Followed, warnings: Sequence[str]
) -> Loaded:
    numbers = [followed.place.numbers[one.id] for one in lists]
    named, doubtful = [_of_list(one) for one in lists], followed.place.doubtful()
    doubts = [
        _doubt(one.name) for one, number in zip(lists, numbers, strict=True) if number in doubtful
    ]
    contents = followed.contents or ListContents()
    about = [_facts(one, contents, number) for one, number in zip(named, numbers, strict=True)]
    return _loaded(named, followed.matcher, about, [*warnings, *doubts])


def _of_list(one: "HashList") -> _Named:
    return _Named(
        name=one.name,
        source=one.source,
        meaning=one.meaning,
        source_term=one.source_term,
        licence=one.licence,
        permitted_purposes=one.permitted_purposes,
        redistribution=one.redistribution,
        change=one.change,
        rules=to_match(one),
    )


def left_out_note(path: str | Path, name: str, count: int) -> str:
    """What to say of hashes of a kind that is not imported."""
    return (
        f"{show_path(path)}: left out {count:,} of the kind {name}: only programs that know that "
        "kind can compare them."
    )


def _loaded(
    lists: Sequence[_Named],
    matcher: Matcher,
    about: Sequence[ListFacts],
    warnings: Sequence[str],
    *,
    unread: int = 0,
) -> Loaded:
    entries = sum(facts.entries for facts in about)
    if not entries:
        names = ", ".join(one.name for one in lists)
        raise BadInput(f"there is nothing to match against: {names or 'no file'} holds no hashes.")
    observed = frozenset(one.name for one in lists if one.rules.standing is Standing.OBSERVED)
    ignore = frozenset(one.name for one in lists if one.meaning == "ignore")
    told = [f"{facts.name} {facts.digest} {facts.radius} {facts.min_quality}" for facts in about]
    told += [*sorted(observed), *sorted(ignore)]
    told += sorted(f"{one.name} confirmed" for one in lists if one.rules.confirmed)
    return Loaded(
        matcher=matcher,
        entries=entries,
        fingerprint=blake2b("\n".join(told).encode(), digest_size=16).hexdigest(),
        warnings=tuple(warnings),
        unread=unread,
        observed=observed,
        ignore=ignore,
        about=tuple(about),
    )


def _facts(one: _Named, contents: ListContents, number: int) -> ListFacts:
    return ListFacts(
        name=one.name,
        source=one.source,
        meaning=one.meaning,
        source_term=one.source_term,
        licence=one.licence,
        permitted_purposes=one.permitted_purposes,
        redistribution=one.redistribution,
        change=one.change,
        entries=contents.entries(number),
        digest=contents.digest(number),
        radius=None if one.is_file else one.rules.radius,
        min_quality=None if one.is_file else one.rules.min_quality,
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
    frames = 0
    for row in rows:
        key = (row.algorithm, row.guessed)
        some = waiting.setdefault(key, [])
        some.append(row)
        frames += len(row.frames)
        if len(some) == ROWS_AT_A_TIME or (row.frames and frames > ROWS_AT_A_TIME):
            frames = 0
            yield _array(row.algorithm, waiting.pop(key), number), row.guessed
    for (algorithm, guessed), some in waiting.items():
        yield _array(algorithm, some, number), guessed


def _array(algorithm: Algorithm, rows: Sequence[HashRow], number: int) -> EntryArrays:
    """The rows; of a video its frames, each with the number of its line."""
    if algorithm is Algorithm.VPDQ:
        return _video_array(rows, number)
    qualities = [-1 if row.quality is None else row.quality for row in rows]
    values = np.frombuffer(b"".join(row.value for row in rows), np.uint8)
    classes, names = _classes(rows)
    return EntryArrays(
        algorithm=algorithm,
        ids=np.array([row.line for row in rows], np.int64),
        lists=np.full(len(rows), number, np.int32),
        values=values.reshape(-1, algorithm.size),
        qualities=np.array(qualities, np.int16),
        classes=classes,
        class_names=names,
    )


def _video_array(rows: Sequence[HashRow], number: int) -> EntryArrays:
    counts = [len(row.frames) for row in rows]
    frames = [frame for row in rows for frame in row.frames]
    values = np.frombuffer(b"".join(frame.value for frame in frames), np.uint8)
    classes, names = _classes(rows)
    return EntryArrays(
        algorithm=Algorithm.VPDQ,
        ids=np.repeat(np.array([row.line for row in rows], np.int64), counts),
        lists=np.full(len(frames), number, np.int32),
        values=values.reshape(-1, PDQ_BYTES),
        qualities=np.array([frame.quality for frame in frames], np.int16),
        classes=None if classes is None else np.repeat(classes, counts),
        class_names=names,
        times=np.array([frame.milliseconds for frame in frames], np.int32),
    )


def _classes(rows: Sequence[HashRow]) -> tuple[npt.NDArray[np.int32] | None, tuple[str, ...]]:
    """The place of every row's class among the names; None where no row has one."""
    names: dict[str, int] = {"": 0}
    places = [names.setdefault(row.their_class, len(names)) for row in rows]
    if len(names) == 1:
        return None, ("",)
    return np.array(places, np.int32), tuple(names)
