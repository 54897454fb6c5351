"""Write the reference pages that come from the code: `python docs/generate.py`.

    docs/reference/cli.md       from the commands themselves
    docs/reference/settings.md  from safelight.settings
    docs/reference/errors.md    from safelight.errors, and the table of not-checked codes

The pages are kept in the repository; a test makes them anew and compares.
"""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from safelight.cli import COMMANDS, build
from safelight.decode.rules import REASONS
from safelight.errors import CouldNotCheck, SafelightError
from safelight.settings import PREFIX, Settings

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- Written by docs/generate.py. Change the code, then run `make docs`. -->\n"


def main() -> None:
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """The text of every generated page, by file name."""
    return {"cli.md": cli_page(), "settings.md": settings_page(), "errors.md": errors_page()}


# --- command line ---------------------------------------------------------------------------------


def cli_page() -> str:
    out = [MADE, "# Command line\n", CLI_HEAD]
    for words, command in commands():
        out.append("\n".join(_command(words, command)))
    return "\n".join(out)


CLI_HEAD = """\
Data goes to standard output, talk and progress to standard error. `--output json` prints one JSON
object per line. `safelight COMMAND --help` shows what is on this page.

Exit codes: 0 nothing found and everything checked; 1 something found; 2 an error, or something that
could not be checked when nothing was found. What that means for each command is in
[verdicts](../explanation/verdicts.md).
"""


def commands() -> Iterator[tuple[list[str], Any]]:
    """Every command with the words it is called by, groups before what is in them."""
    found = build().commands
    for name in COMMANDS:
        yield from _below([name], found[name])


def _below(words: list[str], command: Any) -> Iterator[tuple[list[str], Any]]:
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _below([*words, name], below)


def _command(words: list[str], command: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=" ".join(["safelight", *words]))
    yield f"{'#' * (len(words) + 1)} safelight {' '.join(words)}\n"
    yield f"{_text(command.help)}\n"
    if not hasattr(command, "commands"):
        yield f"```text\n{_usage(command, context)}\n```\n"
    rows = [_parameter(one, context) for one in command.get_params(context)]
    yield "\n".join(_table(("", "meaning"), [row for row in rows if row]))
    if command.epilog:
        yield from (_paragraph(one) for one in _text(command.epilog).split("\n\n"))


def _usage(command: Any, context: Any) -> str:
    line = " ".join(command.get_usage(context).split())
    return re.sub(r"[{}]", "", line.removeprefix("Usage: "))


def _parameter(parameter: Any, context: Any) -> tuple[str, str] | None:
    record = parameter.get_help_record(context)
    if record is None or "--help" in parameter.opts:
        return None
    names, meaning = record
    return f"`{_in_words(names)}`", " ".join(meaning.split())


_WORDS_OF_TYPES = (
    (r"<(list\[)?str\]?>", "TEXT"),
    (r"<int( range)?>", "NUMBER"),
    (r"<(list\[)?(Path|path)\]?>", "PATH"),
)


def _in_words(names: str) -> str:
    """An option without the names of Python types."""
    for pattern, word in _WORDS_OF_TYPES:
        names = re.sub(pattern, word, names)
    return re.sub(r"<([a-z0-9|]+)>", r"\1", re.sub(r"^(paths\.\.\.|[A-Z.]+) [A-Z]+$", r"\1", names))


def _paragraph(text: str) -> str:
    """A paragraph of help; lines that are indented stay as they are."""
    head, *rest = text.splitlines()
    indented = [line.strip() for line in rest if line.startswith("  ")]
    if not indented or len(indented) < len(rest):
        return f"{text}\n"
    return "\n".join([head, "", "```sh", *indented, "```", ""])


def _text(text: str | None) -> str:
    return "\n".join(line.rstrip() for line in (text or "").replace("\b", "").splitlines()).strip()


# --- settings -------------------------------------------------------------------------------------

DEFAULTS = {
    "home": "`/var/lib/safelight` for root, else `~/.local/share/safelight`",
    "database_url": "none: the embedded PostgreSQL is used",
}


def settings_page() -> str:
    rows = [
        (
            f"`{PREFIX}{spec.name.upper()}`",
            DEFAULTS.get(spec.name, _default(spec.default)),
            spec.metadata["help"] + (" Secret." if spec.metadata["secret"] else ""),
        )
        for spec in fields(Settings)
    ]
    table = "\n".join(_table(("variable", "default", "meaning"), rows))
    return f"{MADE}\n# Settings\n\n{SETTINGS_HEAD}\n{table}\n{SETTINGS_TAIL}"


def _default(value: object) -> str:
    if value is None:
        return "none"
    return f"`{value}`"


SETTINGS_HEAD = """\
Settings are environment variables, read once when a command starts. A command with a value that
cannot work refuses to start and names the variable.

A secret may instead be given as a file: `SAFELIGHT_DATABASE_URL_FILE=/run/secrets/url` holds the
value of `SAFELIGHT_DATABASE_URL`. The variable wins if both are set.
"""

SETTINGS_TAIL = """\
Two more variables are read:

| variable | meaning |
|---|---|
| `SAFELIGHT_KERNEL_ISA` | `plain`, `avx2`, `avx512` or `neon`; all give the same hashes. |
| `XDG_DATA_HOME` | stands for `~/.local/share` in the default of `SAFELIGHT_HOME`. |
"""


# --- errors ---------------------------------------------------------------------------------------


def errors_page() -> str:
    errors = [
        (
            f"`{kind.code}`",
            f"`{'.'.join((kind.__module__, kind.__name__))}`",
            (kind.__doc__ or "").strip().splitlines()[0],
            "no" if kind.permanent else "yes",
        )
        for kind in error_classes()
    ]
    reasons = [(f"`{code}`", text) for code, text in REASONS.items()]
    return "\n".join(
        [
            MADE,
            "# Errors\n",
            ERRORS_HEAD,
            *_table(("code", "class", "meaning", "may trying again help?"), errors),
            NOT_CHECKED_HEAD,
            *_table(("code", "meaning"), reasons),
        ]
    )


def error_classes() -> list[type[SafelightError]]:
    """Every error class, a parent before its children."""
    found: list[type[SafelightError]] = []

    def visit(kind: type[SafelightError]) -> None:
        found.append(kind)
        for below in kind.__subclasses__():
            visit(below)

    visit(SafelightError)
    return [kind for kind in found if kind.__module__ == SafelightError.__module__]


ERRORS_HEAD = """\
An error is printed as `error (code): message`. The code is stable; the message says what happened
and what to do, and may change. Every error ends a command with exit code 2. In Python all of them
are `safelight.errors.SafelightError`.
"""

NOT_CHECKED_HEAD = f"""\
## Codes of files that were not checked

One file that cannot be examined does not end a scan. It becomes a row with the verdict `unreadable`
and one of these codes. `hash_image` raises `{CouldNotCheck.__name__}` with the same code.
"""


# --- Markdown -------------------------------------------------------------------------------------


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    yield _row(head)
    yield "|" + "---|" * len(head)
    yield from (_row(row) for row in rows)
    yield ""


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
