"""The command line. Data goes to stdout, talk and progress to stderr.

Exit codes follow the scanner convention: 0 nothing found and everything checked, 1 something
found, 2 an error or anything not checked. Each command is a module, loaded only when it is used.
"""

import os
import resource
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from safelight import __version__
from safelight.errors import SafelightError

EXIT_ERROR = 2

# name -> one line of help; the module is safelight.cli.<name>
COMMANDS = {
    "hash": "Hash files: MD5, SHA-1, SHA-256 and PDQ.",
    "scan": "Scan files and folders for what is on hash lists.",
    "match": "Look up hashes on hash lists.",
    "list": "Create, import, show and manage hash lists.",
    "audit": "Show and verify the audit trail.",
    "demo": "Scan a made-up folder of ordinary pictures, to see how it works.",
    "doctor": "Check the installation and say what is wrong.",
}

EPILOG = """\b
Examples:
  safelight hash photo.jpg
  safelight scan /mnt/media --hashes known.csv
  safelight list create hotline --source "Example hotline"
  safelight list import hotline hashes.csv
  safelight scan /mnt/media --list hotline --output json > result.jsonl
"""


class LazyGroup(click.Group):
    """Commands by name, each imported when it is called, so that --help is quick."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The names, in the order a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import the command's module and return its command."""
        if name not in COMMANDS:
            return None
        from typer.main import get_command  # noqa: PLC0415 - typer costs more than all of --help

        command = get_command(import_module(f"safelight.cli.{name}").app)
        command.name = name
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="safelight")
def cli() -> None:
    """Safelight protects children from abuse imagery: hash, match, scan.

    It shows no pictures, and decides nothing: it says what is on a hash list, and why.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file could hold pictures
    _let_any_text_out()
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name="safelight", standalone_mode=False)
    except SafelightError as exc:
        click.echo(f"error ({exc.code}): {exc}", err=True)
        return exc.exit_code
    except click.ClickException as exc:
        exc.show()
        return EXIT_ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return EXIT_ERROR
    except BrokenPipeError:
        # Whoever read our output has gone: nothing more can be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    return code if isinstance(code, int) else 0


def _let_any_text_out() -> None:
    """Print what a narrow terminal encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
