"""What the commands of `safelight list` share."""

import sys
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from safelight.app import App, open_app
from safelight.cli.output import say
from safelight.errors import BadInput
from safelight.model import Algorithm
from safelight.settings import load_settings
from safelight.store.lists import HashList

Name = Annotated[str, typer.Argument(metavar="NAME", help="The list.", show_default=False)]
USED = {"enabled": "yes", "observe": "observed", "disabled": "no"}
NEVER = "never"  # the day on which something ends that has no end


def opened() -> AbstractContextManager[App]:
    """Open the database, telling what takes long."""
    return open_app(load_settings(), progress=say)


def ask(question: str) -> None:
    """Have a person say yes, or stop."""
    if not sys.stdin.isatty():
        raise BadInput("This needs --yes where nobody can be asked.")
    typer.confirm(question, abort=True, err=True)


def end_of(day: str) -> datetime:
    """The last second of a day that was given as YYYY-MM-DD; raise BadInput."""
    try:
        year, month, number = date.fromisoformat(day).timetuple()[:3]
    except ValueError as exc:
        raise BadInput(f"{day!r} is not a day. Write it as YYYY-MM-DD.") from exc
    return datetime(year, month, number, 23, 59, 59, tzinfo=UTC)


def numbers(counts: dict[Algorithm, int]) -> dict[str, int]:
    """Counts by the names of algorithms, zeros included."""
    return {algorithm.value: counts.get(algorithm, 0) for algorithm in Algorithm}


def meaning(list_: HashList) -> str:
    """What being on the list means, in words."""
    return list_.source_term or list_.meaning.replace("_", " ")
