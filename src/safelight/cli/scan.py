"""`safelight scan`: every file of a tree against hash lists, resumable, and what to do after."""

from pathlib import Path
from typing import Annotated, Any

import typer

from safelight.bulk.case import case_of
from safelight.cli.dataset_options import (
    BaseOption,
    CarryOption,
    DatasetOption,
    DatasetOptions,
    FileColumnOption,
    FormatOption,
    LayoutOption,
    ManifestOption,
    MemberColumnOption,
)
from safelight.cli.grouped import GroupedCommand
from safelight.cli.options import (
    AlgorithmOption,
    ArchivesOption,
    HashesOption,
    JobsOption,
    ListOption,
    ModeOption,
    QualityOption,
    RadiusOption,
    VideoOption,
)
from safelight.cli.output import Output, OutputOption
from safelight.cli.scan_dataset import audit
from safelight.cli.scan_prepare import Asked, absolute, begin, go_on, repeat, roots_of
from safelight.cli.scan_run import ScanRun
from safelight.cli.verify_run import VerifyRun
from safelight.errors import BadInput
from safelight.matching.load import Sources
from safelight.matching.rules import (
    DEFAULT_SCENE_SECONDS,
    DEFAULT_VIDEO_PERCENT,
    MatchPolicy,
)
from safelight.model import (
    DEFAULT_MIN_QUALITY,
    DEFAULT_RADIUS,
    Depth,
    FrameSampling,
    HashMode,
)
from safelight.settings import load_settings

EPILOG = """\b
Examples:
  safelight scan /mnt/media --hashes known.csv
  safelight scan /mnt/media --list hotline --list partner --output json > result.jsonl
  safelight scan /mnt/media --hashes known.csv --exhibit 2026-117/3 --result a.jsonl
  safelight scan --verify a.jsonl --at /mnt/copy --result b.jsonl
  safelight scan --resume last

Verdicts: known (on a list), similar (near an entry), no_match, unreadable (could not be checked),
skipped (left out by --skip-known).

Exit code: 1 when something was found; 0 when nothing was found and everything was checked;
2 on an error, or when nothing was found but not everything could be checked.
With --verify: 0 when every row is the same, 1 when any differs, 2 on an error."""


class Command(GroupedCommand):
    """The command, with its options in groups."""

    groups = {  # noqa: RUF012 - typed in the parent
        "What to scan, and what against": ("paths", "lists", "hashes", "algorithm"),
        "How near, and how deep": (
            *("radius", "min_quality", "mode", "video", "video_percent", "scene_seconds"),
            "archives",
        ),
        "For a laboratory": ("exhibit", "examiner", "authority", "skip_known"),
        "A second examiner": ("verify", "at"),
        "A data set": (
            *("dataset", "layout", "manifest", "base", "manifest_file_column", "carry"),
            *("manifest_member_column", "part_format"),
        ),
        "Results": ("result", "output"),
        "Running": ("jobs", "resume", "help"),
    }


