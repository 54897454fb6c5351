"""Scanning a pack, and holding what came out against what must."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safelight.bulk.rows import path_of, scan_row
from safelight.bulk.scan import scan_all
from safelight.bulk.walk import walk
from safelight.examine import Examiner
from safelight.matching.load import Sources, load_files
from safelight.matching.rules import AS_LISTED
from safelight.model import Algorithm, Depth
from safelight.validation.expect import Expected, disagreements
from safelight.validation.pack import Pack

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One item of the pack, and what about it is not as expected; nothing if all is."""

    expected: Expected
    row: Row | None
    wrong: tuple[str, ...]


def scan_pack(pack: Pack, examiner: Examiner, *, jobs: int) -> Iterator[Row]:
    """The rows of a scan of the pack, through the same stages as any scan."""
    loaded = load_files(Sources.of(None, [pack.hashes], Algorithm.PDQ))
    found = scan_all(
        walk([bytes(pack.collection)]),
        examiner,
        loaded.matcher,
        AS_LISTED,
        Depth(archives=True),
        jobs=jobs,
    )
    for one in found:
        yield scan_row(one.raw_path, one.answer, one.members, inside=one.inside)


def check(pack: Pack, rows: Iterable[Row]) -> Sequence[Checked]:
    """Every item that is expected, held against its row."""
    by_item = {_key(pack.collection, row): row for row in rows}
    return [_checked(one, by_item) for one in pack.expected]


def _checked(expected: Expected, rows: Mapping[tuple[str, ...], Row]) -> Checked:
    row = rows.get((expected.file, *expected.inside))
    return Checked(expected=expected, row=row, wrong=tuple(disagreements(expected, row)))


def _key(collection: Path, row: Row) -> tuple[str, ...]:
    name = path_of(row)[len(bytes(collection)) + 1 :].decode("utf-8", "surrogateescape")
    return (name, *(step["name"] for step in row.get("derivation", ())))


def by_capability(checked: Iterable[Checked]) -> Mapping[str, list[Checked]]:
    """The items of each capability, in the order of the pack."""
    found: dict[str, list[Checked]] = {}
    for one in checked:
        found.setdefault(one.expected.capability, []).append(one)
    return found


def signature(checked: Iterable[Checked]) -> str:
    """A digest of what was expected and of whether it came.

    Two installations that can do the same and do it give the same.
    """
    digest = hashlib.sha256()
    for one in checked:
        told = {**one.expected.to_json(), "wrong": list(one.wrong)}
        digest.update(json.dumps(told).encode() + b"\n")
    return digest.hexdigest()
