"""The command line. Data goes to stdout, talk and progress to stderr.

Exit codes follow the scanner convention: 0 nothing found and everything checked, 1 something
found, 2 an error or anything not checked. Each command is a module, loaded only when it is used.
"""

import os
import resource
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand
from typer.main import get_command

from safelight import __version__
from safelight.errors import SafelightError

EXIT_ERROR = 2
STOPPED = 130  # what typer makes of Ctrl-C

# name -> one line of help; the module safelight.cli.<name> has a function `command`, or a group
# `app`. Only the module of the command that was called is imported, so that --help is quick.
COMMANDS = {
    "hash": "Hash files: MD5, SHA-1, SHA-256 and PDQ.",
    "scan": "Scan files and folders for what is on hash lists.",
    "match": "Look up hashes on hash lists.",
    "rematch": "Look up the hashes that scans kept on what the lists hold now.",
    "report": "Write a report of a scan, to print or for other programs.",
    "list": "Create, import, show and manage hash lists.",
    "audit": "Show and verify the audit trail.",
    "demo": "Scan a made-up folder of ordinary pictures, to see how it works.",
    "validate": "Check, on made files whose results are known, that it works as it should.",
    "doctor": "Check the installation and say what is wrong.",
}

HELP = """Safelight protects children from abuse imagery: hash, match, scan.

It shows no pictures, and decides nothing: it says what is on a hash list, and why."""

EPILOG = """\b
Examples:
  safelight hash photo.jpg
  safelight scan /mnt/media --hashes known.csv
  safelight list create hotline --source "Example hotline"
  safelight list import hotline hashes.csv
  safelight scan /mnt/media --list hotline --output json > result.jsonl
"""


def build(called: Sequence[str] = tuple(COMMANDS)) -> Any:
    """The command line, with the commands in `called` whole and the others by their help alone."""
    app = typer.Typer(
        name="safelight",
        help=HELP,
        epilog=EPILOG,
        rich_markup_mode=None,
        add_completion=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    for name, summary in COMMANDS.items():
        module = import_module(f"safelight.cli.{name}") if name in called else None
        group = getattr(module, "app", None)
        if group is not None:
            app.add_typer(group, name=name, short_help=summary)
        else:
            command: Callable[..., None] = getattr(module, "command", _not_called)
            epilog = getattr(module, "EPILOG", None)
            kind: type[TyperCommand] = getattr(module, "Command", TyperCommand)
            app.command(name, cls=kind, short_help=summary, epilog=epilog)(command)
    return get_command(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"safelight {__version__}")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def _not_called() -> None:
    """Stand in for a command of which only the name is needed."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code; never with 1 by accident: 1 means found."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file could hold pictures
    _mend_streams()
    code = run(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except OSError as exc:
        _complain(f"error (output): the output cannot be written: {exc.strerror}.")
        code = EXIT_ERROR
        _drop_output()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        called = [one for one in arguments if not one.startswith("-")][:1]
        command = build(called)
        code = command.main([*arguments], prog_name="safelight", standalone_mode=False)
    except SafelightError as exc:
        _complain(f"error ({exc.code}): {exc}")
        return exc.exit_code
    except typer.TyperException as exc:  # wrong usage, in typer's own words
        getattr(exc, "show", lambda: None)()
        return EXIT_ERROR
    except (typer.Abort, KeyboardInterrupt):
        _complain("Stopped.")
        return EXIT_ERROR
    except (BrokenPipeError, SystemExit):  # typer makes the one into the other
        _drop_output()  # whoever read our output has gone: nothing more can be said, even at exit
        return EXIT_ERROR
    except OSError as exc:
        _complain(f"error (output): {exc.filename or 'the output'}: {exc.strerror}.")
        _drop_output()
        return EXIT_ERROR
    except Exception:  # noqa: BLE001 - Python would exit with 1, which means "something found"
        _complain(traceback.format_exc())
        _complain("error (internal): this is a mistake in Safelight; please report it.")
        return EXIT_ERROR
    if code == STOPPED:
        _complain("Stopped.")
    return code or 0 if code in (0, 1, None) else EXIT_ERROR


def _complain(text: str) -> None:
    """Say something went wrong, if anybody can be told."""
    with suppress(OSError):
        typer.echo(text, err=True)


def _drop_output() -> None:
    """Send what is still to be written nowhere, so that Python does not fail on it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _mend_streams() -> None:
    """Replace closed streams, and print what a narrow encoding lacks as escapes."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Nobody reads from a closed input: that is an error there, not an input without lines.
            fd = os.open(os.devnull, os.O_WRONLY)
            if fd != number:
                os.dup2(fd, number)
                os.close(fd)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
