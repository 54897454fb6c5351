"""A shard: the piece of a data set that is examined as a whole, and gets one part of the result."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from safelight.model import NotChecked

FILES_IN_SHARD = 1000
_LONGEST_NAME = 60
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class ShardKind(StrEnum):
    """What a shard is made of."""

    FILES = "files"  # so many files, each with its own row
    TAR = "tar"  # a WebDataset tar
    PARQUET = "parquet"  # a table with pictures in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to examine: its path or URL, what the manifest tells of it, or why it cannot be.

    `members` is what a manifest tells of things in the file, by their name or key.
    """

    path: bytes
    facts: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[bytes, Mapping[str, str]] | None = None
    problem: NotChecked | None = None
    tag: str = ""  # changes when the file does, where that is known without opening it


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """`number` from 0 in the order of the data set; `fingerprint` tells whether it has changed."""

    number: int
    kind: ShardKind
    name: str
    files: tuple[Wanted, ...]
    fingerprint: str

    def part_name(self, ending: str) -> str:
        """The file name of its part of the result."""
        return f"part-{self.number:05}-{self.name}.{ending}"


def single(number: int, kind: ShardKind, file: Wanted) -> Shard:
    """A shard that is one file."""
    return Shard(
        number=number,
        kind=kind,
        name=_name_for(file.path),
        files=(file,),
        fingerprint=_fingerprint([file]),
    )


def batch(number: int, files: Iterable[Wanted]) -> Shard:
    """A shard of many files."""
    files = tuple(files)
    return Shard(
        number=number,
        kind=ShardKind.FILES,
        name="files",
        files=files,
        fingerprint=_fingerprint(files),
    )


def _fingerprint(files: Iterable[Wanted]) -> str:
    digest = blake2b(digest_size=16)
    for file in files:
        for text in (file.path, file.tag.encode(), _bytes_of(file.facts)):
            digest.update(b"%d:" % len(text) + text)
        for name, facts in (file.members or {}).items():
            digest.update(b"%d:" % len(name) + name + _bytes_of(facts))
    return digest.hexdigest()


def _bytes_of(facts: Mapping[str, str]) -> bytes:
    return json.dumps(facts, sort_keys=True).encode() if facts else b""


def _name_for(path: bytes) -> str:
    """The file's name without its ending, of characters that any system takes."""
    base = os.path.basename(path).decode("utf-8", "replace")
    plain = _NOT_IN_NAMES.sub("_", base.partition(".")[0]).strip("._-")
    return plain[:_LONGEST_NAME] or "shard"


class Numbering:
    """Hands out shard numbers, and gathers single files into batches."""

    def __init__(self, size: int = FILES_IN_SHARD) -> None:
        self._size = size
        self._next = 0
        self._waiting: list[Wanted] = []

    def single(self, kind: ShardKind, file: Wanted) -> Shard:
        """The next shard: this file."""
        self._next += 1
        return single(self._next - 1, kind, file)

    def add(self, file: Wanted) -> Iterator[Shard]:
        """Put the file into the batch; yield the batch when it is full."""
        self._waiting.append(file)
        if len(self._waiting) >= self._size:
            yield from self.rest()

    def rest(self) -> Iterator[Shard]:
        """Yield the batch that is not full."""
        if self._waiting:
            self._next += 1
            yield batch(self._next - 1, self._waiting)
            self._waiting = []
