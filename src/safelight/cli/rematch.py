"""`safelight rematch`: what scans kept the hashes of, against what the lists hold now."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from safelight.bulk.earlier import (
    Comparable,
    comparable_by,
    digests_not_in,
    new_matches,
    rematched_row,
)
from safelight.bulk.earlier_files import Place, Row, results_files, rows_from
from safelight.bulk.ordered import Stop
from safelight.bulk.rematch_state import RematchRequest, RematchState, stamp_of
from safelight.bulk.state import new_scan_id
from safelight.cli import EXIT_ERROR
from safelight.cli.options import (
    AlgorithmOption,
    HashesOption,
    ListOption,
    QualityOption,
    RadiusOption,
)
from safelight.cli.output import Output, OutputOption, count_of, emit, say
from safelight.cli.progress_line import Line
from safelight.cli.stopping import stop_on_signal
from safelight.cli.summary import FoundTable, print_what_now
from safelight.cli.work import load_matcher, private_home
from safelight.clock import utc_now
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.matching.load import Loaded, Sources
from safelight.matching.rules import MatchPolicy
from safelight.settings import Settings, load_settings

EPILOG = """\b
Examples:
  safelight rematch results.jsonl --list hotline
  safelight rematch audit/ results.jsonl --result new.jsonl
  safelight rematch --resume last

RESULTS are files that safelight scan wrote, JSON Lines or Parquet, or the folder of a data set's
result. The media is not touched, and nothing is kept that was not kept. A row holds the digests of
its file and the PDQ hash of a picture's first frame, upright: turned and mirrored forms, further
frames and those of videos are not looked for. Scan again to cover them. A row that lacks a digest
that the lists hold is compared in part, and that is told.

Written is a row for everything that matches now and did not; rematch_of says where it stood. Such
matches are not of today: they are not counted in list stats, mark no flood and raise no alarm.

Exit code: 1 when something was found; 0 when nothing was and every row could be compared; 2 on an
error, or when nothing was found but not every row could be compared."""

STOPPING = "Stopping; once more to stop at once."


def command(
    results: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RESULTS", help="Results of scans.", show_default=False),
    ] = None,
    lists: ListOption = None,
    hashes: HashesOption = None,
    algorithm: AlgorithmOption = None,
    radius: RadiusOption = None,
    min_quality: QualityOption = None,
    result: Annotated[
        Path | None,
        typer.Option("--result", metavar="FILE", help="Where to write the rows; must not exist."),
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="ID", help="Go on with one: its id, or last.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look up the hashes that scans kept on what the lists hold now, without the media.

    Without --list and --hashes, all enabled lists are used.
    """
    settings = load_settings()
    if bool(results) == bool(resume):
        raise BadInput("name results of scans, or go on with --resume.")
    if resume:
        state = RematchState.reopen(settings.home, resume)
        loaded = load_matcher(settings, state.request.sources, state.request.policy)
    else:
        files = results_files(results or ())
        sources = Sources.of(lists, hashes, algorithm)
        policy = MatchPolicy(radius=radius, min_quality=min_quality)
        loaded = load_matcher(settings, sources, policy)
        private_home(settings)
        rematch_id = new_scan_id(utc_now())
        default = settings.home / "rematches" / rematch_id / "results.jsonl"
        request = RematchRequest(
            rematch_id=rematch_id,
            files=tuple(map(str, files)),
            stamps=tuple(map(stamp_of, files)),
            result=str((result or default).absolute()),
            sources=sources,
            policy=policy,
            fingerprint=loaded.fingerprint,
        )
        state = RematchState.create(settings.home, request)
    with state:
        raise typer.Exit(_Rematch(settings, state, loaded, output).run())


