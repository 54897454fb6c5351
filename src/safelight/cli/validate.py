"""`safelight validate`: made files whose results are known, so that a laboratory can rely on it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from safelight.bulk.environment import environment
from safelight.bulk.rows import path_fields
from safelight.cli import EXIT_ERROR
from safelight.cli.output import Output, OutputOption, count_of, emit, print_table, say
from safelight.cli.work import examiner_for
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.settings import load_settings
from safelight.validation.check import Checked, by_capability, check, scan_pack, signature
from safelight.validation.pack import Pack, is_pack, make_pack, read_pack

EPILOG = """\b
Examples:
  safelight validate /tmp/validation
  safelight validate /srv/lab/pack --make-only
  safelight validate /srv/lab/pack

Every file is computed or ordinary: landscapes, patterns, broken files, archives, videos. A folder
that holds a pack already is scanned as it is; --keep keeps one that is made.

Exit code: 0 when everything came out as expected, else 2."""


def command(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Where the pack is made, new or empty; or one made."),
    ],
    make_only: Annotated[
        bool, typer.Option("--make-only", help="Make the pack and do not scan it.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the pack afterwards.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make files whose results are known, scan them, and say what came out otherwise."""
    there = is_pack(folder)
    if there and make_only:
        raise BadInput(f"{show_path(folder)} holds a pack already.")
    pack = read_pack(folder.absolute()) if there else make_pack(folder.absolute())
    if make_only:
        say(f"{count_of(len(pack.expected), 'item')} to check in {show_path(folder)}.")
        return
    checked = _scan(pack)
    _print(checked, output)
    if not (there or keep):
        shutil.rmtree(folder)
    raise typer.Exit(EXIT_ERROR if any(one.wrong for one in checked) else 0)


def _scan(pack: Pack) -> Sequence[Checked]:
    with examiner_for(load_settings(), jobs=0) as (examiner, jobs):
        return check(pack, scan_pack(pack, examiner, jobs=jobs))


def _print(checked: Sequence[Checked], output: Output) -> None:
    wrong = [one for one in checked if one.wrong]
    told = environment()
    if output is Output.JSON:
        for one in checked:
            file = path_fields(os.fsencode(one.expected.file))
            told_of = one.expected.to_json() | {"file": file["path"]}
            emit({**told_of, "as_expected": not one.wrong, "wrong": list(one.wrong)})
        emit({"environment": told, "signature": signature(checked)})
        return
    rows = [
        (name, str(sum(not one.wrong for one in some)), str(sum(bool(one.wrong) for one in some)))
        for name, some in by_capability(checked).items()
    ]
    print_table("Validation", ("capability", "as expected", "not"), rows)
    if wrong:
        print_table("Not as expected", ("item", "what"), [_row(one) for one in wrong])
    packages = ", ".join(f"{name} {number}" for name, number in told["packages"].items())
    say(f"Safelight {told['version']}, kernel for {told['kernel_isa']}, Python {told['python']}")
    say(f"{packages}")
    say(f"Signature: {signature(checked)}")
    items = count_of(len(checked), "item")
    if wrong:
        say(f"{len(wrong):,} of {items} did not come out as expected: do not rely on this one.")
    else:
        say(f"All of {items} came out as expected.")


def _row(one: Checked) -> tuple[str, str]:
    place = " → ".join([one.expected.file, *one.expected.inside])
    return show_path(place), "\n".join(one.wrong)
