"""A scan's rows, counted, and the first of those that a person must see."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from safelight.bulk.about import About
from safelight.bulk.rows import Tally, is_skipped, is_unchecked, path_of
from safelight.bulk.state import whole_rows
from safelight.errors import CorruptFile
from safelight.files import show_path
from safelight.model import FOUND, PERCEPTUAL, Verdict
from safelight.report.show import Row, why_not_checked

DEFAULT_MOST = 1000  # rows of each table of a printed report

# Upper ends of the classes in which distances are counted.
DISTANCES = (0, 8, 16, 24, 31, 64)


@dataclass(slots=True)
class Gathered:
    """What there is to tell of a scan. Every count is of items, each once."""

    about: About
    most: int
    tally: Tally = field(default_factory=Tally)
    lists: Counter[tuple[str, str]] = field(default_factory=Counter)  # list, verdict
    classes: Counter[tuple[str, str]] = field(default_factory=Counter)  # list, class by source
    algorithms: Counter[str] = field(default_factory=Counter)  # of the nearest match
    distances: Counter[int] = field(default_factory=Counter)  # of the nearest, by DISTANCES
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)  # kind, verdict
    folders: Counter[bytes] = field(default_factory=Counter)  # of what was found
    skipped: Counter[tuple[str, str]] = field(default_factory=Counter)  # file, grade
    skipped_on_lists: int = 0
    observed: int = 0
    found: list[Row] = field(default_factory=list)  # the first `most`, known first, then nearest
    unchecked: list[Row] = field(default_factory=list)  # the first `most`, by code
    files: int = 0

    @property
    def found_left_away(self) -> int:
        """How many found items are not in `found`."""
        return self.tally.found - len(self.found)

    @property
    def unchecked_left_away(self) -> int:
        """How many items not checked are not in `unchecked`."""
        return sum(self._unchecked_of_not_found.values()) - len(self.unchecked)

    _unchecked_of_not_found: Counter[str] = field(default_factory=Counter)


def gather(result: Path, about: About, *, most: int = DEFAULT_MOST) -> Gathered:
    """Read a results file once. Memory is bounded by `most`, lists, classes and folders.

    Raises CorruptFile for rows that no scan of ours wrote.
    """
    gathered = Gathered(about=about, most=most)
    found = _First(most)
    unchecked: dict[str, _First] = {}
    for number, row in enumerate(rows_of(result)):
        try:
            _count(gathered, row)
            if is_found(row):
                found.add((*nearness(row), number), row)
            elif is_unchecked(row):
                code = why_not_checked(row)
                gathered._unchecked_of_not_found[code] += 1
                unchecked.setdefault(code, _First(most)).add((number,), row)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
            raise CorruptFile(f"{show_path(result)}: row {number + 1} is not of a scan.") from exc
    gathered.found = found.rows()
    for code in sorted(unchecked):
        gathered.unchecked += unchecked[code].rows()
    del gathered.unchecked[most:]
    return gathered


def rows_of(result: Path) -> Iterator[Row]:
    """Every row of a results file."""
    for row, _end in whole_rows(result):
        yield row


def is_found(row: Row) -> bool:
    """Whether the item is known or similar."""
    return row["verdict"] in FOUND


def nearness(row: Row) -> tuple[bool, bool, int]:
    """Orders found rows: known before similar; of those the same bytes, then from nearest."""
    best = row["matches"][0]
    return row["verdict"] != Verdict.KNOWN, best["algorithm"] in PERCEPTUAL, best["distance"]


def distance_class(distance: int) -> int:
    """The upper end of the class a distance is counted in; ValueError for one of no match."""
    if not 0 <= distance <= DISTANCES[-1]:
        raise ValueError("distance")
    return next(end for end in DISTANCES if distance <= end)


def _count(gathered: Gathered, row: Row) -> None:
    gathered.tally.add(row)
    gathered.kinds[(row["kind"], row["verdict"])] += 1
    gathered.observed += bool(row.get("observed"))
    if is_skipped(row):
        earlier = row["earlier"]
        grade = earlier.get("verdict") or earlier.get("class") or ""
        gathered.skipped[(earlier["file"], grade)] += 1
        gathered.skipped_on_lists += bool(row["matches"])
    elif is_found(row):
        _count_found(gathered, row)


def _count_found(gathered: Gathered, row: Row) -> None:
    matches = row["matches"]
    gathered.folders[path_of(row).rpartition(b"/")[0] or b"/"] += 1
    for name in {match["list"] for match in matches}:
        gathered.lists[(name, row["verdict"])] += 1
    for pair in {(match["list"], match["class"]) for match in matches}:
        gathered.classes[pair] += 1
    gathered.algorithms[matches[0]["algorithm"]] += 1
    near = [match["distance"] for match in matches if match["algorithm"] in PERCEPTUAL]
    if near:
        gathered.distances[distance_class(min(near))] += 1


class _First:
    """Keeps the `most` rows of the lowest keys."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[_Reversed, Row]] = []

    def add(self, key: tuple[int, ...], row: Row) -> None:
        entry = (_Reversed(key), row)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        elif self._heap and self._heap[0][0] < entry[0]:
            heapq.heapreplace(self._heap, entry)

    def rows(self) -> list[Row]:
        return [row for _key, row in sorted(self._heap, key=lambda entry: entry[0].key)]


@dataclass(frozen=True, slots=True)
class _Reversed:
    """A key that sorts the other way round; no two are equal."""

    key: tuple[int, ...]

    def __lt__(self, other: "_Reversed") -> bool:
        return other.key < self.key
