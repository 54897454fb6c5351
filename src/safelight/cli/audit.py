"""`safelight audit`: what was done, by whom, and whether the record of it is whole."""

from itertools import islice
from typing import Annotated

import typer

from safelight.app import open_app
from safelight.cli.output import Output, OutputOption, count_of, emit, print_table, say
from safelight.settings import load_settings
from safelight.store import audit

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def about() -> None:
    """Show and verify the audit trail."""


@app.command(
    epilog="""\b
Examples:
  safelight audit verify
  safelight audit verify --output json
\b
Keep the head it prints somewhere else too: who can rewrite the whole trail in the database
cannot change that. Exit code: 0 when the trail is whole, 2 when it is not.
"""
)
def verify(output: OutputOption = Output.TEXT) -> None:
    """Check that no event was changed, dropped or moved."""
    with open_app(load_settings(), progress=say) as opened, opened.transaction() as tx:
        result = audit.verify(tx)
    for fault in result.faults:
        say(f"fault: {fault.message}")
    if output is Output.JSON:
        faults = [{"seq": f.seq, "kind": f.kind, "message": f.message} for f in result.faults]
        emit({"events": result.events, "head": result.head, "faults": faults})
    else:
        state = "is whole" if not result.faults else "IS NOT WHOLE"
        typer.echo(f"The trail of {count_of(result.events, 'event')} {state}. Head: {result.head}")
    raise typer.Exit(2 if result.faults else 0)


@app.command(
    epilog="""\b
Examples:
  safelight audit show
  safelight audit show --after 100 --output json
"""
)
def show(
    after: Annotated[int, typer.Option(min=0, help="Begin past this event.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="Events shown.")] = 100,
    output: OutputOption = Output.TEXT,
) -> None:
    """What was done, by whom, oldest first."""
    with open_app(load_settings(), progress=say) as opened, opened.transaction() as tx:
        found = list(islice(audit.events(tx, after=after), limit))
    if output is Output.JSON:
        for event in found:
            emit(event.to_json())
        return
    rows = [(str(e.seq), f"{e.at:%Y-%m-%d %H:%M:%S}", e.actor, e.action, _what(e)) for e in found]
    print_table("", ("event", "UTC", "actor", "action", "what"), rows)


def _what(event: audit.AuditEvent) -> str:
    name = event.detail.get("name")
    return event.subject if name is None else f"{name} ({event.subject})"
