"""A scan's state on disk: what was asked, and the row of every file done so far.

    <home>/scans/<scan id>/scan.json      what was asked, and whether the scan has ended
    <home>/scans/<scan id>/results.jsonl  one row per file (or where --result says)

The results are the state: a scan goes on with the files that have no row yet. The rows of what is
in a file stand before the file's own. A last line that is not whole (the process was killed, the
disk was full), or rows of a file whose own is missing, are cut off and the file examined again. All
files are 0600: they hold hashes, which are restricted data.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

from safelight.bulk.request import ScanRequest
from safelight.bulk.rows import Tally, is_member, is_skipped, path_of
from safelight.bulk.walk import is_below
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
from safelight.model import FOUND


def refuse_inside(roots: Sequence[bytes], path: Path, what: str) -> None:
    """Raise BadPath where one of our files would lie inside the scanned tree."""
    real = os.path.realpath(os.fsencode(path))
    for root in roots:
        top = os.path.realpath(root)
        if os.path.isdir(top) and is_below(real, top):
            raise BadPath(
                f"{what} ({show_path(real)}) would lie inside the scanned folder"
                f" {show_path(root)}, which is never written to."
                " Name another place with --result or SAFELIGHT_HOME."
            )


class ScanState:
    """One scan's state. Use as a context manager; rows are safe on disk when it closes."""

    def __init__(self, folder: Path, request: ScanRequest) -> None:
        self.request = request
        self.tally = Tally()
        self._folder = folder
        self._done: set[bytes] = set()
        self._met = 0
        self._out: IO[bytes] | None = None

    @classmethod
    def create(cls, home: Path, request: ScanRequest) -> "ScanState":
        """Begin a scan; raise BadPath where its results file exists already."""
        folder = home / "scans" / request.scan_id
        with disk_errors(folder):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True)
        state = cls(folder, request)
        try:
            state._open_result(os.O_CREAT | os.O_EXCL)
            state._write_request()
        except BaseException:
            state.undo_create()
            raise
        return state

    @classmethod
    def reopen(cls, home: Path, scan_id: str) -> "ScanState":
        """Go on with a scan by its id, or with the newest unfinished one for `last`."""
        folder = _newest_unfinished(home) if scan_id == "last" else home / "scans" / scan_id
        state = cls(folder, _read_request(folder))
        if state.request.ended:
            shown = show_path(state.request.result)
            raise BadInput(f"scan {folder.name} has ended; its rows are in {shown}.")
        state.request.check_roots_are_there()
        state._open_result(0)
        try:
            state._read_rows()
        except BaseException:
            state.close()
            raise
        return state

    def __enter__(self) -> "ScanState":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def is_done(self, path: bytes) -> bool:
        """Tell whether the file has its row already, and remember that it was met again."""
        if not self._done or _digest(path) not in self._done:
            return False
        self._met += 1
        return True

    @property
    def gone(self) -> int:
        """How many files that have a row were not met again, once every file was walked."""
        return len(self._done) - self._met

    def write(self, row: dict[str, Any]) -> None:
        """Append one row; whole or not at all."""
        assert self._out is not None  # noqa: S101 - open between create and close
        with disk_errors(Path(self.request.result)):
            before = self._out.tell()
            try:
                write_all(self._out.fileno(), to_line(row).encode())
            except OSError:
                os.ftruncate(self._out.fileno(), before)
                raise
        self.tally.add(row)

    def end(self) -> None:
        """Note that every file has its row."""
        self.request = replace(self.request, ended=True)
        self._write_request()

    def close(self) -> None:
        """Make the rows durable and let go of the file."""
        if self._out is None or self._out.closed:
            return
        with disk_errors(Path(self.request.result)):
            os.fsync(self._out.fileno())
            self._out.close()

    def rows_so_far(self) -> Iterator[dict[str, Any]]:
        """Yield the rows an earlier run of this scan wrote."""
        if self._done:
            for row, _end in whole_rows(Path(self.request.result)):
                yield row

    def undo_create(self) -> None:
        """Nothing was scanned: leave nothing behind, but no file that was there before either."""
        if self._out is not None:
            self.close()
            Path(self.request.result).unlink(missing_ok=True)
        shutil.rmtree(self._folder)

    def _open_result(self, flags: int) -> None:
        path = Path(self.request.result)
        with disk_errors(path):
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, PRIVATE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(fd)
            if not isinstance(exc, BlockingIOError):
                raise BadPath(f"{show_path(path)} cannot be locked: {exc.strerror}.") from exc
            raise BadInput(f"scan {self.request.scan_id} is still running.") from exc
        # Unbuffered: what write() accepted is the kernel's, and a kill of this process loses none.
        self._out = os.fdopen(fd, "r+b", buffering=0)

    def _read_rows(self) -> None:
        assert self._out is not None  # noqa: S101 - just opened
        waiting = Tally()  # of rows of a file whose own row, the last of it, is not there yet
        end = 0
        for row, end_of_row in whole_rows(Path(self.request.result)):
            waiting.add(row)
            if not is_member(row):
                self._done.add(_digest(path_of(row)))
                self.tally.absorb(waiting)
                waiting = Tally()
                end = end_of_row
        os.ftruncate(self._out.fileno(), end)
        self._out.seek(end)

    def _write_request(self) -> None:
        replace_private(self._folder / "scan.json", json.dumps(self.request.to_json()).encode())


