"""`safelight scan`: every file of a tree against hash lists, resumable, and what to do after."""

import typer

from safelight.bulk.exhibit import exhibit_of
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
from safelight.cli.scan_options import (
    AtOption,
    AuthorityOption,
    ExaminerOption,
    ExhibitOption,
    PathsArgument,
    ResultOption,
    ResumeOption,
    SceneSecondsOption,
    SkipKnownOption,
    VerifyOption,
    VideoPercentOption,
    refuse_mixed,
)
from safelight.cli.scan_prepare import Asked, absolute, begin, go_on, repeat, roots_of
from safelight.cli.scan_run import ScanRun
from safelight.cli.verify_run import VerifyRun
from safelight.matching.load import Sources
from safelight.matching.rules import (
    DEFAULT_SCENE_SECONDS,
    DEFAULT_VIDEO_PERCENT,
    MatchPolicy,
)
from safelight.model import (
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
    paths: PathsArgument = None,
    lists: ListOption = None,
    hashes: HashesOption = None,
    algorithm: AlgorithmOption = None,
    radius: RadiusOption = None,
    min_quality: QualityOption = None,
    mode: ModeOption = HashMode.EXACT,
    video: VideoOption = FrameSampling.SECOND,
    archives: ArchivesOption = False,
    video_percent: VideoPercentOption = DEFAULT_VIDEO_PERCENT,
    scene_seconds: SceneSecondsOption = DEFAULT_SCENE_SECONDS,
    exhibit: ExhibitOption = None,
    examiner: ExaminerOption = None,
    authority: AuthorityOption = None,
    skip_known: SkipKnownOption = None,
    verify: VerifyOption = None,
    at: AtOption = None,
    result: ResultOption = None,
    resume: ResumeOption = None,
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
    refuse_mixed(context)
    sources = Sources.of(lists, hashes, algorithm)
    policy = MatchPolicy(
        radius=radius,
        min_quality=min_quality,
        video_percent=video_percent,
        scene_seconds=scene_seconds,
    )
    depth = Depth(mode=mode, video=video, archives=archives)
    if dataset or manifest:
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
            depth=depth,
            jobs=jobs,
            output=output,
        )
        raise typer.Exit(code)
    if resume:
        prepared = go_on(settings, resume)
    elif verify:
        asked = repeat(
            verify,
            places=at,
            sources=sources,
            graded=absolute(skip_known),
            examiner=examiner,
            actor=settings.actor,
            authority=authority,
            own_result=result,
        )
        prepared = begin(settings, asked)
    else:
        asked = Asked(
            policy=policy,
            roots=roots_of(paths),
            result=result,
            sources=sources,
            depth=depth,
            exhibit=exhibit_of(
                exhibit, examiner or (settings.actor if exhibit else None), authority
            ),
            graded=absolute(skip_known),
        )
        prepared = begin(settings, asked)
    run = VerifyRun if prepared.state.request.verifies else ScanRun
    with prepared.state:
        raise typer.Exit(run(settings, prepared, output).run(jobs))