def command(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files, or folders to walk.", show_default=False),
    ] = None,
    lists: ListOption = None,
    hashes: HashesOption = None,
    algorithm: AlgorithmOption = None,
    radius: RadiusOption = DEFAULT_RADIUS,
    min_quality: QualityOption = DEFAULT_MIN_QUALITY,
    mode: ModeOption = HashMode.EXACT,
    video: VideoOption = FrameSampling.SECOND,
    archives: ArchivesOption = False,
    video_percent: Annotated[
        int,
        typer.Option(
            "--video-percent",
            metavar="1-100",
            help="A video matches where so many percent of its frames, or of the other's, do.",
        ),
    ] = DEFAULT_VIDEO_PERCENT,
    scene_seconds: Annotated[
        float,
        typer.Option(
            "--scene-seconds",
            metavar="SECONDS",
            help="Or where a scene of this length does.",
        ),
    ] = DEFAULT_SCENE_SECONDS,
    exhibit: Annotated[
        str | None,
        typer.Option(
            "--exhibit",
            metavar="ID",
            help="The exhibit's number: goes into every row, with size and times of the file.",
        ),
    ] = None,
    examiner: Annotated[
        str | None,
        typer.Option(
            "--examiner", metavar="NAME", help="Who scans (a pseudonym will do): for the report."
        ),
    ] = None,
    authority: Annotated[
        str | None,
        typer.Option(
            "--authority", metavar="REF", help="On what order or warrant: for the report."
        ),
    ] = None,
    skip_known: Annotated[
        list[Path] | None,
        typer.Option(
            "--skip-known",
            metavar="FILE",
            help="Leave out files that are already graded: an earlier results file, or a hash file;"
            " by digest only. They are not decoded and get a row. May be given several times.",
        ),
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(
            "--verify",
            metavar="RESULT",
            help="Do the scan of a results file again, and compare row by row.",
        ),
    ] = None,
    at: Annotated[
        list[Path] | None,
        typer.Option(
            "--at",
            metavar="PATH",
            help="With --verify: where the medium is mounted now; once for each folder scanned.",
        ),
    ] = None,
    result: Annotated[
        Path | None,
        typer.Option(
            "--result",
            metavar="FILE",
            help="Where to write the rows; must not exist. JSON Lines. Of a data set: the folder.",
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="ID", help="Go on with a stopped scan: its id, or last."),
    ] = None,
    manifest: ManifestOption = None,
    base: BaseOption = None,
    manifest_file_column: FileColumnOption = "",
    manifest_member_column: MemberColumnOption = "",
    carry: CarryOption = None,
    dataset: DatasetOption = False,
    layout: LayoutOption = None,
    part_format: FormatOption = None,
    jobs: JobsOption = 0,
    output: OutputOption = Output.TEXT,
) -> None:
    """Scan files and folders for pictures and videos that are on a hash list, or near one.

    Without --list and --hashes, all enabled lists are used. Files are opened read-only and nothing
    is written into the scanned folders. Results go to a file as they come: a scan that is stopped,
    or killed, goes on where it was with --resume. Beside the results a file .about.json says what
    was scanned, against what, and with what versions.
    """
    settings = load_settings()
    columns = (manifest_file_column, manifest_member_column, carry)
    of_dataset = (base, *columns, layout, part_format)
    if not (dataset or manifest) and any(of_dataset):
        raise BadInput(
            "--base, --manifest-…-column, --carry, --layout and --format are for data sets: give"
            " --dataset or --manifest as well."
        )
    sources = Sources.of(lists, hashes, algorithm)
    policy = MatchPolicy(
        radius=radius,
        min_quality=min_quality,
        video_percent=video_percent,
        scene_seconds=scene_seconds,
    )
    if dataset or manifest:
        _refuse_others(context, _WITH_DATASET, _DATASET_ALONE)
        options = DatasetOptions(
            paths=tuple(paths or ()),
            manifest=manifest,
            base=base,
            file_column=manifest_file_column,
            member_column=manifest_member_column,
            carry=tuple(carry or ()),
            layout=layout,
            format=part_format,
            result=result,
        )
        code = audit(
            settings,
            options,
            sources=sources,
            policy=policy,
            depth=Depth(mode=mode, video=video, archives=archives),
            jobs=jobs,
            output=output,
        )
        raise typer.Exit(code)
    if resume:
        _refuse_others(context, _WITH_RESUME, _RESUME_ALONE)
        prepared = go_on(settings, resume)
    elif verify:
        _refuse_others(context, _WITH_VERIFY, _VERIFY_ALONE)
        asked = repeat(
            verify,
            places=at,
            sources=sources,
            graded=absolute(skip_known),
            examiner=examiner or settings.actor,
            authority=authority,
            own_result=result,
        )
        prepared = begin(settings, asked)
    else:
        if at:
            raise BadInput("--at goes with --verify RESULT.")
        asked = Asked(
            policy=policy,
            roots=roots_of(paths),
            result=result,
            sources=sources,
            depth=Depth(mode=mode, video=video, archives=archives),
            case=case_of(exhibit, examiner or (settings.actor if exhibit else None), authority),
            graded=absolute(skip_known),
        )
        prepared = begin(settings, asked)
    run = VerifyRun if prepared.state.request.verifies else ScanRun
    with prepared.state:
        raise typer.Exit(run(settings, prepared, output).run(jobs))


_WITH_DATASET = (
    *("paths", "lists", "hashes", "algorithm", "radius", "min_quality", "mode", "video"),
    *("video_percent", "scene_seconds", "archives", "dataset", "layout", "manifest", "base"),
    *("manifest_file_column", "manifest_member_column", "carry", "part_format", "result"),
    *("jobs", "output"),
)
_DATASET_ALONE = (
    "--exhibit, --examiner, --authority, --skip-known, --verify and --at are not for data sets, and"
    " neither is --resume: the same command again goes on with a data-set audit."
)
_WITH_RESUME = ("resume", "jobs", "output")
_RESUME_ALONE = (
    "--resume goes on with what was asked before: give no paths with it, and no option but --jobs"
    " and --output."
)
_WITH_VERIFY = (
    *("verify", "at", "lists", "hashes", "algorithm", "skip_known", "examiner", "authority"),
    *("result", "jobs", "output"),
)
_VERIFY_ALONE = (
    "--verify does what the result says: give no paths with it (--at says where they are now), and"
    " of the options only where the hashes are, who does it, and where to write."
)


def _refuse_others(context: typer.Context, allowed: tuple[str, ...], message: str) -> None:
    for name in context.params:
        source: Any = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and name not in allowed:
            raise BadInput(message)
