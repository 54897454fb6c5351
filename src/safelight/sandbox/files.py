"""Open a suspect file: for reading only, leaving its access time alone where the system allows."""

import errno
import os
import stat

from safelight.errors import BadPath, CouldNotCheck

# O_NONBLOCK: opening a pipe that nobody writes to must not wait. It means nothing for a file.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK

_NO_SUCH_PATH = {errno.ENOENT, errno.ENOTDIR, errno.EINVAL}
_LONGEST_NAME = 255  # bytes: no file of a longer name can be, a longer path to one can
_NOT_PERMITTED = {errno.EACCES, errno.EPERM}


def open_for_examination(path: str | bytes | os.PathLike[str]) -> int:
    """Open a regular file and return its descriptor, which the caller closes.

    Raises BadPath when there is no such file or it is a folder, and CouldNotCheck with the code
    `permission_denied`, `not_a_file` (a pipe, a device, a socket) or `read_error`; that is also
    said of a path that is too long or has too many links, since there may well be a file.
    """
    shown = os.fsdecode(os.fspath(path))
    try:
        fd = _open(path)
    except (OSError, ValueError) as exc:  # ValueError: a zero byte in the path
        raise _translated(exc, shown) from exc
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise BadPath(
            f"{shown!r} is a folder; a file is needed here. `safelight scan` takes folders."
        )
    raise CouldNotCheck("not_a_file", f"{shown!r} is a pipe, a device or a socket, not a file.")


def _open(path: str | bytes | os.PathLike[str]) -> int:
    try:
        return os.open(path, _FLAGS | os.O_NOATIME)
    except PermissionError:  # only a file's owner may ask for O_NOATIME
        return os.open(path, _FLAGS)


def _translated(exc: OSError | ValueError, shown: str) -> BadPath | CouldNotCheck:
    number = exc.errno if isinstance(exc, OSError) else errno.EINVAL
    longest = max(map(len, os.fsencode(shown).split(b"/")))
    if number in _NO_SUCH_PATH or (number == errno.ENAMETOOLONG and longest > _LONGEST_NAME):
        return BadPath(f"There is no file {shown!r}. Check the path.")
    if number in _NOT_PERMITTED:
        return CouldNotCheck(
            "permission_denied",
            f"{shown!r} may not be read by this user; run as one who may, and try again.",
        )
    if number in (errno.ENXIO, errno.ENODEV):
        return CouldNotCheck("not_a_file", f"{shown!r} is a socket or a device, not a file.")
    reason = os.strerror(number) if number else "unknown error"
    return CouldNotCheck("read_error", f"{shown!r} could not be opened: {reason}.")
