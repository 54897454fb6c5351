"""Every error Safelight raises on purpose.

    SafelightError
    ├── BadInput                 the caller can put it right
    │   ├── BadHash              not a hash of that algorithm
    │   ├── BadPath              no such file or folder, or not of the kind asked for
    │   ├── BadSetting           a setting has a value that cannot work
    │   ├── BadHashFile          a hash file nothing can be read from
    │   ├── ListExists
    │   ├── ListNotFound
    │   └── NotPermitted         a list's licence or purposes forbid this use
    ├── CouldNotCheck            a file that was not examined; carries a stable code
    ├── CorruptFile              a file of our own that is damaged
    └── Unavailable              something outside is missing or broken; trying again may help
        ├── DatabaseUnavailable
        ├── DiskFull
        ├── RemoteUnavailable
        └── SandboxUnavailable

The message says what happened and what to do. `code` is stable: scripts and other programs may
rely on it. `exit_code` follows the scanner convention: 0 nothing found, 1 found, 2 error.
"""

from typing import ClassVar


class SafelightError(Exception):
    """Something went wrong that Safelight knows by name."""

    code: str = "error"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 2
    permanent: ClassVar[bool] = True

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__class__.__doc__)


class BadInput(SafelightError):
    """The input cannot be used."""

    code = "bad_input"
    http_status = 400


class BadHash(BadInput):
    """This is not a hash of the algorithm it is said to be."""

    code = "bad_hash"


class BadPath(BadInput):
    """There is no such file or folder."""

    code = "bad_path"


class BadSetting(BadInput):
    """A setting has a value that cannot work."""

    code = "bad_setting"


class BadHashFile(BadInput):
    """No hashes could be read from this file."""

    code = "bad_hash_file"


class ListExists(BadInput):
    """A hash list of this name exists already."""

    code = "list_exists"
    http_status = 409


class ListNotFound(BadInput):
    """There is no hash list of this name."""

    code = "list_not_found"
    http_status = 404


class NotPermitted(BadInput):
    """The hash list's licence or purposes do not permit this use."""

    code = "not_permitted"
    http_status = 403


class CouldNotCheck(SafelightError):
    """The file could not be checked. This is a result of its own, never "clean"."""

    code = "unreadable"
    http_status = 422

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class CorruptFile(SafelightError):
    """One of Safelight's own files is damaged."""

    code = "corrupt_file"


class Unavailable(SafelightError):
    """Something Safelight needs is not available."""

    code = "unavailable"
    http_status = 503
    permanent = False


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached."""

    code = "database_unavailable"


class DiskFull(Unavailable):
    """The disk is full."""

    code = "disk_full"
    http_status = 507


class RemoteUnavailable(Unavailable):
    """The object store does not answer."""

    code = "remote_unavailable"


class SandboxUnavailable(Unavailable):
    """The child processes that decode files cannot be started."""

    code = "sandbox_unavailable"
