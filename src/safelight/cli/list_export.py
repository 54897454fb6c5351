"""`safelight list export`: a list to be given away, in a private file."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from safelight.cli.list_common import Name, opened
from safelight.cli.output import Output, OutputOption, count_of, emit, say
from safelight.clock import utc_now
from safelight.connectors.hash_writers import ExportFormat, writer
from safelight.files import new_private_file, show_path
from safelight.store import export, lists


def command(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    form: Annotated[
        ExportFormat, typer.Option("--format", help="How FILE is written.")
    ] = ExportFormat.CSV,
    i_may: Annotated[
        str,
        typer.Option(
            "--i-may",
            metavar="REASON",
            help="Why you may give it away although nobody noted that; kept in the audit trail.",
        ),
    ] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Write a list to a file that only you can read: whole, or not at all.

    The list must permit the purpose export, must not have expired, and its redistribution must not
    be forbidden; so must each list that its entries were taken from. Hash values are confidential.
    """
    now = utc_now()
    with opened() as app, new_private_file(file) as write, app.transaction() as tx:
        list_ = lists.get(tx, name)
        export.check_export(tx, list_, i_may=i_may, now=now)
        written = writer(form)
        for piece in written.pieces(export.entries_to_export(tx, list_, now=now)):
            write(piece)
        number, left_out = written.entries, written.left_out
        export.record_export(
            tx, list_, form=form.value, entries=number, left_out=left_out, i_may=i_may
        )
    say(f"{count_of(number, 'entry', 'entries')} of {name!r} written to {show_path(file)}")
    if left_out:
        say(
            f"warning: {count_of(left_out, 'entry', 'entries')} left out, which this format "
            "cannot hold."
        )
    if output is Output.JSON:
        emit({"list": name, "file": str(file), "entries": number, "left_out": left_out})


COMMANDS: dict[str, Callable[..., None]] = {"export": command}
EPILOGS = {
    "export": """\b
Examples:
  safelight list export hotline hotline.csv
  safelight list export hotline hashset.json --format vics
  safelight list export own own.txt --format threatexchange --i-may "our own hashes"
"""
}
