"""`safelight scan --dataset` and `--manifest`: auditing a data set, shard by shard."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from safelight.bulk.about import facts_of, file_of, sha256_of
from safelight.bulk.dataset.files import Files
from safelight.bulk.dataset.listing import Listing, guess_layout
from safelight.bulk.dataset.request import DatasetRequest
from safelight.bulk.dataset.run import examine_shards
from safelight.bulk.dataset.shards import Shard
from safelight.bulk.dataset.state import DatasetState
from safelight.bulk.dataset.work import Examiners, ShardRows
from safelight.bulk.environment import environment
from safelight.bulk.ordered import Stop
from safelight.bulk.request import limits_of
from safelight.bulk.state import refuse_inside
from safelight.cli import EXIT_ERROR
from safelight.cli.dataset_options import (
    DatasetOptions,
    base_of,
    format_or_default,
    manifest_of,
    roots_of,
)
from safelight.cli.dataset_progress import DatasetProgress
from safelight.cli.match_notes import MatchNotes
from safelight.cli.output import Output, count_of, emit, say
from safelight.cli.stopping import stop_on_signal
from safelight.cli.summary import FoundTable, print_summary, print_what_now
from safelight.cli.work import flood_guard, load_matcher
from safelight.connectors.manifest import ManifestColumns
from safelight.connectors.objects import is_remote
from safelight.connectors.table import ParquetTables
from safelight.errors import BadInput, SafelightError
from safelight.examine import PARQUET_CHILD, Examiner, examine_limits, make_pool
from safelight.matching.load import Loaded, Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import FOUND, Depth
from safelight.settings import Settings

STOPPING = "Stopping; shards under way are left off and made again next time."


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
    roots = roots_of(options)
    local = [os.fsencode(root) for root in roots if not is_remote(root)]
    refuse_inside(local, options.result, "the result's folder")
    manifest = manifest_of(options.manifest)
    loaded = load_matcher(settings, sources, policy, with_past=True)
    request = DatasetRequest(
        roots=roots,
        manifest=manifest,
        base=base_of(options.base, manifest),
        columns=ManifestColumns(
            file=options.file_column, member=options.member_column, carry=options.carry
        ),
        layout=options.layout or guess_layout(roots, files),
        format=format_or_default(options.format),
        sources=sources,
        policy=policy,
        depth=depth,
        fingerprint=loaded.fingerprint,
        environment=environment(),
        settings=limits_of(settings),
        matched_against={
            "facts": facts_of(loaded),
            "files": [file_of(path) for path in sources.hashes],
        },
        manifest_sha256=sha256_of(Path(manifest)) if manifest and not is_remote(manifest) else None,
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
        has_past = not state.request.sources.hashes  # whose entries are lines of files
        self._guard = flood_guard(settings, loaded) if has_past else None
        self._notes = MatchNotes(settings, self._guard)
        self._table = FoundTable()
        self._shown = Lock()
        self._began = time.monotonic()
        self._listed = 0

    def run(self, jobs: int) -> int:
        """Examine the shards that have no part yet; return the exit code."""
        try:
            with stop_on_signal(self._leave_at_once, STOPPING) as stop:
                try:
                    self._examine(jobs or len(os.sched_getaffinity(0)), stop)
                finally:
                    self._note_matches()
        except SafelightError as exc:
            self._report(ended=False)
            say(f"error ({exc.code}): {exc}")
            self._say_how_to_go_on()
            return self._exit_code_unfinished()
        ended = not stop and self._state.count_of_done() == self._listed
        self._report(ended=ended and not self._state.again)
        return self._end(stop)

    def _note_matches(self) -> None:
        self._notes.add(self._state.take_matched())
        self._notes.note()

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
                    guard=self._guard,
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
                    self._notes.add(self._state.take_matched())
                    self._notes.note_if_due()

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
            {"ended": ended, "entries": self._loaded.entries, **self._state.request.to_json()}
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
        self._note_matches()
        self._report(ended=False)
        self._say_how_to_go_on()
        sys.stdout.flush()
        os._exit(self._exit_code_unfinished())
