"""`safelight hash`: every hash of files, nothing compared."""

from pathlib import Path
from typing import Annotated

import typer

from safelight.bulk.rows import hash_row
from safelight.bulk.scan import examine_all
from safelight.bulk.walk import check_roots, walk
from safelight.cli.options import JobsOption, ModeOption
from safelight.cli.output import Output, OutputOption, count_of, emit, say
from safelight.cli.work import examiner_for
from safelight.files import show_path
from safelight.model import HashMode, NotChecked
from safelight.settings import load_settings

EPILOG = """\b
Examples:
  safelight hash photo.jpg
  safelight hash --output json folder > hashes.jsonl

Exit code: 0 when every file was hashed, 2 when one was not."""


def command(
    paths: Annotated[
        list[Path], typer.Argument(help="Files, or folders to walk.", show_default=False)
    ],
    output: OutputOption = Output.TEXT,
    mode: ModeOption = HashMode.EXACT,
    jobs: JobsOption = 0,
) -> None:
    """Print MD5, SHA-1, SHA-256 and PDQ (in eight orientations) of pictures.

    Of other files and of pictures that cannot be decoded, the digests alone, with the reason.
    """
    settings = load_settings()
    roots = check_roots(paths)
    failed = 0
    with examiner_for(settings, jobs) as (examiner, count):
        for path, examined in examine_all(walk(roots), examiner, mode, jobs=count):
            failed += isinstance(examined, NotChecked)
            row = hash_row(path, examined)
            if output is Output.JSON:
                emit(row)
            else:
                _print(path, row)
    if failed:
        say(f"{count_of(failed, 'file')} not hashed as pictures; see the reasons above.")
        raise typer.Exit(2)


def _print(path: bytes, row: dict[str, object]) -> None:
    typer.echo(show_path(path))
    if "error" in row:
        error = row["error"]
        assert isinstance(error, dict)  # noqa: S101 - hash_row makes it
        typer.echo(f"  not checked  {error['code']}: {error['message']}")
    else:
        typer.echo(f"  pdq      {row['pdq']}  (quality {row['pdq_quality']}, {row['mode']})")
        typer.echo(f"  picture  {row['format']}, {row['width']} × {row['height']}")
    for name in ("sha256", "sha1", "md5"):
        if row[name] is not None:
            typer.echo(f"  {name:<8} {row[name]}")
