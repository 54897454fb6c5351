"""`safelight hash`: every hash of files, nothing compared."""

from pathlib import Path
from typing import Annotated, Any

import typer

from safelight.bulk.rows import hash_row
from safelight.bulk.scan import examine_all
from safelight.bulk.walk import check_roots, walk
from safelight.cli.options import ArchivesOption, JobsOption, ModeOption, VideoOption
from safelight.cli.output import Output, OutputOption, count_of, emit, say
from safelight.cli.summary import place_of
from safelight.cli.work import examiner_for
from safelight.model import Depth, FrameSampling, HashMode, NotChecked
from safelight.settings import load_settings

EPILOG = """\b
Examples:
  safelight hash photo.jpg
  safelight hash --output json folder > hashes.jsonl

Exit code: 0 when every file was hashed, 2 when one was not."""


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Files, or folders to walk.", show_default=False),
    ],
    output: OutputOption = Output.TEXT,
    mode: ModeOption = HashMode.EXACT,
    video: VideoOption = FrameSampling.SECOND,
    archives: ArchivesOption = False,
    jobs: JobsOption = 0,
) -> None:
    """Print MD5, SHA-1, SHA-256 and PDQ (in eight orientations) of pictures and videos.

    Of other files and of those that cannot be decoded, the digests alone, with the reason.
    """
    settings = load_settings()
    roots = check_roots(paths)
    depth = Depth(mode=mode, video=video, archives=archives)
    failed = 0
    with examiner_for(settings, jobs) as (examiner, count):
        for path, item in examine_all(walk(roots), examiner, depth, jobs=count):
            failed += isinstance(item.examined, NotChecked)
            row = hash_row(path, item)
            if output is Output.JSON:
                emit(row)
            else:
                typer.echo(place_of(row))
                _print(row)
    if failed:
        say(f"{count_of(failed, 'item')} not hashed as pictures or videos; see the reasons above.")
        raise typer.Exit(2)


def _print(row: dict[str, Any]) -> None:
    if "error" in row:
        error = row["error"]
        typer.echo(f"  not checked  {error['code']}: {error['message']}")
    elif row["kind"] == "video":
        seconds = "unknown" if row["duration"] is None else f"{row['duration']:.1f} s"
        typer.echo(f"  frames   {len(row['frames']):,} hashed ({row['video']})")
        typer.echo(f"  video    {row['format']}, {row['width']} × {row['height']}, {seconds}")
    elif "members" in row:
        typer.echo(f"  members  {row['members']:,} in {row['format']}")
    else:
        typer.echo(f"  pdq      {row['pdq']}  (quality {row['pdq_quality']}, {row['mode']})")
        typer.echo(f"  picture  {row['format']}, {row['width']} × {row['height']}")
    for name in ("sha256", "sha1", "md5"):
        if row[name] is not None:
            typer.echo(f"  {name:<8} {row[name]}")
