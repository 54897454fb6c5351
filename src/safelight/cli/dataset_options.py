"""What the command line can say of a data set, and what it comes to."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from safelight.bulk.dataset.layout import expanded
from safelight.bulk.dataset.request import Layout, PartFormat
from safelight.bulk.walk import check_roots, is_below, outermost
from safelight.connectors.manifest import format_of
from safelight.connectors.objects import check_url, is_remote
from safelight.connectors.table import check_parquet, has_parquet
from safelight.errors import BadInput

ManifestOption = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="A table (CSV, JSON Lines, Parquet) that names the files; its other columns are"
        " carried into the result.",
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="PLACE",
        help="The folder or s3:// URL that the manifest's files lie in.  [default: its own folder]",
        show_default=False,
    ),
]
FileColumnOption = Annotated[
    str,
    typer.Option(
        "--manifest-file-column",
        metavar="COLUMN",
        help="The column that names the file, where its name does not say so.",
        show_default=False,
    ),
]
MemberColumnOption = Annotated[
    str,
    typer.Option(
        "--manifest-member-column",
        metavar="COLUMN",
        help="The column that names a member of the file, or its key, where rows are about those.",
        show_default=False,
    ),
]
CarryOption = Annotated[
    list[str] | None,
    typer.Option(
        "--carry",
        metavar="COLUMN",
        help="Carry this column, or field of a sidecar, into the result, and no other; may be"
        " given several times.",
    ),
]
DatasetOption = Annotated[
    bool,
    typer.Option(
        "--dataset",
        help="Audit a data set: the result is a folder, with a part for every shard.",
    ),
]
LayoutOption = Annotated[
    Layout | None,
    typer.Option(
        "--layout",
        help="How the data set is laid out.  [default: what its files look like]",
        show_default=False,
    ),
]
FormatOption = Annotated[
    PartFormat | None,
    typer.Option(
        "--format",
        help="Of the parts of a data set's result.  [default: parquet, if pyarrow is installed]",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    """What the command line says of a data set."""

    paths: tuple[Path, ...]
    manifest: str | None
    base: str | None
    file_column: str
    member_column: str
    carry: tuple[str, ...]
    layout: Layout | None
    format: PartFormat | None
    result: Path | None


def roots_of(options: DatasetOptions) -> tuple[str, ...]:
    """The folders and tars to audit, absolute, and the URLs."""
    if not options.paths and not options.manifest:
        raise BadInput("nothing to audit: name a folder, a tar, an s3:// URL, or a manifest.")
    local: list[str] = []
    remote: list[str] = []
    for path in options.paths:
        for name in expanded(_as_url(path)):
            (remote if is_remote(name) else local).append(name)
    roots = _without_repeats([os.path.abspath(root) for root in check_roots(local)])  # noqa: PTH100
    return (*map(os.fsdecode, roots), *dict.fromkeys(check_url(url) for url in remote))


def _without_repeats(roots: list[bytes]) -> list[bytes]:
    """Each root once, and none that lies inside another; of files there may be very many."""
    folders = outermost([root for root in roots if os.path.isdir(root)])  # noqa: PTH112
    files = {os.path.realpath(root): root for root in roots if not os.path.isdir(root)}  # noqa: PTH112
    outside = [
        root for real, root in files.items() if not any(is_below(real, one) for one in folders)
    ]
    return [*folders, *outside]


def _as_url(path: Path) -> str:
    """The path, or the URL whose second slash was lost when it was taken for a path."""
    text = re.sub(r"^s3:/+", "s3://", str(path))
    return re.sub(r"^file:/+", "/", text)


def manifest_of(given: str | None) -> str:
    """The manifest, absolute or a URL; empty for none."""
    if not given:
        return ""
    if format_of(given) == "parquet":
        check_parquet()
    if is_remote(given):
        return given
    (path,) = check_roots([re.sub(r"^file://", "", given)])
    return os.fsdecode(os.path.abspath(path))  # noqa: PTH100


def base_of(given: str | None, manifest: str) -> str:
    """What the paths of a manifest hang on."""
    if given is None:
        return manifest.rpartition("/")[0]
    if is_remote(given):
        return check_url(given)
    (path,) = check_roots([re.sub(r"^file://", "", given)])
    return os.fsdecode(os.path.abspath(path))  # noqa: PTH100


def format_or_default(given: PartFormat | None) -> PartFormat:
    """The format of the parts; BadInput for Parquet that cannot be written."""
    if given is PartFormat.PARQUET:
        check_parquet()
    if given is not None:
        return given
    return PartFormat.PARQUET if has_parquet() else PartFormat.JSONL