class _Rematch:
    """One run of a job, to its end or as far as it gets."""

    def __init__(
        self, settings: Settings, state: RematchState, loaded: Loaded, output: Output
    ) -> None:
        self._settings, self._state, self._loaded = settings, state, loaded
        self._output = output
        self._table = FoundTable()
        self._progress = _Progress(len(state.request.files))

    def run(self) -> int:
        """Compare the rows that were not compared yet; return the exit code."""
        state = self._state
        files = [Path(file) for file in state.request.files]
        with stop_on_signal(self._leave_at_once, STOPPING) as stop:
            try:
                for row, place in rows_from(files, state.progress.file, state.progress.rows):
                    self._compare(row, place)
                    if stop:
                        break
            finally:
                self._progress.end()
            state.progress.ended = not stop
        return self._end(stop)

    def _compare(self, row: Row, place: Place) -> None:
        state = self._state
        digests = self._loaded.matcher.digests
        kept = comparable_by(row, digests)
        state.progress.compared += kept is not Comparable.NOTHING
        state.progress.in_part += kept is Comparable.IN_PART
        if kept is not Comparable.NOTHING:
            state.progress.note_without(digests_not_in(row, digests))
        state.progress.unchecked += kept is Comparable.NOTHING
        answer = new_matches(row, self._loaded.matcher, state.request.policy, now=utc_now())
        if answer is not None:
            source = {"file": state.request.files[place.file], "row": place.rows}
            new = rematched_row(row, answer, source)
            state.write(new)
            self._table.add(new)
            if self._output is Output.JSON:
                emit(new)
        state.done(place)
        self._progress.show(place, sum(state.progress.found.values()))

    def _end(self, stop: Stop) -> int:
        self._report()
        if stop:
            self._say_how_to_go_on()
            return self._exit_code(complete=False)
        complete = self._state.request.fingerprint == self._loaded.fingerprint
        if not complete:
            say("The hashes have changed since this began: rows compared before were not compared"
                " with what is new. Begin again to cover them.")  # fmt: skip
        return self._exit_code(complete=complete and not self._loaded.unread)

    def _exit_code(self, *, complete: bool) -> int:
        progress = self._state.progress
        if progress.found:
            return 1
        return 0 if complete and not (progress.in_part or progress.unchecked) else EXIT_ERROR

    def _report(self) -> None:
        progress = self._state.progress
        if self._output is Output.TEXT:
            self._table.print()
        say()
        rows = count_of(progress.compared, "row")
        against = count_of(self._loaded.entries, "hash", "hashes")
        say(f"{rows} of earlier scans against {against}:")
        for verdict, number in sorted(progress.found.items()):
            say(f"  {number:>9,}  {verdict} now, and not before")
        if progress.in_part:
            say(f"  {progress.in_part:>9,}  compared in part: no hash of what they show was kept,"
                " or not every digest that the lists hold")  # fmt: skip
        for digest, number in sorted(progress.without.items()):
            say(f"  {'':>9}    {number:,} × without {digest.upper()}, which the lists hold")
        if progress.unchecked:
            say(f"  {progress.unchecked:>9,}  could not be checked: their rows hold no hash")
        say(f"Rows: {show_path(self._state.request.result)}")
        if progress.found:
            print_what_now(self._settings.contact)

    def _say_how_to_go_on(self) -> None:
        say()
        say("Stopped before the end. Go on with: safelight rematch --resume"
            f" {self._state.request.rematch_id}")  # fmt: skip

    def _leave_at_once(self) -> None:
        self._state.note()
        self._say_how_to_go_on()
        sys.stdout.flush()
        os._exit(self._exit_code(complete=False))


class _Progress:
    """How far it is, on stderr."""

    def __init__(self, files: int) -> None:
        self._files = max(1, files)
        self._began = time.monotonic()
        self._line = Line()
        self._rows = 0

    def show(self, place: Place, found: int) -> None:
        """Tell where it stands, if it is time to."""
        self._rows += 1
        if not self._line.is_due():
            return
        share = (place.file + place.share) / self._files
        rate = self._rows / max(0.001, time.monotonic() - self._began)
        self._line.show(f"{100 * share:.0f} %, {rate:,.0f} rows/s, {found:,} found")

    def end(self) -> None:
        """Leave the terminal as it was."""
        self._line.end()
