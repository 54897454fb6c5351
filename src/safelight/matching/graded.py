"""What is already graded, by its digests, so that it need not be decoded or seen again."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from safelight.errors import BadInput
from safelight.files import write_all
from safelight.matching.graded_heads import HEAD
from safelight.matching.rules import Hit, MatchPolicy, judge
from safelight.model import FILE_DIGESTS, Algorithm, Answer, Digests, Grade, Skipped, Verdict


class GradedRow(NamedTuple):
    """One digest that is graded. A named tuple: files have millions of them."""

    algorithm: Algorithm
    value: bytes
    grade: Grade


class Graded:
    """Digests that are graded, for as long as a scan runs. Safe to use from several threads."""

    def __init__(self, rows: Iterable[GradedRow]) -> None:
        """Load them; of rows of one digest the first counts. BadInput where there is none."""
        numbers: dict[Grade, int] = {}
        values: dict[Algorithm, list[bytes]] = {}
        grades: dict[Algorithm, list[int]] = {}
        for row in rows:
            values.setdefault(row.algorithm, []).append(row.value)
            number = numbers.setdefault(row.grade, len(numbers))
            grades.setdefault(row.algorithm, []).append(number)
        if not values:
            raise BadInput("there is no digest (MD5, SHA-1, SHA-256) of a graded file.")
        self._grades = list(numbers)
        self._tables = {one: _Table(one, values[one], grades[one]) for one in values}
        self.heads = _memory_file(list(self._tables.values()))

    def __len__(self) -> int:
        return sum(len(table) for table in self._tables.values())

    def grade_of(self, digests: Digests) -> Grade | None:
        """The grade of a file; None where none of its digests is graded."""
        for algorithm in FILE_DIGESTS:
            table = self._tables.get(algorithm)
            number = table.find(bytes.fromhex(getattr(digests, algorithm))) if table else None
            if number is not None:
                return self._grades[number]
        return None

    @property
    def fingerprint(self) -> str:
        """Equal for the same digests and grades, in whatever order they were read."""
        mixed = blake2b(digest_size=16)
        for algorithm in sorted(self._tables):
            self._tables[algorithm].mix_into(mixed, self._grades)
        return mixed.hexdigest()


class _Table:
    """Digests of one algorithm, sorted, and the number of the grade of each."""

    def __init__(self, algorithm: Algorithm, values: Sequence[bytes], grades: list[int]) -> None:
        self._algorithm = algorithm
        array = np.frombuffer(b"".join(values), f"V{algorithm.size}")
        self.values, first = np.unique(array, return_index=True)
        self._grades = np.array(grades, np.int32)[first]

    def __len__(self) -> int:
        return len(self.values)

    def find(self, value: bytes) -> int | None:
        wanted = np.frombuffer(value, self.values.dtype)
        at = int(np.searchsorted(self.values, wanted)[0])
        if at == len(self.values) or self.values[at].tobytes() != value:
            return None
        return int(self._grades[at])

    def heads(self) -> npt.NDArray[np.uint64]:
        whole = self.values.view(np.uint8).reshape(-1, self._algorithm.size)
        return np.ascontiguousarray(whole[:, :HEAD]).view(">u8").ravel().astype(np.uint64)

    def mix_into(self, mixed: "blake2b", grades: Sequence[Grade]) -> None:
        mixed.update(self._algorithm.encode())
        mixed.update(self.values.tobytes())
        for number in self._grades.tolist():
            mixed.update("\0".join(grades[number].to_json().values()).encode() + b"\n")


def _memory_file(tables: Sequence[_Table]) -> int:
    """A file in memory with the beginnings of all digests, sorted; open as long as we run."""
    heads = np.sort(np.concatenate([table.heads() for table in tables])).astype(">u8")
    fd = os.memfd_create("safelight-graded", os.MFD_CLOEXEC)
    write_all(fd, heads.tobytes())
    return fd


def left_out(examined: Skipped, hits: Sequence[Hit], policy: MatchPolicy) -> Answer:
    """The answer about a file that was left out.

    It was graded before, so it is neither found nor not checked; that its digest is on a list is
    still told.
    """
    grade = examined.grade
    what = grade.verdict or (f"class {grade.their_class}" if grade.their_class else "")
    reason = f"already_graded: the file is in {grade.file}" + (f" ({what})" if what else "")
    answer = judge(examined, hits, policy)
    return replace(answer, verdict=Verdict.SKIPPED, reasons=(reason, *answer.reasons))
