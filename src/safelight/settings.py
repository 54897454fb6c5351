"""Every setting, read once from the environment into one frozen value.

Each setting is `SAFELIGHT_<NAME>`; a secret may instead be given as `SAFELIGHT_<NAME>_FILE`, the
path of a file that holds it. A value that cannot work refuses to start and names itself.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from safelight.errors import BadSetting

PREFIX = "SAFELIGHT_"


def _count(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not least <= number <= most:
            raise ValueError(f"must be from {least} to {most}")
        return number

    return parse


def _path(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _database_url(text: str) -> str:
    for prefix in ("postgresql://", "postgres://", "postgresql+psycopg://"):
        if text.startswith(prefix):
            return "postgresql+psycopg://" + text.removeprefix(prefix)
    raise ValueError("must begin with postgresql://")


def _name(text: str) -> str:
    if not text or len(text) > 63 or not text.isprintable() or text != text.strip():
        raise ValueError("must be 1 to 63 printable characters without blanks at the ends")
    return text


def default_home() -> Path:
    """Where everything is kept when SAFELIGHT_HOME is not set."""
    if os.geteuid() == 0:
        return Path("/var/lib/safelight")
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "safelight"


def _setting(
    parse: Callable[[str], Any], default: Any, help_text: str, *, secret: bool = False
) -> Any:
    metadata = {"parse": parse, "help": help_text, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The installation's settings. Field names in upper case after SAFELIGHT_ are the variables."""

    home: Path = _setting(
        _path,
        default_home,
        "Folder for all that Safelight keeps: the embedded database, scans, large lists ready to"
        " search. Closed to other users.",
    )
    database_url: str | None = _setting(
        _database_url,
        None,
        "A PostgreSQL 15+ database to use instead of the embedded one.",
        secret=True,
    )
    database_admin_url: str | None = _setting(
        _database_url,
        None,
        "The same database under the role that owns its tables, for migrations.",
        secret=True,
    )
    organisation: str = _setting(
        _name, "default", "The organisation whose lists are used; made when first named."
    )
    actor: str | None = _setting(
        _name, None, "Pseudonym that the audit trail records for this person or service."
    )
    contact: str | None = _setting(
        str.strip,
        None,
        "Whom to call after a find; shown at the end of a scan that found something.",
    )
    max_pixels: int = _setting(
        _count(1, 1_000_000_000), 120_000_000, "Largest picture decoded, in pixels."
    )
    max_image_bytes: int = _setting(
        _count(1, 1 << 40), 1 << 30, "Largest file decoded as a picture, in bytes."
    )
    remote_memory_mb: int = _setting(
        _count(0, 1 << 20),
        256,
        "Objects in a store up to so many MiB are fetched whole, into memory, one for each job;"
        " larger ones are read piece by piece, twice.",
    )
    flood_least: int = _setting(
        _count(0, 1 << 40),
        200,
        "An entry that matches more often in a day, and far more than before, is marked as a flood;"
        " 0: none is.",
    )
    flood_times: int = _setting(
        _count(1, 1 << 20),
        10,
        "How many times the matches of its greatest day of the last 28 are far more.",
    )
    decode_seconds: int = _setting(
        _count(1, 3600),
        60,
        "Longest time spent on one picture, or on a part of a video, in seconds.",
    )
    decode_memory_mb: int = _setting(
        _count(64, 1 << 20), 2048, "Memory one decoding child may use, in MiB."
    )
    video_frames: int = _setting(
        _count(1, 1_000_000), 24 * 3600, "Most frames of one video that are hashed."
    )
    archive_depth: int = _setting(
        _count(1, 16), 4, "How deep archives in archives are opened, with --archives."
    )
    archive_members: int = _setting(
        _count(1, 1_000_000_000), 1_000_000, "Most items looked at in one archive."
    )
    archive_member_mb: int = _setting(
        _count(1, 1 << 20), 512, "Largest member that is unpacked into memory, in MiB."
    )
    archive_total_gb: int = _setting(
        _count(1, 1 << 20), 100, "Most that is unpacked from one archive, in GiB."
    )


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raise BadSetting, naming the variable, for a value that cannot work."""
    env = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for spec in fields(Settings):
        variable = PREFIX + spec.name.upper()
        text = env.get(variable)
        if spec.metadata["secret"] and text is None:
            text = _from_file(variable + "_FILE", env)
        if text is None or text == "":
            continue
        try:
            values[spec.name] = spec.metadata["parse"](text)
        except ValueError as exc:
            shown = "its value" if spec.metadata["secret"] else repr(text)
            raise BadSetting(f"{variable}: {shown} cannot be used: {exc}.") from exc
    return Settings(**values)


def _from_file(variable: str, env: Mapping[str, str]) -> str | None:
    if variable not in env:
        return None
    try:
        return Path(env[variable]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise BadSetting(f"{variable}: cannot read {env[variable]!r}: {exc}.") from exc
