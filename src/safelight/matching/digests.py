"""Digests that are looked up where they are equal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.matching.merging import merged

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

_HEAD_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedDigests:
    """Digests in the order of their first eight bytes, each with the key of its entry."""

    heads: npt.NDArray[np.uint64]  # [n], ascending
    values: Bytes  # [n, size]
    keys: Numbers  # [n]

    @classmethod
    def of(cls, values: Bytes, keys: Numbers) -> "SortedDigests":
        """Sort them."""
        heads = np.ascontiguousarray(values[:, :_HEAD_BYTES]).view(">u8").ravel()
        heads = heads.astype(np.uint64)
        order = np.argsort(heads, kind="stable")
        return cls(heads=heads[order], values=values[order], keys=keys[order])

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: npt.NDArray[np.bool_]) -> "SortedDigests":
        """Some of them."""
        if rows.all():
            return self
        return SortedDigests(heads=self.heads[rows], values=self.values[rows], keys=self.keys[rows])

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The columns, by name."""
        return {"heads": self.heads, "values": self.values, "keys": self.keys}

    def find(self, value: bytes) -> Numbers:
        """The keys of the digests that are equal."""
        head = np.uint64(int.from_bytes(value[:_HEAD_BYTES], "big"))
        first = int(np.searchsorted(self.heads, head, side="left"))
        last = int(np.searchsorted(self.heads, head, side="right"))
        if first == last:
            return self.keys[:0]
        same = (self.values[first:last] == np.frombuffer(value, np.uint8)).all(axis=1)
        found: Numbers = self.keys[first:last][same]
        return found


class DigestIndex:
    """Digests in sorted parts. Never changed: `with_digests` gives another."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[SortedDigests] = ()) -> None:
        self.parts = tuple(part for part in parts if len(part))

    def find(self, value: bytes) -> Numbers:
        """The keys of the digests that are equal."""
        found = [part.find(value) for part in self.parts]
        return np.concatenate([np.empty(0, np.int64), *found])

    def with_digests(self, values: Bytes, keys: Numbers) -> "DigestIndex":
        """With these too, whose keys must be new."""
        parts = [*self.parts, SortedDigests.of(values, keys)]
        return DigestIndex(merged(parts, lambda one, other: _joined([one, other])))

    def only(self, wanted: Callable[[Numbers], npt.NDArray[np.bool_]]) -> "DigestIndex":
        """Those whose keys are wanted."""
        return DigestIndex([part.take(wanted(part.keys)) for part in self.parts])

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def joined(self) -> SortedDigests:
        """All of them in one part; there must be some."""
        return _joined(self.parts)


def _joined(parts: Sequence[SortedDigests]) -> SortedDigests:
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate([part.values for part in parts])
    return SortedDigests.of(values, np.concatenate([part.keys for part in parts]))
