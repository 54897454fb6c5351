"""`safelight scan`: every file of a tree against hash lists, resumable, and what to do after."""

import os
from pathlib import Path
from typing import Annotated

import typer

from safelight.bulk.request import ScanRequest, inodes_of
from safelight.bulk.state import ScanState, new_scan_id, refuse_inside
from safelight.bulk.walk import check_roots, outermost
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
from safelight.cli.scan_dataset import (
    BaseOption,
    CarryOption,
    DatasetOption,
    DatasetOptions,
    FileColumnOption,
    FormatOption,
    LayoutOption,
    ManifestOption,
    audit,
)
from safelight.cli.scan_run import ScanRun
from safelight.cli.work import load_matcher, private_home
from safelight.clock import utc_now
from safelight.errors import BadInput
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import (
    DEFAULT_MIN_QUALITY,
    DEFAULT_RADIUS,
    Depth,
    FrameSampling,
    HashMode,
)
from safelight.settings import Settings, load_settings

EPILOG = """\b
Examples:
  safelight scan /mnt/media --hashes known.csv
  safelight scan /mnt/media --list hotline --list partner --output json > result.jsonl
  safelight scan --resume last

Verdicts: known (on a list), similar (near an entry), no_match, unreadable (could not be checked).

Exit code: 1 when something was found; 0 when nothing was found and everything was checked;
2 on an error, or when nothing was found but not everything could be checked."""


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
    jobs: JobsOption = 0,
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
    carry: CarryOption = None,
    dataset: DatasetOption = False,
    layout: LayoutOption = None,
    part_format: FormatOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Scan files and folders for pictures and videos that are on a hash list, or near one.

    Without --list and --hashes, all enabled lists are used. Files are opened read-only and nothing
    is written into the scanned folders. Results go to a file as they come: a scan that is stopped,
    or killed, goes on where it was with --resume.
    """
    settings = load_settings()
    of_dataset = (base, manifest_file_column, carry, layout, part_format)
    if not (dataset or manifest) and any(of_dataset):
        raise BadInput(
            "--base, --manifest-file-column, --carry, --layout and --format are for data sets: give"
            " --dataset or --manifest as well."
        )
    if (dataset or manifest) and not resume:
        options = DatasetOptions(
            paths=tuple(paths or ()),
            manifest=manifest,
            base=base,
            file_column=manifest_file_column,
            carry=tuple(carry or ()),
            layout=layout,
            format=part_format,
            result=result,
        )
        code = audit(
            settings,
            options,
            sources=Sources.of(lists, hashes, algorithm),
            policy=MatchPolicy(radius=radius, min_quality=min_quality),
            depth=Depth(mode=mode, video=video, archives=archives),
            jobs=jobs,
            output=output,
        )
        raise typer.Exit(code)
    if resume:
        _refuse_other_options(context)
        state = ScanState.reopen(settings.home, resume)
        loaded = load_matcher(settings, state.request.sources)
    else:
        policy = MatchPolicy(radius=radius, min_quality=min_quality)
        sources = Sources.of(lists, hashes, algorithm)
        roots = _roots(paths)
        _refuse_writing_into(roots, settings, result)
        loaded = load_matcher(settings, sources)  # before anything is made on disk
        private_home(settings)
        scan_id = new_scan_id(utc_now())
        rows = result or settings.home / "scans" / scan_id / "results.jsonl"
        request = ScanRequest(
            scan_id=scan_id,
            roots=tuple(roots),
            inodes=inodes_of(roots),
            result=str(rows.absolute()),
            sources=sources,
            policy=policy,
            depth=Depth(mode=mode, video=video, archives=archives),
            fingerprint=loaded.fingerprint,
        )
        state = ScanState.create(settings.home, request)
    with state:
        raise typer.Exit(ScanRun(settings, state, loaded, output).run(jobs))


def _refuse_other_options(context: typer.Context) -> None:
    for name in context.params:
        source = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and name not in ("resume", "jobs", "output"):
            raise BadInput(
                "--resume goes on with what was asked before: give no paths with it, and no option"
                " but --jobs and --output."
            )


def _roots(paths: list[Path] | None) -> list[bytes]:
    if not paths:
        raise BadInput("nothing to scan: name at least one file or folder.")
    return outermost([os.path.abspath(root) for root in check_roots(paths)])  # noqa: PTH100


def _refuse_writing_into(roots: list[bytes], settings: Settings, result: Path | None) -> None:
    refuse_inside(roots, settings.home, "Safelight's own folder")
    if result is not None:
        refuse_inside(roots, result, "the results file")
