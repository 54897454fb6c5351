"""Options that several commands share, defined once."""

from pathlib import Path
from typing import Annotated

import typer

from safelight.model import Algorithm, FrameSampling, HashMode

ListOption = Annotated[
    list[str] | None,
    typer.Option(
        "--list",
        "-l",
        metavar="NAME",
        help="A hash list to match against; may be given several times.",
    ),
]
HashesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--hashes",
        metavar="FILE",
        help="A file of hashes (plain lines, CSV or JSON Lines) to match against instead;"
        " needs no database.",
    ),
]
AlgorithmOption = Annotated[
    Algorithm | None,
    typer.Option(
        "--algorithm",
        help="What the hashes in --hashes are, where the file does not say; 64 hexadecimal digits"
        " are taken for PDQ, so say sha256 for those.",
    ),
]
RadiusOption = Annotated[
    int | None,
    typer.Option(
        "--radius",
        metavar="BITS",
        help="How many of 256 bits may differ, 0 to 64; of a list never more than it says itself."
        "  [default: what each list says; 31 with --hashes]",
        show_default=False,
    ),
]
QualityOption = Annotated[
    int | None,
    typer.Option(
        "--min-quality",
        metavar="0-100",
        help="PDQ hashes of lower quality are only compared as equal; of a list never less than it"
        " says itself.  [default: what each list says; 50 with --hashes]",
        show_default=False,
    ),
]
ModeOption = Annotated[
    HashMode,
    typer.Option(
        "--mode", help="exact: full decode. fast: scaled decode, what is near again exactly."
    ),
]
VideoOption = Annotated[
    FrameSampling,
    typer.Option(
        "--video",
        help="Frames of videos that are hashed: one a second, key frames only (quick, for triage),"
        " or none.",
    ),
]
ArchivesOption = Annotated[
    bool,
    typer.Option(
        "--archives", help="Look into archives, mails and documents; each member gets a row."
    ),
]
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        min=0,
        max=256,
        help="Files examined at once.  [default: 0, one per core]",
        show_default=False,
    ),
]
