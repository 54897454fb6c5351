"""`safelight list alarms`: entries that suddenly match far more than they used to."""

from collections.abc import Callable
from typing import Annotated

import typer

from safelight.cli.list_common import opened
from safelight.cli.output import Output, OutputOption, count_of, emit, print_table, say
from safelight.clock import utc_now
from safelight.store import alarms

_KINDS = {"near": "near matches", "exact": "exact matches"}


def command(
    acknowledge: Annotated[
        list[int] | None,
        typer.Option(
            metavar="ID", help="Note that you have looked at this one; may be given several times."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those already looked at as well.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Entries that matched far more on a day than before, until somebody has looked at them.

    Such an entry may stand for a picture that spreads, or be near to ordinary pictures.
    """
    with opened() as app, app.transaction() as tx:
        if acknowledge:
            alarms.acknowledge(tx, acknowledge, at=utc_now())
        found = alarms.open_alarms(tx, every=every)
    if acknowledge:
        say(f"{count_of(len(set(acknowledge)), 'alarm')} acknowledged.")
    if output is Output.JSON:
        for one in found:
            emit(one.to_json())
    elif not found:
        say("There are no alarms." if every else "There are no open alarms.")
    else:
        heads = ("alarm", "list", "entry", "day", "matches", "at most expected", "of", "looked at")
        print_table("", heads, [*map(_row, found)])


def _row(alarm: alarms.Alarm) -> tuple[str, ...]:
    looked = alarm.acknowledged_at
    return (
        str(alarm.id),
        alarm.list_name,
        str(alarm.entry),
        alarm.day.isoformat(),
        f"{alarm.matches:,}",
        f"{alarm.expected:,}",
        _KINDS[alarm.kind],
        "not yet" if looked is None else f"{looked:%Y-%m-%d} by {alarm.acknowledged_by}",
    )


COMMANDS: dict[str, Callable[..., None]] = {"alarms": command}
EPILOGS = {
    "alarms": """\b
Examples:
  safelight list alarms
  safelight list alarms --acknowledge 7 --acknowledge 9
"""
}
