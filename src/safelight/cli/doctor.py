"""`safelight doctor`: is this installation all right, and if not, what to do."""

from typing import Annotated

import typer

from safelight.cli.output import Output, OutputOption, emit
from safelight.doctor import Health, examine_installation
from safelight.settings import load_settings

EPILOG = """\b
Examples:
  safelight doctor
  safelight doctor --no-database --output json

Exit code: 0 when everything works, 2 when something does not."""

_MARKS = {Health.OK: "ok       ", Health.ATTENTION: "attention", Health.PROBLEM: "PROBLEM  "}


def command(
    output: OutputOption = Output.TEXT,
    database: Annotated[
        bool, typer.Option(help="Look at the database too; this may start the embedded one.")
    ] = True,
) -> None:
    """Check decoding, database, lists and disk; say what to do about what is wrong."""
    failed = False
    for check in examine_installation(load_settings(), database=database):
        failed |= check.health is Health.PROBLEM
        if output is Output.JSON:
            emit(check.to_json())
        else:
            typer.echo(f"{_MARKS[check.health]}  {check.part:<20} {check.detail}")
    raise typer.Exit(2 if failed else 0)
