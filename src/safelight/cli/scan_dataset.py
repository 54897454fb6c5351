"""`safelight scan --dataset` and `--manifest`: auditing a data set, shard by shard."""

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

import typer

from safelight.bulk.dataset.files import Files
from safelight.bulk.dataset.layout import expanded
from safelight.bulk.dataset.listing import Listing, guess_layout
from safelight.bulk.dataset.request import DatasetRequest, Layout, PartFormat
from safelight.bulk.dataset.run import examine_shards
from safelight.bulk.dataset.shards import Shard
from safelight.bulk.dataset.state import DatasetState
from safelight.bulk.dataset.work import Examiners, ShardRows
from safelight.bulk.ordered import Stop
from safelight.bulk.state import refuse_inside
from safelight.bulk.walk import check_roots, outermost
from safelight.cli import EXIT_ERROR
from safelight.cli.dataset_progress import DatasetProgress
from safelight.cli.output import Output, count_of, emit, say
from safelight.cli.stopping import stop_on_signal
from safelight.cli.summary import FoundTable, print_summary, print_what_now
from safelight.cli.work import load_matcher
from safelight.connectors.manifest import ManifestColumns, format_of
from safelight.connectors.objects import check_url, is_remote
from safelight.connectors.table import ParquetTables, check_parquet, has_parquet
from safelight.errors import BadInput, SafelightError
from safelight.examine import PARQUET_CHILD, Examiner, examine_limits, make_pool
from safelight.matching.load import Loaded, Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import FOUND, Depth
from safelight.settings import Settings

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

STOPPING = "Stopping; shards under way are left off and made again next time."


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


def audit(
    settings: Settings,
    options: DatasetOptions,
    *,
    sources: Sources,
    policy: MatchPolicy,
    depth: Depth,
    jobs: int,
    output: Output,
) -> int:
    """Audit a data set, or go on with it; return the exit code."""
    if options.result is None:
        raise BadInput("say with --result which folder the parts of the result go to.")
    files = Files(in_memory=settings.remote_memory_mb << 20)
    roots = _roots(options)
    local = [os.fsencode(root) for root in roots if not is_remote(root)]
    refuse_inside(local, options.result, "the result's folder")
    manifest = _manifest(options.manifest)
    loaded = load_matcher(settings, sources)
    request = DatasetRequest(
        roots=roots,
        manifest=manifest,
        base=_base(options.base, manifest),
        columns=ManifestColumns(
            file=options.file_column, member=options.member_column, carry=options.carry
        ),
        layout=options.layout or guess_layout(roots, files),
        format=_format(options.format),
        sources=sources,
        policy=policy,
        depth=depth,
        fingerprint=loaded.fingerprint,
    )
    with DatasetState(options.result, request) as state:
        return DatasetRun(settings, state, files, loaded, output).run(jobs)


