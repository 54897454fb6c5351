"""Options of `safelight scan` alone, and which of them go together."""

from pathlib import Path
from typing import Annotated, Any

import typer

from safelight.errors import BadInput

PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Files, or folders to walk.", show_default=False),
]
VideoPercentOption = Annotated[
    int,
    typer.Option(
        "--video-percent",
        metavar="1-100",
        help="A video matches where so many percent of its frames, or of the other's, do.",
    ),
]
SceneSecondsOption = Annotated[
    float,
    typer.Option(
        "--scene-seconds",
        metavar="SECONDS",
        help="Or where a scene of this length does.",
    ),
]
ExhibitOption = Annotated[
    str | None,
    typer.Option(
        "--exhibit",
        metavar="ID",
        help="The exhibit's number: goes into every row, with size and times of the file.",
    ),
]
ExaminerOption = Annotated[
    str | None,
    typer.Option(
        "--examiner", metavar="NAME", help="Who scans (a pseudonym will do): for the report."
    ),
]
AuthorityOption = Annotated[
    str | None,
    typer.Option("--authority", metavar="REF", help="On what order or warrant: for the report."),
]
SkipKnownOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--skip-known",
        metavar="FILE",
        help="Leave out files that are already graded: an earlier results file, or a hash file;"
        " by digest only. They are not decoded and get a row. May be given several times.",
    ),
]
VerifyOption = Annotated[
    Path | None,
    typer.Option(
        "--verify",
        metavar="RESULT",
        help="Do the scan of a results file again, and compare row by row.",
    ),
]
AtOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--at",
        metavar="PATH",
        help="With --verify: where the medium is mounted now; once for each folder scanned.",
    ),
]
ResultOption = Annotated[
    Path | None,
    typer.Option(
        "--result",
        metavar="FILE",
        help="Where to write the rows; must not exist. JSON Lines. Of a data set: the folder.",
    ),
]
ResumeOption = Annotated[
    str | None,
    typer.Option("--resume", metavar="ID", help="Go on with a stopped scan: its id, or last."),
]

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


_OF_DATASET = (
    *("base", "manifest_file_column", "manifest_member_column", "carry", "layout"),
    "part_format",
)
_NEEDS_DATASET = (
    "--base, --manifest-…-column, --carry, --layout and --format are for data sets: give --dataset"
    " or --manifest as well."
)


def refuse_mixed(context: typer.Context) -> None:
    """Raise BadInput for options that do not go together."""
    given = {name for name, value in context.params.items() if value}
    if given & {"dataset", "manifest"}:
        _refuse_others(context, _WITH_DATASET, _DATASET_ALONE)
    elif given & set(_OF_DATASET):
        raise BadInput(_NEEDS_DATASET)
    elif "resume" in given:
        _refuse_others(context, _WITH_RESUME, _RESUME_ALONE)
    elif "verify" in given:
        _refuse_others(context, _WITH_VERIFY, _VERIFY_ALONE)
    elif "at" in given:
        raise BadInput("--at goes with --verify RESULT.")


def _refuse_others(context: typer.Context, allowed: tuple[str, ...], message: str) -> None:
    for name in context.params:
        source: Any = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and name not in allowed:
            raise BadInput(message)
