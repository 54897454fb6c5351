"""`safelight scan`: every file of a tree against hash lists, resumable, and what to do after."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from safelight.bulk.rows import scan_row
from safelight.bulk.scan import ScanResult, Stop, scan_all
from safelight.bulk.state import ScanState, refuse_inside
from safelight.bulk.walk import check_roots, walk
from safelight.cli.options import (
    AlgorithmOption,
    HashesOption,
    JobsOption,
    ListOption,
    ModeOption,
    QualityOption,
    RadiusOption,
)
from safelight.cli.output import Output, OutputOption, emit, say
from safelight.cli.progress import ScanProgress
from safelight.cli.report import FoundTable, print_summary, print_what_now
from safelight.cli.work import examiner_for, load_matcher, private_home
from safelight.errors import BadInput
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.matching.step import Matcher
from safelight.model import DEFAULT_MIN_QUALITY, DEFAULT_RADIUS, HashMode
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
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files, or folders to walk.", show_default=False)
    ] = None,
    lists: ListOption = None,
    hashes: HashesOption = None,
    algorithm: AlgorithmOption = None,
    radius: RadiusOption = DEFAULT_RADIUS,
    min_quality: QualityOption = DEFAULT_MIN_QUALITY,
    mode: ModeOption = HashMode.EXACT,
    jobs: JobsOption = 0,
    result: Annotated[
        Path | None,
        typer.Option("--result", help="Where to write the rows; must not exist. JSON Lines."),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", help="Go on with a stopped scan: its id, or last."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Scan files and folders for pictures that are on a hash list, or near one.

    Without --list and --hashes, all enabled lists are used. Files are opened read-only and nothing
    is written into the scanned folders. Results go to a file as they come: a scan that is stopped,
    or killed, goes on where it was with --resume.
    """
    settings = load_settings()
    policy = MatchPolicy(radius=radius, min_quality=min_quality, mode=mode)
    if resume:
        if paths or lists or hashes or result:
            raise BadInput("--resume goes on with what was asked before: give no paths with it.")
        state = ScanState.reopen(settings.home, resume)
        sources = state.request.sources
        matcher = load_matcher(settings, sources)
    else:
        sources = Sources.of(lists, hashes, algorithm)
        roots = _roots(paths)
        _refuse_writing_into(roots, settings, result)
        matcher = load_matcher(settings, sources)  # before anything is made on disk
        private_home(settings)
        state = ScanState.create(settings.home, roots, sources, policy, result=result, now=_now())
    with state:
        raise typer.Exit(_run(settings, state, matcher, jobs, output))


def _roots(paths: list[Path] | None) -> list[bytes]:
    if not paths:
        raise BadInput("nothing to scan: name at least one file or folder.")
    return [os.path.abspath(root) for root in check_roots(paths)]  # noqa: PTH100 - bytes


def _refuse_writing_into(roots: list[bytes], settings: Settings, result: Path | None) -> None:
    refuse_inside(roots, settings.home, "Safelight's own folder")
    if result is not None:
        refuse_inside(roots, result, "the results file")


def _now() -> datetime:
    return datetime.now(UTC)


def _run(settings: Settings, state: ScanState, matcher: Matcher, jobs: int, output: Output) -> int:
    began = _now()
    shown = FoundTable()
    for row in state.rows_so_far():
        shown.add(row)
    with examiner_for(settings, jobs) as (examiner, count), _stop_on_signal() as stop:
        files = (found for found in walk(state.request.roots) if not state.is_done(found.path))
        results = scan_all(files, examiner, matcher, state.request.policy, jobs=count, stop=stop)
        with ScanProgress(state.request.roots) as progress:
            for one in results:
                _keep(one, state, shown, output)
                progress.show(state.tally)
    return _finish(settings, state, shown, stop, output, began, len(matcher))


def _keep(one: ScanResult, state: ScanState, shown: FoundTable, output: Output) -> None:
    row = scan_row(one.path, one.answer)
    state.write(row)
    shown.add(row)
    if output is Output.JSON:
        emit(row)


def _finish(
    settings: Settings,
    state: ScanState,
    shown: FoundTable,
    stop: Stop,
    output: Output,
    began: datetime,
    entries: int,
) -> int:
    if output is Output.TEXT:
        shown.print(state.tally)
    print_summary(state.tally, (_now() - began).total_seconds(), entries, state.request.result)
    if state.tally.found:
        print_what_now(settings.contact)
    if stop:
        say()
        say(f"Stopped before the end. Go on with: safelight scan --resume {state.request.scan_id}")
        return state.tally.exit_code or 2
    state.end()
    return state.tally.exit_code


@contextmanager
def _stop_on_signal() -> Iterator[Stop]:
    """First Ctrl-C (or SIGTERM): finish what is under way. Second: give up at once."""
    stop = Stop()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop:
            raise KeyboardInterrupt
        stop()
        say("Stopping after the files under way; once more to stop at once.")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