class DatasetRun:
    """Runs an audit, new or gone on with, to its end or as far as it gets."""

    def __init__(
        self,
        settings: Settings,
        state: DatasetState,
        files: Files,
        loaded: Loaded,
        output: Output,
    ) -> None:
        self._settings = settings
        self._state = state
        self._files = files
        self._loaded = loaded
        self._output = output
        self._table = FoundTable()
        self._shown = Lock()
        self._began = time.monotonic()
        self._listed = 0

    def run(self, jobs: int) -> int:
        """Examine the shards that have no part yet; return the exit code."""
        try:
            with stop_on_signal(self._leave_at_once, STOPPING) as stop:
                self._examine(jobs or len(os.sched_getaffinity(0)), stop)
        except SafelightError as exc:
            self._report(ended=False)
            say(f"error ({exc.code}): {exc}")
            self._say_how_to_go_on()
            return self._exit_code_unfinished()
        ended = not stop and self._state.count_of_done() == self._listed
        self._report(ended=ended and not self._state.again)
        return self._end(stop)

    def _examine(self, jobs: int, stop: Stop) -> None:
        with self._tools(jobs) as (examiners, listing):

            def rows_of(shard: Shard) -> ShardRows:
                return ShardRows(
                    shard,
                    self._state.request,
                    files=self._files,
                    examiners=examiners,
                    matcher=self._loaded.matcher,
                    stop=stop,
                )

            with DatasetProgress(listing.shards, self._state.shards) as progress:

                def show(row: dict[str, Any]) -> None:
                    with self._shown:
                        self._table.add(row)
                    progress.add(found=row["verdict"] in FOUND)

                for _done in examine_shards(
                    self._counted(listing.shards()),
                    rows_of,
                    self._state,
                    jobs=jobs,
                    stop=stop,
                    show=show,
                ):
                    progress.shard_done()

    def _counted(self, shards: Iterator[Shard]) -> Iterator[Shard]:
        for shard in shards:
            self._listed += 1
            yield shard

    @contextmanager
    def _tools(self, jobs: int) -> Iterator[tuple[Examiners, Listing]]:
        limits = examine_limits(self._settings)
        carry = self._state.request.columns.carry
        # Beside the shards, two listings may each keep a child that reads a manifest.
        tables = make_pool(self._settings, children=jobs + 2, child=PARQUET_CHILD)
        with make_pool(self._settings, children=jobs) as pool, tables:
            pool.self_test()  # a sandbox that cannot start is said once, not once per file
            examiners = Examiners(
                files=Examiner(pool, limits),
                tars=Examiner(pool, limits, carry=carry),
                tables=Examiner(tables, limits, carry=carry),
            )
            yield examiners, Listing(self._state.request, self._files, ParquetTables(tables))

    def _report(self, *, ended: bool) -> None:
        summary = self._state.write_summary(
            {"ended": ended, "hashes": self._loaded.entries, **self._state.request.to_json()}
        )
        if self._output is Output.JSON:
            emit(summary)
        else:
            self._table.print()
        seconds = time.monotonic() - self._began
        folder = str(self._state.folder)
        print_summary(self._state.tally, seconds, self._loaded.entries, folder)
        if self._state.resumed:
            say(f"{count_of(self._state.resumed, 'shard')} of an earlier run among them.")
        if self._state.tally.found:
            print_what_now(self._settings.contact)

    def _end(self, stop: Stop) -> int:
        if stop:
            self._say_how_to_go_on()
            return self._exit_code_unfinished()
        if self._state.count_of_done() > self._listed:
            say()
            say("Shards examined before are gone: is the data set whole?")
            return self._exit_code_unfinished()
        if self._state.again:
            say()
            say("Some objects could not be fetched. The same command again tries them again.")
            return self._exit_code_unfinished()
        if self._loaded.unread:
            say()
            say(f"{count_of(self._loaded.unread, 'line')} of the hash files could not be read.")
            return self._exit_code_unfinished()
        return self._state.tally.exit_code

    def _exit_code_unfinished(self) -> int:
        return self._state.tally.exit_code or EXIT_ERROR

    def _say_how_to_go_on(self) -> None:
        say()
        say("Stopped before the end. The same command again goes on where this one was.")

    def _leave_at_once(self) -> None:
        """Parts are whole or not there, and children end with us."""
        self._report(ended=False)
        self._say_how_to_go_on()
        sys.stdout.flush()
        os._exit(self._exit_code_unfinished())


def _roots(options: DatasetOptions) -> tuple[str, ...]:
    if not options.paths and not options.manifest:
        raise BadInput("nothing to audit: name a folder, a tar, an s3:// URL, or a manifest.")
    local: list[str] = []
    remote: list[str] = []
    for path in options.paths:
        for name in expanded(_as_url(path)):
            (remote if is_remote(name) else local).append(name)
    roots = outermost([os.path.abspath(root) for root in check_roots(local)])  # noqa: PTH100
    return (*map(os.fsdecode, roots), *(check_url(url) for url in remote))


def _as_url(path: Path) -> str:
    """The path, or the URL whose second slash was lost when it was taken for a path."""
    text = re.sub(r"^s3:/+", "s3://", str(path))
    return re.sub(r"^file:/+", "/", text)


def _manifest(given: str | None) -> str:
    if not given:
        return ""
    if format_of(given) == "parquet":
        check_parquet()
    if is_remote(given):
        return given
    (path,) = check_roots([re.sub(r"^file://", "", given)])
    return os.fsdecode(os.path.abspath(path))  # noqa: PTH100


def _base(given: str | None, manifest: str) -> str:
    if given is None:
        return manifest.rpartition("/")[0]
    if is_remote(given):
        return check_url(given)
    (path,) = check_roots([re.sub(r"^file://", "", given)])
    return os.fsdecode(os.path.abspath(path))  # noqa: PTH100


def _format(given: PartFormat | None) -> PartFormat:
    if given is PartFormat.PARQUET:
        check_parquet()
    if given is not None:
        return given
    return PartFormat.PARQUET if has_parquet() else PartFormat.JSONL
