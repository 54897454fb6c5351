"""What lists hold, in numbers that do not depend on the order of their entries."""

from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.matching.facts import NEVER
from safelight.model import Algorithm, EntryArrays

_ROWS_AT_A_TIME = 1 << 20
_LIMBS = 4  # of 16 bits: sums of millions stay exact in a float
_OTHER = np.uint64(0x9E3779B97F4A7C15)

Words = npt.NDArray[np.uint64]


class ListContents:
    """Counts the entries of lists and mixes them into one number each."""

    def __init__(self, lists: int = 0) -> None:
        """Of so many lists; it grows when others come."""
        self._entries = [0] * lists
        self._sums: dict[Algorithm, list[int]] = {}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ListContents":
        """What `to_json` gave."""
        new = cls()
        new._entries = list(map(int, data["entries"]))
        sums = {Algorithm(name): list(map(int, sums)) for name, sums in data["sums"].items()}
        if any(len(some) > len(new._entries) for some in sums.values()):
            raise ValueError("sums of lists that are not counted")
        new._sums = sums
        return new

    def to_json(self) -> dict[str, Any]:
        """All of it; the sums as text, since they are larger than JSON's numbers."""
        sums = {one.value: list(map(str, some)) for one, some in self._sums.items()}
        return {"entries": list(self._entries), "sums": sums}

    def copy(self) -> "ListContents":
        """Another that holds the same."""
        new = ListContents()
        new._entries = list(self._entries)
        new._sums = {algorithm: list(sums) for algorithm, sums in self._sums.items()}
        return new

    def add(self, array: EntryArrays, *, times: int = 1) -> None:
        """Take the entries in; each entry must come whole, in one array. Out, with `times` -1."""
        for first in range(0, len(array.ids), _ROWS_AT_A_TIME):
            rows = slice(first, first + _ROWS_AT_A_TIME)
            self._mix(array, rows, times)
        lists = array.lists
        if array.algorithm is Algorithm.VPDQ:  # a row for every frame
            keys = np.unique(np.stack([lists.astype(np.int64), array.ids], axis=1), axis=0)
            lists = keys[:, 0].astype(np.int32)
        counts = np.bincount(lists)
        _grow(self._entries, len(counts))
        for number in np.flatnonzero(counts).tolist():
            self._entries[number] += times * int(counts[number])

    def entries(self, number: int) -> int:
        """How many entries the list has."""
        return self._entries[number] if number < len(self._entries) else 0

    def digest(self, number: int) -> str:
        """Equal for equal entries (all but their numbers), in whatever order."""
        facts = sorted(
            f"{algorithm} {sums[number]}"
            for algorithm, sums in self._sums.items()
            if number < len(sums) and sums[number]
        )
        told = "\n".join([str(self.entries(number)), *facts])
        return blake2b(told.encode(), digest_size=16).hexdigest()

    def _mix(self, array: EntryArrays, rows: slice, times: int) -> None:
        mixed = _row_numbers(array, rows)
        sums = self._sums.setdefault(array.algorithm, [])
        for place, numbers in enumerate((mixed, _scrambled(mixed ^ _OTHER))):
            for limb in range(_LIMBS):
                part = ((numbers >> np.uint64(16 * limb)) & np.uint64(0xFFFF)).astype(np.float64)
                found = np.bincount(array.lists[rows], weights=part)
                _grow(sums, len(found))
                for number in np.flatnonzero(found).tolist():
                    sums[number] += times * (int(found[number]) << (128 * place + 16 * limb))


def _grow(numbers: list[int], size: int) -> None:
    numbers += [0] * (size - len(numbers))


def _row_numbers(array: EntryArrays, rows: slice) -> Words:
    """One number for each row, which everything in it has changed."""
    values = array.values[rows]
    padded = np.zeros((len(values), -(-values.shape[1] // 8) * 8), np.uint8)
    padded[:, : values.shape[1]] = values
    words = padded.view("<u8").astype(np.uint64)
    qualities = np.maximum(array.qualities[rows], -1).astype(np.int64)  # unknown is unknown
    times = 0 if array.times is None else array.times[rows].astype(np.int64)
    mixed = _scrambled((qualities + (times + np.int64(1)) * 256).astype(np.uint64))
    mixed = _scrambled(mixed ^ _class_numbers(array, rows))
    for column in range(words.shape[1]):
        mixed = _scrambled(mixed ^ words[:, column])
    return _with_marks(mixed, array, rows)


def _with_marks(mixed: Words, array: EntryArrays, rows: slice) -> Words:
    """The numbers, with the flags and ends of entries that have any: verdicts hang on them."""
    if array.flags is None and array.until is None:
        return mixed
    none = np.zeros(len(mixed), np.int64)
    flags = none if array.flags is None else array.flags[rows].astype(np.int64)
    ends = none + NEVER if array.until is None else array.until[rows]
    marked = (flags != 0) | (ends != NEVER)
    return np.where(marked, _scrambled(_scrambled(mixed ^ _words(flags)) ^ _words(ends)), mixed)


def _words(numbers: npt.NDArray[np.int64]) -> Words:
    return numbers.astype(np.uint64)


def _class_numbers(array: EntryArrays, rows: slice) -> Words | np.uint64:
    """A number for the name of each row's class, whatever its place among the names."""
    if array.classes is None:
        return _class_number("")
    numbers = np.array([_class_number(name) for name in array.class_names], np.uint64)
    return numbers[array.classes[rows]]


def _class_number(name: str) -> np.uint64:
    mixed = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8)
    return np.uint64(int.from_bytes(mixed.digest(), "little"))


def _scrambled(numbers: Words) -> Words:
    """The mixing step of SplitMix64."""
    numbers = numbers + _OTHER
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
