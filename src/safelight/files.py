"""Our own files on disk: private, whole or not there, and with errors that say what to do."""

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from safelight.errors import BadPath, BadSetting, DiskFull

PRIVATE = 0o600
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PRIVATE_FOLDER = 0o700
OPEN_FOLDER = 0o755

# Makes a file that was not there; a link that somebody laid out is not followed.
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors about one of our own files into ours."""
    try:
        yield
    except OSError as exc:
        shown = show_path(path)
        if exc.errno in NO_ROOM:
            raise DiskFull(f"{shown}: the disk is full: make room first.") from exc
        if exc.errno == errno.EEXIST:
            raise BadPath(f"{shown} exists already; name another file.") from exc
        raise BadPath(f"{shown}: cannot be used: {exc.strerror}.") from exc


def replace_private(path: Path, data: bytes, *, owner: tuple[int, int] | None = None) -> None:
    """Write a 0600 file so that a kill or a power cut leaves the old file or the new one.

    `owner` is the user and group it shall belong to, if not us.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with disk_errors(path):
        temporary.unlink(missing_ok=True)  # of a killed process that had our number
        try:
            _write_new(temporary, data, owner)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


@contextmanager
def new_private_file(path: Path) -> Iterator[Callable[[bytes], None]]:
    """A new 0600 file, written piece by piece, that is there whole at the end or not at all.

    Raise BadPath for one that exists.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with disk_errors(path):
        if path.exists() or path.is_symlink():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        temporary.unlink(missing_ok=True)
        fd = os.open(temporary, NEW_FILE, PRIVATE)

    def write(piece: bytes) -> None:
        with disk_errors(path):
            write_all(fd, piece)

    try:
        try:
            yield write
            with disk_errors(path):
                os.fsync(fd)
        finally:
            os.close(fd)
        with disk_errors(path):
            temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte: a single `os.write` may write fewer when the disk fills up."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def check_is_file(fd: int) -> None:
    """OSError for a folder, a pipe or a device, which may wait for ever or never end."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is a pipe or a device, not a file")


def open_file(path: Path) -> BinaryIO:
    """Open one of our own files to read it. OSError for what is no file; never waits for one."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        check_is_file(fd)
    except OSError:
        os.close(fd)
        raise
    return open(fd, "rb")  # noqa: PTH123 - a descriptor


def make_private_folder(path: Path) -> None:
    """Make the folder if need be, 0700; folders missing above it are made as usual, 0755.

    Raise BadSetting for one that others own or can write to, or that is no folder.
    """
    with disk_errors(path):
        for folder in reversed(path.parents):
            if not folder.exists():
                _make_open_folder(folder)
        if path.exists() and not path.is_dir():
            raise BadSetting(f"{show_path(path)} is not a folder. Choose another (SAFELIGHT_HOME).")
        path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        found = path.stat()
    if found.st_uid != os.geteuid():
        raise BadSetting(
            f"{show_path(path)} belongs to another user. Run safelight as that user, or choose "
            "another folder (SAFELIGHT_HOME)."
        )
    if found.st_mode & 0o022:
        raise BadSetting(
            f"{show_path(path)} can be written by other users: chmod go-w {show_path(path)}, or "
            "choose another folder (SAFELIGHT_HOME)."
        )


def to_line(row: dict[str, Any]) -> str:
    """One row as one line of JSON, with its line end."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def show_path(path: bytes | str | Path) -> str:
    """The path for people: on one line, without control characters, whatever the name holds."""
    return show_text(os.fsencode(path).decode("utf-8", "replace"))


def show_text(untrusted: str) -> str:
    """The text for people: on one line, with control characters, tabs too, as escapes."""
    return "".join(char if char.isprintable() else _escape(char) for char in untrusted)


def _write_new(path: Path, data: bytes, owner: tuple[int, int] | None) -> None:
    fd = os.open(path, NEW_FILE, PRIVATE)
    try:
        if owner is not None:
            os.fchown(fd, *owner)
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(folder: Path) -> None:
    """Have the folder's entries on disk too: without that a new name may be lost."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _make_open_folder(folder: Path) -> None:
    """Whatever the umask: the database's own user must be able to pass."""
    try:
        folder.mkdir()
    except FileExistsError:  # made by another process at the same time
        return
    folder.chmod(OPEN_FOLDER)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
