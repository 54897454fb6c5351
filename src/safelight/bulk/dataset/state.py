"""An audit's state on disk: its results, part by part, and which shards are done.

    DIR/dataset.json               what was asked
    DIR/shards.jsonl               one line for every shard that is whole
    DIR/part-00000-<name>.parquet  the rows of one shard, or .jsonl
    DIR/summary.json               totals

A part is renamed into place before its line is written: a shard without a line is examined again
and its part replaced, so that nothing is lost, half-written or there twice. A shard of which an
object could not be fetched gets its part and its line, and is examined again when the audit is
gone on with. Files are 0600: they hold hashes, which are restricted data.
"""

import fcntl
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import IO, Any

from safelight.bulk.dataset.request import DatasetRequest
from safelight.bulk.dataset.shards import Shard
from safelight.bulk.parts import UNFINISHED
from safelight.bulk.rows import Tally
from safelight.errors import BadInput, BadPath, CorruptFile
from safelight.files import (
    PRIVATE,
    PRIVATE_FOLDER,
    disk_errors,
    replace_private,
    show_path,
    to_line,
    write_all,
)

_REQUEST = "dataset.json"
_SHARDS = "shards.jsonl"
_SUMMARY = "summary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A shard that is whole: what it came to.

    `matched`: how many of its items matched each entry of a list; not written down.
    """

    number: int
    fingerprint: str
    part: str
    sha256: str  # of the part
    tally: Tally
    sidecars: int = 0
    again: bool = False  # something could not be fetched: worth another try
    matched: Mapping[int, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The line of the shard as plain JSON values."""
        return {
            "number": self.number,
            "fingerprint": self.fingerprint,
            "part": self.part,
            "sha256": self.sha256,
            "sidecars": self.sidecars,
            "again": self.again,
            "tally": _tally_to_json(self.tally),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Done":
        """The shard from what `to_json` gave."""
        tally = data["tally"]
        told: dict[str, Any] = {name: Counter(tally[name]) for name in _COUNTERS}
        told |= {name: tally[name] for name in _NUMBERS}
        return cls(
            number=data["number"],
            fingerprint=data["fingerprint"],
            part=data["part"],
            sha256=data["sha256"],
            sidecars=data["sidecars"],
            again=data["again"],
            tally=Tally(**told),
        )


_COUNTERS = ("verdicts", "not_checked", "in_part")
_NUMBERS = ("partly_checked", "observed", "suppressed", "files")


def _tally_to_json(tally: Tally) -> dict[str, Any]:
    counters = {name: dict(getattr(tally, name)) for name in _COUNTERS}
    return {**counters, **{name: getattr(tally, name) for name in _NUMBERS}}


class DatasetState:
    """An audit's folder, locked against a second one. Safe to use from many threads."""

    def __init__(self, folder: Path, request: DatasetRequest) -> None:
        """Make the folder, or go on in it.

        Raises BadInput where something else was asked there before, or another process is at work
        in it; BadPath where the folder holds something else.
        """
        self.folder = folder
        self.request = request
        self.tally = Tally()
        self.sidecars = 0
        self.shards = 0
        self.again = 0
        self._done: dict[int, str] = {}
        self._parts: dict[str, str] = {}  # SHA-256 of each
        self._retry: set[int] = set()
        self.matched: Counter[int] = Counter()  # entries, by shards made whole since this began
        self._lock = RLock()  # a signal may come while it is held
        self._journal = self._open()
        try:
            self._read_journal()
            self._check_request()
            self._remove_unfinished()
        except BaseException:
            self._journal.close()
            raise
        self.resumed = self.shards

    def __enter__(self) -> "DatasetState":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._journal.close()

    def is_done(self, shard: Shard) -> bool:
        """Whether the shard has its part. Raises BadInput where the data set has changed since."""
        before = self._done.get(shard.number)
        if before is None:
            return False
        if before != shard.fingerprint:
            raise BadInput(
                f"the data set has changed: shard {shard.number} ({shard.name}) is not what it was"
                f" when it was examined. Name another folder than {show_path(self.folder)} with"
                " --result."
            )
        return shard.number not in self._retry

    def part_path(self, shard: Shard) -> Path:
        """Where the part of the shard goes."""
        return self.folder / shard.part_name(self.request.format.value)

    def add(self, done: Done) -> None:
        """Note that a shard has its part."""
        with self._lock, disk_errors(self.folder / _SHARDS):
            before = self._journal.tell()
            try:
                write_all(self._journal.fileno(), to_line(done.to_json()).encode())
                os.fsync(self._journal.fileno())
            except OSError:
                os.ftruncate(self._journal.fileno(), before)
                raise
            self._count(done)
            if not done.again:  # it is examined again, and what it matches would count twice
                self.matched.update(done.matched)

    def take_matched(self) -> Mapping[int, int]:
        """The entries matched since this was last asked, with how many items matched each."""
        with self._lock:
            taken, self.matched = self.matched, Counter()
            return taken

    def count_of_done(self) -> int:
        """How many shards have their part."""
        return len(self._done)

    def write_summary(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """Write the totals; return them."""
        summary = {
            "shards": self.shards,
            "shards_to_try_again": self.again,
            **self.tally.to_json(),
            "sidecars": self.sidecars,
            **more,
            "parts": dict(sorted(self._parts.items())),
        }
        data = json.dumps(summary, indent=2) + "\n"
        replace_private(self.folder / _SUMMARY, data.encode())
        return summary

    def _count(self, done: Done) -> None:
        self._done[done.number] = done.fingerprint
        self._retry.discard(done.number)
        self._parts[done.part] = done.sha256
        self.tally.absorb(done.tally)
        self.sidecars += done.sidecars
        self.shards += 1
        self.again += done.again

    def _open(self) -> IO[bytes]:
        with disk_errors(self.folder):
            new = not self.folder.exists()
            self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            if not new and not (self.folder / _SHARDS).exists() and any(self.folder.iterdir()):
                raise BadPath(
                    f"{show_path(self.folder)} holds something else; name another folder with"
                    " --result."
                )
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            fd = os.open(self.folder / _SHARDS, flags, PRIVATE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(fd)
            shown = show_path(self.folder)
            raise BadInput(f"another data-set audit is at work in {shown}.") from exc
        return os.fdopen(fd, "r+b", buffering=0)

    def _check_request(self) -> None:
        path = self.folder / _REQUEST
        if not self._done:  # nothing was examined yet under what was asked before
            data = json.dumps(self.request.to_json(), indent=2) + "\n"
            replace_private(path, data.encode())
            return
        try:
            before = json.loads(path.read_text("utf-8"))
            different = list(self.request.differences(before))
        except (OSError, ValueError, AttributeError) as exc:
            raise CorruptFile(
                f"{show_path(path)} is damaged, or of another version; name another --result."
            ) from exc
        if different:
            raise BadInput(
                f"{show_path(self.folder)} holds the results of something else: these differ:"
                f" {', '.join(different)}. Ask the same again to go on, or name another folder"
                " with --result."
            )

    def _read_journal(self) -> None:
        path = self.folder / _SHARDS
        end = 0
        latest: dict[int, tuple[int, int]] = {}
        with disk_errors(path), path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                number = self._parse(line, path).number
                latest[number] = (end, len(line))
                end += len(line)
            os.ftruncate(self._journal.fileno(), end)
            for at, length in latest.values():
                self._take(self._parse(os.pread(self._journal.fileno(), length, at), path))
            self._journal.seek(end)

    def _take(self, done: Done) -> None:
        """Count a shard of an earlier run; one to be tried again only counts as known."""
        if done.again or not (self.folder / done.part).exists():
            self._done[done.number] = done.fingerprint
            self._retry.add(done.number)
            return
        self._count(done)

    def _parse(self, line: bytes, path: Path) -> Done:
        try:
            return Done.from_json(json.loads(line))
        except (ValueError, TypeError, KeyError) as exc:
            raise CorruptFile(
                f"{show_path(path)} is damaged, or of another version; name another --result."
            ) from exc

    def _remove_unfinished(self) -> None:
        with disk_errors(self.folder):
            for path in self.folder.glob(f".*{UNFINISHED}"):
                path.unlink()
