"""Looks at the installation and says what works, what does not, and what to do about it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from safelight import __version__, kernel
from safelight.app import App, open_app
from safelight.bulk.state import is_running, unfinished_scans
from safelight.clock import utc_now
from safelight.errors import CorruptFile, SafelightError
from safelight.examine import make_pool
from safelight.matching.kept import kept_folder
from safelight.matching.kept_files import Generation, use_current
from safelight.settings import Settings
from safelight.store import lists
from safelight.store.database import Store

LOW_DISK_BYTES = 2 << 30

# The system-call filter closes the network; a network namespace is a second lock where allowed.
NEEDED_PROTECTION = ("unprivileged", "no_new_privileges", "system_call_filter")


class Health(StrEnum):
    """How a part is: `attention` works but should be put right, `problem` does not work."""

    OK = "ok"
    ATTENTION = "attention"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One part, how it is, and what was seen or is to be done."""

    part: str
    health: Health
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The check as plain JSON values."""
        return asdict(self)


def examine_installation(settings: Settings, *, database: bool = True) -> Iterator[Check]:
    """Yield one check after another; `database=False` leaves the database alone."""
    yield Check("version", Health.OK, _version())
    yield from _guarded("home folder", lambda: _home(settings))
    yield from _guarded("decoding", lambda: _decoding(settings))
    yield from _extras()
    if database:
        yield from _guarded("database", lambda: _database(settings))
    yield from _guarded("scans", lambda: _scans(settings))
    yield _contact(settings)


def _guarded(part: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """A part that fails is a finding, and the others are still looked at."""
    try:
        yield from look()
    except SafelightError as exc:
        yield Check(part, Health.PROBLEM, f"{exc} ({exc.code})")
    except OSError as exc:
        yield Check(part, Health.PROBLEM, f"{exc.filename}: {exc.strerror}")


def _version() -> str:
    python = ".".join(str(part) for part in sys.version_info[:3])
    return (
        f"Safelight {__version__}, Python {python}, {platform.machine()}, kernel for {kernel.isa()}"
    )


def _home(settings: Settings) -> Iterator[Check]:
    home = settings.home
    if not home.exists():
        yield Check("home folder", Health.OK, f"{home} is made when it is first needed")
        return
    if home.stat().st_mode & 0o022:
        yield Check("home folder", Health.PROBLEM, f"{home} can be written by others: chmod go-w")
    if not os.access(home, os.W_OK):
        yield Check("home folder", Health.PROBLEM, f"{home} cannot be written by this user")
    free = shutil.disk_usage(home).free
    health = Health.ATTENTION if free < LOW_DISK_BYTES else Health.OK
    yield Check("home folder", health, f"{home}, {free / (1 << 30):,.1f} GiB free on its disk")


def _decoding(settings: Settings) -> Iterator[Check]:
    with make_pool(settings, children=1) as pool:
        in_force = pool.self_test()
    yield Check("decoding", Health.OK, "every format was decoded in a child process")
    lacking = [name for name in NEEDED_PROTECTION if not in_force[name]]
    if lacking:
        names = ", ".join(name.replace("_", " ") for name in lacking)
        yield Check(
            "decoding protection",
            Health.ATTENTION,
            f"the rest is in force, but this system does not allow: {names}",
        )
    else:
        names = ", ".join(name.replace("_", " ") for name, value in in_force.items() if value)
        yield Check("decoding protection", Health.OK, f"in force: {names}")


def _extras() -> Iterator[Check]:
    """The packages that are not installed by default, and what goes without them."""
    for part, package, what in (
        ("video", "av", "videos are not checked"),
        ("parquet", "pyarrow", "Parquet files are neither read nor written"),
    ):
        try:
            found = f"{package} {version(package)}"
        except PackageNotFoundError:
            how = f'make extras, or: pip install "safelight[{part}]"'
            yield Check(part, Health.ATTENTION, f"{package} is not installed, so {what}: {how}")
        else:
            yield Check(part, Health.OK, found)


def _database(settings: Settings) -> Iterator[Check]:
    with open_app(settings) as app:
        kind = "embedded" if app.store.is_embedded else "external"
        yield Check("database", Health.OK, f"{kind} PostgreSQL {app.store.server_version()}")
        for problem in app.store.problems():
            yield Check("database", Health.ATTENTION, problem)
        yield from _lists(app.store)
        yield from _kept(app)


def _kept(app: App) -> Iterator[Check]:
    """The lists kept on disk: whether every byte is as it was written, and how far they are."""
    with app.transaction() as tx:
        folder = kept_folder(app.settings.home, tx.organisation)
        now = {str(one.id): one.change for one in lists.uncounted(tx)}
    try:
        generation = use_current(folder, _checked)
        if generation is not None:
            yield Check("kept lists", Health.OK, _told_of(generation, now))
    except CorruptFile as exc:
        detail = f"{exc} They are read from the database at the next start, and kept anew."
        yield Check("kept lists", Health.ATTENTION, detail)


def _checked(generation: Generation) -> Generation:
    generation.check()
    generation.note_checked()
    return generation


def _told_of(generation: Generation, now: Mapping[str, int]) -> str:
    facts = generation.facts
    entries, mib = sum(facts["live"].values()), generation.bytes / (1 << 20)
    position = facts["place"]["position"]
    behind = sum(change - position.get(one, 0) for one, change in now.items())
    more = f"changes to be read at the next start: {behind:,}" if behind else "up to date"
    return f"{entries:,} entries, {mib:,.1f} MiB, whole, written {facts['written'][:19]}; {more}"


def _lists(store: Store) -> Iterator[Check]:
    with store.transaction() as tx:
        every = lists.all_lists(tx)
    if not every:
        yield Check("hash lists", Health.ATTENTION, "there are none yet: safelight list create")
    for one in every:
        entries = sum(one.counts.values())
        try:
            lists.check_use(one, now=utc_now())
        except SafelightError as exc:
            yield Check("hash lists", Health.ATTENTION, str(exc))
            continue
        yield Check(
            "hash lists",
            Health.OK,
            f"{one.name}: {entries:,} {'entry' if entries == 1 else 'entries'}",
        )


def _scans(settings: Settings) -> Iterator[Check]:
    for request in unfinished_scans(settings.home):
        if is_running(request):
            yield Check("scans", Health.OK, f"{request.scan_id} is running")
            continue
        detail = f"{request.scan_id} has not ended: safelight scan --resume {request.scan_id}"
        yield Check("scans", Health.ATTENTION, detail)


def _contact(settings: Settings) -> Check:
    if settings.contact:
        return Check("contact", Health.OK, settings.contact)
    detail = "set SAFELIGHT_CONTACT to whom people must call after a find"
    return Check("contact", Health.ATTENTION, detail)
