"""One run of a scan: what it shows while it goes, and what it says however it ends."""

import os
import sys
import time
from dataclasses import replace
from typing import Any

from safelight.bulk.ordered import Stop
from safelight.bulk.rows import exhibit_fields, scan_row
from safelight.bulk.scan import ScanResult, scan_all
from safelight.bulk.walk import walk
from safelight.cli import EXIT_ERROR
from safelight.cli.match_notes import MatchNotes
from safelight.cli.output import Output, count_of, emit, say
from safelight.cli.progress import ScanProgress
from safelight.cli.scan_prepare import Prepared
from safelight.cli.stopping import stop_on_signal
from safelight.cli.summary import FoundTable, print_summary, print_what_now
from safelight.cli.work import examiner_for, flood_guard
from safelight.clock import utc_now
from safelight.errors import SafelightError
from safelight.matching.flood import FloodGuard
from safelight.settings import Settings

STOPPING = "Stopping after the files under way; once more to stop at once."


class ScanRun:
    """Runs a scan, new or gone on with, to its end or as far as it gets.

    However it ends, a find is told, with what to do, and a scan that has not ended says how to go
    on with it. Rows of an earlier run are shown again, so that the output is always whole.
    """

    def __init__(self, settings: Settings, prepared: Prepared, output: Output) -> None:
        self._settings = settings
        self._state = prepared.state
        self._loaded = prepared.loaded
        self._graded = prepared.graded
        self._about = prepared.about
        self._output = output
        self._table = FoundTable()
        self._began = time.monotonic()
        request = prepared.state.request
        # Entries of hash files have no past, and a second look is no second match.
        is_counted = not request.sources.hashes and not request.verifies
        self._guard = flood_guard(settings, prepared.loaded) if is_counted else None
        self._notes = MatchNotes(settings, self._guard)

    def run(self, jobs: int) -> int:
        """Examine the files that have no row yet; return the exit code."""
        try:
            with stop_on_signal(self._leave_at_once, STOPPING) as stop:
                for row in self._state.rows_so_far():
                    self._show(row)
                try:
                    self._examine(jobs, stop)
                finally:
                    self._notes.note()
            if not stop and not self._state.gone:
                self._note_the_end()
        except SafelightError as exc:
            self._stop()
            say(f"error ({exc.code}): {exc}")
            self._say_how_to_go_on()
            return self._exit_code_unfinished()
        if stop:
            self._stop()
            self._say_how_to_go_on()
            return self._exit_code_unfinished()
        return self._end()

    def _examine(self, jobs: int, stop: Stop) -> None:
        request = self._state.request
        files = (
            found
            for found in walk(request.roots)
            if not self._state.is_done(request.name_of(found.path))
        )
        with (
            examiner_for(self._settings, jobs, self._graded) as (examiner, count),
            ScanProgress(request.roots) as progress,
        ):
            for one in scan_all(
                files,
                examiner,
                self._loaded.matcher,
                request.policy,
                request.depth,
                jobs=count,
                stop=stop,
            ):
                if self._guard is not None:
                    one = self._counted(one, self._guard)
                row = self._row(one)
                self._state.write(row)
                self._show(row)
                progress.show(self._state.tally)
                self._notes.note_if_due()

    def _counted(self, one: ScanResult, guard: FloodGuard) -> ScanResult:
        answer = guard.look(one.answer)
        self._notes.add({match.entry for match in (*answer.matches, *answer.observed)})
        return replace(one, answer=answer)

    def _row(self, one: ScanResult) -> dict[str, Any]:
        request = self._state.request
        path = request.name_of(one.raw_path)
        more = None
        if request.exhibit is not None:
            more = exhibit_fields(request.exhibit.number, one.answer, one.stamp)
        return scan_row(path, one.answer, one.members, more, one.inside)

    def _show(self, row: dict[str, object]) -> None:
        self._table.add(row)
        if self._output is Output.JSON:
            emit(row)

    def _stop(self) -> None:
        """Say what there is so far, and note it."""
        self._report()
        try:
            self._about.end_run(self._state.tally, now=utc_now(), complete=False)
        except (SafelightError, OSError) as exc:  # a full disk: the rows are what matters
            say(f"warning: the file about the results could not be written: {exc}")

    def _report(self) -> None:
        if self._output is Output.TEXT:
            self._table.print()
        seconds = time.monotonic() - self._began
        result = self._state.request.result
        print_summary(self._state.tally, seconds, self._loaded.entries, result)
        if self._state.tally.found:
            print_what_now(self._settings.contact)

    def _end(self) -> int:
        """Every file was walked: end the scan, unless it does not cover what it should."""
        if self._state.gone:
            self._stop()
            say()
            say(
                f"{count_of(self._state.gone, 'file')} examined before are gone: is the medium"
                " still mounted? The scan is left open."
            )
            self._say_how_to_go_on()
            return self._exit_code_unfinished()
        self._report()
        return self._exit_code()

    def _note_the_end(self) -> None:
        """Before anything is printed: the reader of our output may have gone."""
        self._about.end_run(self._state.tally, now=utc_now(), complete=self._is_complete)
        self._state.end()

    @property
    def _is_complete(self) -> bool:
        """Whether every file was compared with the same hashes."""
        return self._state.request.fingerprint == self._loaded.fingerprint

    def _exit_code(self) -> int:
        """Of a scan that has ended."""
        if not self._is_complete:
            say()
            say(
                "The hashes have changed since this scan began: files examined before the change"
                " were not compared with what is new. Scan again to cover them."
            )
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
        say(
            "Stopped before the end. Go on with: safelight scan --resume"
            f" {self._state.request.scan_id}"
        )

    def _leave_at_once(self) -> None:
        """Every row is whole on disk, and children end with us."""
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")  # the progress bar hides the cursor
        self._notes.note()
        self._stop()
        self._say_how_to_go_on()
        sys.stdout.flush()
        os._exit(self._exit_code_unfinished())
