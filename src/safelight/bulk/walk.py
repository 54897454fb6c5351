"""Walking folders: every file in a fixed order, nothing skipped silently.

Paths are bytes throughout, since a file name need not be text. The order is that of the bytes of
the names, so that two walks of the same tree agree, on any machine.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from safelight.decode.rules import REASONS
from safelight.errors import BadPath, SafelightError
from safelight.files import show_path
from safelight.model import NotChecked


@dataclass(frozen=True, slots=True)
class Found:
    """One thing the walk came to: a file to examine, or something that cannot be, and why."""

    path: bytes
    problem: NotChecked | None = None


def check_roots(untrusted_paths: Iterable[str | os.PathLike[str]]) -> list[bytes]:
    """Return the paths as bytes; raise BadPath for one that does not exist."""
    roots = []
    for path in untrusted_paths:
        try:
            raw = os.fsencode(path)
            os.stat(raw)
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise BadPath(f"{show_path(raw)}: there is no such file or folder.") from exc
        except ValueError as exc:
            raise BadPath(f"{path!r}: a path cannot hold a null byte.") from exc
        except OSError as exc:
            raise BadPath(f"{show_path(raw)}: cannot be opened: {exc.strerror}.") from exc
        roots.append(raw)
    return roots


def outermost(roots: Sequence[bytes]) -> list[bytes]:
    """Leave out roots that lie inside another one, so that no file is examined twice."""
    real = [os.path.realpath(root) for root in roots]
    kept: dict[bytes, bytes] = {}
    for path, root in zip(real, roots, strict=True):
        if not any(path != other and is_below(path, other) for other in real):
            kept.setdefault(path, root)
    return list(kept.values())


def walk(roots: Sequence[bytes]) -> Iterator[Found]:
    """Yield every file below the roots, folder by folder, names in byte order.

    A root that is itself a symbolic link is followed; one met on the way is not, so that nothing
    is examined twice and nothing outside the roots is opened: a link to something inside the roots
    is left to its own turn, one that leads outside is reported as not checked.
    """
    inside = [os.path.realpath(root) for root in roots]
    for root in roots:
        try:
            mode = os.stat(root).st_mode
        except OSError as exc:
            yield Found(root, _cannot_list(exc))
            continue
        if stat.S_ISDIR(mode):
            yield from _walk_folder(root, inside)
        else:
            yield _found(root, mode)


def _walk_folder(top: bytes, inside: Sequence[bytes]) -> Iterator[Found]:
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                names = sorted((entry.name, _mode(entry)) for entry in entries)
        except OSError as exc:
            yield Found(folder, _cannot_list(exc))
            continue
        below = []
        for name, mode in names:
            path = os.path.join(folder, name)
            if stat.S_ISDIR(mode):
                below.append(path)
            elif not _is_inner_link(path, mode, inside):
                yield _found(path, mode)
        folders.extend(reversed(below))


def _mode(entry: os.DirEntry[bytes]) -> int:
    """The file type alone, without a system call where the directory tells it; 0: unknown."""
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG
    return 0


def _found(path: bytes, mode: int) -> Found:
    if stat.S_ISREG(mode):
        return Found(path)
    return Found(path, not_checked("link_not_followed" if stat.S_ISLNK(mode) else "not_a_file"))


def _is_inner_link(path: bytes, mode: int, inside: Sequence[bytes]) -> bool:
    if not stat.S_ISLNK(mode) or not os.path.exists(path):
        return False
    target = os.path.realpath(path)
    return any(is_below(target, root) for root in inside)


def is_below(path: bytes, folder: bytes) -> bool:
    """Tell whether a real path is the folder, or lies somewhere below it."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def open_problem(exc: SafelightError) -> NotChecked:
    """Why a file that the walk came to could not be opened, as a result."""
    return not_checked(exc.code if exc.code in REASONS else "vanished")


def not_checked(code: str) -> NotChecked:
    """The result of a file that was not examined, by its stable code."""
    return NotChecked(code=code, message=REASONS[code])


def _cannot_list(exc: OSError) -> NotChecked:
    if exc.errno in (errno.EACCES, errno.EPERM):
        return not_checked("permission_denied")
    if exc.errno == errno.ENAMETOOLONG:
        return not_checked("path_too_long")
    return not_checked("vanished" if exc.errno == errno.ENOENT else "read_error")