def new_scan_id(now: datetime) -> str:
    """A name for a scan; names sort by time and do not clash."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def unfinished_scans(home: Path) -> Iterator[ScanRequest]:
    """Scans that were begun and have not ended, the oldest first; unreadable ones are left out."""
    for folder in scan_folders(home):
        with suppress(CorruptFile):
            request = _read_request(folder)
            if not request.ended:
                yield request


def scan_folders(home: Path) -> list[Path]:
    """The folder of every scan, the oldest first."""
    return sorted(path.parent for path in (home / "scans").glob("*/scan.json"))


def is_running(request: ScanRequest) -> bool:
    """Tell whether another process is at work on the scan just now."""
    try:
        with open(request.result, "rb") as rows:
            fcntl.flock(rows, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _newest_unfinished(home: Path) -> Path:
    idle = [request for request in unfinished_scans(home) if not is_running(request)]
    if not idle:
        raise BadInput("there is no unfinished scan to go on with.")
    return home / "scans" / idle[-1].scan_id


def _read_request(folder: Path) -> ScanRequest:
    try:
        return ScanRequest.from_json(json.loads((folder / "scan.json").read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise BadInput(f"there is no scan {folder.name!r} in {folder.parent}.") from exc
    except (ValueError, TypeError, KeyError) as exc:
        raise CorruptFile(
            f"{folder / 'scan.json'} is damaged or another version's; begin the scan anew."
        ) from exc


def whole_rows(
    path: Path, advice: str = "begin the scan anew"
) -> Iterator[tuple[dict[str, Any], int]]:
    """Every whole row of a results file, and where in it the row ends.

    Raises CorruptFile, with this advice, where a line is no row.
    """
    end = 0
    with disk_errors(path), path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            end += len(line)
            if line.endswith(b"\n"):
                yield _parse_row(line, number, path, advice), end


def _parse_row(line: bytes, number: int, path: Path, advice: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_object)
        path_of(row)
        contradicts = bool(row["matches"]) is not (row["verdict"] in FOUND)
        if (contradicts and not is_skipped(row)) or "fully_checked" not in row:
            raise ValueError("contradicts itself")
    except (ValueError, TypeError, KeyError) as exc:
        raise CorruptFile(f"{path}: line {number} is not a result row; {advice}.") from exc
    return dict(row)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object each of whose keys is there once: readers differ in which of two they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _digest(path: bytes) -> bytes:
    return blake2b(path, digest_size=16).digest()
