"""A retro-match on disk: what was asked, how far it is, and the rows it wrote.

    <home>/rematches/<id>/job.json       what was asked, how far it is, and whether it has ended
    <home>/rematches/<id>/results.jsonl  the rows (or where --result says)

`job.json` is written after the rows that it counts: what stands behind them is cut off when the job
is gone on with. Only rows of what matches are written; nothing is kept of what does not.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safelight.bulk.earlier_files import Place
from safelight.errors import BadInput, CorruptFile
from safelight.files import (
    PRIVATE,
    PRIVATE_FOLDER,
    disk_errors,
    replace_private,
    show_path,
    to_line,
    write_all,
)
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm

VERSION = 1
ROWS_BETWEEN_NOTES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RematchRequest:
    """What was asked. `stamps` are size and time of the files, which must not change meanwhile."""

    rematch_id: str
    files: tuple[str, ...]  # absolute paths of results files
    stamps: tuple[tuple[int, int], ...]
    result: str
    sources: Sources
    policy: MatchPolicy
    fingerprint: str

    def to_json(self) -> dict[str, Any]:
        """The request as plain JSON values."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RematchRequest":
        """The request that `to_json` gave; KeyError, TypeError or ValueError if it is not one."""
        if data["version"] != VERSION:
            raise ValueError("another version's")
        sources = data["sources"]
        algorithm = sources["algorithm"]
        return cls(
            rematch_id=data["rematch_id"],
            files=tuple(data["files"]),
            stamps=tuple((size, time) for size, time in data["stamps"]),
            result=data["result"],
            sources=Sources(
                lists=tuple(sources["lists"]),
                hashes=tuple(sources["hashes"]),
                algorithm=None if algorithm is None else Algorithm(algorithm),
            ),
            policy=MatchPolicy(**data["policy"]),
            fingerprint=data["fingerprint"],
        )

    def check_files(self) -> None:
        """Raise BadInput where a results file is not what it was when the job began."""
        for file, stamp in zip(self.files, self.stamps, strict=True):
            if stamp_of(Path(file)) != stamp:
                raise BadInput(
                    f"{show_path(file)} is gone, or was changed since this began: begin anew."
                )


def stamp_of(file: Path) -> tuple[int, int]:
    """The size of a file and when it was changed; zeros if it is not there."""
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a job is: `file` and `rows` say where to go on, the rest are counts of rows."""

    file: int = 0
    rows: int = 0
    written: int = 0  # bytes of the result
    compared: int = 0
    in_part: int = 0  # without a digest that lists hold, or a hash of what they show
    without: dict[str, int] = field(default_factory=dict)  # by digest that lists hold
    unchecked: int = 0  # the row holds no hash
    found: dict[str, int] = field(default_factory=dict)  # by verdict
    ended: bool = False

    def note_without(self, digests: Iterable[str]) -> None:
        """Count a row that lacks these digests."""
        for one in digests:
            self.without[str(one)] = self.without.get(str(one), 0) + 1


class RematchState:
    """One job's state. Use as a context manager; rows are safe on disk when it closes."""

    def __init__(self, folder: Path, request: RematchRequest, progress: Progress) -> None:
        self.request, self.progress = request, progress
        self._folder = folder
        self._since_note = 0
        path = Path(request.result)
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        new = 0 if progress.written or progress.compared else os.O_CREAT
        with disk_errors(path):
            self._fd = os.open(path, flags | new, PRIVATE)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(self._fd)
            raise BadInput(f"{request.rematch_id} is still running.") from exc
        os.ftruncate(self._fd, progress.written)
        os.lseek(self._fd, 0, os.SEEK_END)

    @classmethod
    def create(cls, home: Path, request: RematchRequest) -> "RematchState":
        """Begin a job; raise BadPath where its result exists already."""
        folder = home / "rematches" / request.rematch_id
        path = Path(request.result)
        with disk_errors(folder):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True)
        try:
            with disk_errors(path):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE))
            state = cls(folder, request, Progress())
            state.note()
        except BaseException:
            with suppress(OSError):
                folder.rmdir()
            raise
        return state

    @classmethod
    def reopen(cls, home: Path, rematch_id: str) -> "RematchState":
        """Go on with a job by its id, or with the newest unfinished one for `last`."""
        folder = _newest(home) if rematch_id == "last" else home / "rematches" / rematch_id
        request, progress = _read(folder)
        if progress.ended:
            shown = show_path(request.result)
            raise BadInput(f"{folder.name} has ended; its rows are in {shown}.")
        request.check_files()
        return cls(folder, request, progress)

    def __enter__(self) -> "RematchState":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.note()
        os.close(self._fd)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row of what matches now."""
        data = to_line(dict(row)).encode()
        with disk_errors(Path(self.request.result)):
            write_all(self._fd, data)
        self.progress.written += len(data)
        verdict = row["verdict"]
        self.progress.found[verdict] = self.progress.found.get(verdict, 0) + 1

    def done(self, place: Place) -> None:
        """Note that everything up to a place was compared; on disk now and then."""
        self.progress.file, self.progress.rows = place.file, place.rows
        self._since_note += 1
        if self._since_note >= ROWS_BETWEEN_NOTES:
            self.note()

    def note(self) -> None:
        """Make what was done durable, the rows first."""
        self._since_note = 0
        with disk_errors(Path(self.request.result)):
            os.fsync(self._fd)
        data = {**self.request.to_json(), "progress": asdict(self.progress)}
        replace_private(self._folder / "job.json", json.dumps(data).encode())


def _newest(home: Path) -> Path:
    for job in sorted((home / "rematches").glob("*/job.json"), reverse=True):
        with suppress(CorruptFile):
            if not _read(job.parent)[1].ended:
                return job.parent
    raise BadInput("there is no unfinished retro-match to go on with.")


def _read(folder: Path) -> tuple[RematchRequest, Progress]:
    try:
        data = json.loads((folder / "job.json").read_text("utf-8"))
        progress = Progress(**data["progress"])
        return RematchRequest.from_json(data), progress
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise BadInput(f"there is no retro-match {folder.name!r} in {folder.parent}.") from exc
    except (ValueError, TypeError, KeyError) as exc:
        raise CorruptFile(
            f"{folder / 'job.json'} is damaged or another version's; begin anew."
        ) from exc
