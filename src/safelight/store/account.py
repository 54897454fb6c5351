"""The system account that the embedded PostgreSQL runs under, and the folders opened to it.

PostgreSQL refuses to run as root. Started by root it gets an account of its own; started by anyone
else it runs as that person. Nothing above the home folder is ever changed: where the account could
not pass, we refuse and say which folder is in the way.
"""

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safelight.errors import BadSetting, DatabaseUnavailable
from safelight.files import show_path

ACCOUNT = "safelight-pg"
_ELSE = "or set SAFELIGHT_DATABASE_URL to a PostgreSQL 15+ database"
_ENVIRONMENT: Mapping[str, str] = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_MESSAGES": "C"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who the server runs as, and who we are; they differ only for root."""

    uid: int
    gid: int
    name: str
    our_name: str

    @property
    def is_other(self) -> bool:
        """Whether the server runs under another account than ours."""
        return self.uid != os.geteuid()

    def run(self, command: Sequence[str], *, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a program as the server's account: umask 077, no LANG, no LC_ALL, no PG variables.

        A locale that was never generated stops initdb, so none is handed on.
        """
        identity = (
            {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}
        )
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            command,
            cwd=cwd,
            env=dict(_ENVIRONMENT),
            umask=0o077,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **identity,
        )

    def own_folder(self, path: Path) -> Path:
        """Make the folder if need be, closed to everybody but the server's account."""
        path.mkdir(mode=0o700, exist_ok=True)
        if self.is_other:
            os.chown(path, self.uid, self.gid)
        path.chmod(0o700)
        return path

    def pass_through(self, path: Path) -> Path:
        """Make the folder of ours if need be; root lets the server pass, nobody else."""
        path.mkdir(mode=0o700, exist_ok=True)
        if self.is_other and not _may_enter(path, self):
            os.chown(path, -1, self.gid)
            path.chmod(0o710)
        return path


def server_account() -> Account:
    """Our own account; for root the account `safelight-pg`, made if need be."""
    ours = _entry(os.geteuid())
    if ours.pw_uid != 0:
        return Account(uid=ours.pw_uid, gid=ours.pw_gid, name=ours.pw_name, our_name=ours.pw_name)
    entry = _system_account()
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, name=entry.pw_name, our_name=ours.pw_name)


def _entry(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError as exc:
        raise DatabaseUnavailable(
            f"User id {uid} has no entry in the password file, without which PostgreSQL does not "
            f"start. Add one, {_ELSE}."
        ) from exc


def _system_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        pass
    useradd = shutil.which("useradd", path=_ENVIRONMENT["PATH"])
    if useradd is None:
        raise DatabaseUnavailable(
            f"PostgreSQL does not run as root, and there is no useradd to make the account it "
            f"needs. Make a system account named {ACCOUNT}, use safelight as an ordinary user, "
            f"{_ELSE}."
        )
    command = [useradd, "--system", "--user-group", "--no-create-home"]
    command += ["--shell", "/usr/sbin/nologin", ACCOUNT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return pwd.getpwnam(ACCOUNT)  # also when another process made it at the same time
    except KeyError as exc:
        raise DatabaseUnavailable(
            f"PostgreSQL does not run as root, and the account {ACCOUNT} could not be made: "
            f"{done.stderr.strip()}. Make it by hand, use safelight as an ordinary user, {_ELSE}."
        ) from exc


def check_ancestors(home: Path, account: Account) -> None:
    """Raise BadSetting, naming it, for a folder above `home` the server's account cannot pass.

    Folders that are still missing will be made so that it can.
    """
    if not account.is_other:
        return
    for folder in home.resolve().parents:
        if folder.exists() and not _may_enter(folder, account):
            raise BadSetting(
                f"SAFELIGHT_HOME is {show_path(home)}, but the account {account.name} which the "
                f"database runs under cannot pass {show_path(folder)}. Choose another "
                f"SAFELIGHT_HOME (/var/lib/safelight is the usual one), {_ELSE}."
            )


def check_is_no_login(home: Path, account: Account) -> None:
    """Raise BadSetting when root would open a person's home folder to the server's account."""
    if account.is_other and str(home.resolve()) in {entry.pw_dir for entry in pwd.getpwall()}:
        raise BadSetting(
            f"SAFELIGHT_HOME is {show_path(home)}, the home folder of an account. "
            "Choose a folder for safelight alone."
        )


def _may_enter(folder: Path, account: Account) -> bool:
    status = folder.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    groups = {account.gid} | {g.gr_gid for g in grp.getgrall() if account.name in g.gr_mem}
    if status.st_gid in groups:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)
