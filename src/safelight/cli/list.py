"""`safelight list`: make hash lists, fill them, look at them, and decide which are used."""

import typer

from safelight.cli import (
    list_alarms,
    list_calibrate,
    list_export,
    list_import,
    list_look,
    list_make,
    list_reject,
    list_several,
    list_stats,
)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def about() -> None:
    """Create, import, show and manage hash lists. Every change is written to the audit trail."""


for _module in (
    list_make,
    list_import,
    list_look,
    list_several,
    list_stats,
    list_calibrate,
    list_alarms,
    list_export,
):
    for _name, _command in _module.COMMANDS.items():
        app.command(_name, epilog=_module.EPILOGS[_name])(_command)
app.add_typer(list_reject.app, name="reject")
