"""Examining one shard: from its files to result rows."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from safelight.bulk.dataset.files import Files
from safelight.bulk.dataset.members import with_rows
from safelight.bulk.dataset.request import DatasetRequest
from safelight.bulk.dataset.samples import Samples
from safelight.bulk.dataset.shards import Shard, ShardKind, Wanted
from safelight.bulk.inside import with_inside
from safelight.bulk.ordered import Interrupted, Stop
from safelight.bulk.rows import scan_row
from safelight.bulk.walk import not_checked
from safelight.connectors.facts import owned
from safelight.decode.rules import REASONS
from safelight.errors import BadPath, CouldNotCheck, SafelightError
from safelight.examine import Examiner
from safelight.matching.flood import FloodGuard
from safelight.matching.rules import judge
from safelight.matching.step import Matcher
from safelight.model import Depth, ItemAnswer, NotChecked
from safelight.pipeline import answers
from safelight.sandbox.far import FarFile

TRY_AGAIN = ("remote_error",)  # codes of what another run may well fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiners:
    """Who examines what: `files` and the tars among them, `tables` Parquet files."""

    files: Examiner
    tars: Examiner
    tables: Examiner | None = None


class ShardRows:
    """The rows of one shard, as they are made; `sidecars` counts what was read beside.

    `matched` counts the items that matched each entry, in observe mode too.
    """

    def __init__(
        self,
        shard: Shard,
        request: DatasetRequest,
        *,
        files: Files,
        examiners: Examiners,
        matcher: Matcher,
        stop: Stop,
        guard: FloodGuard | None = None,
    ) -> None:
        self._shard = shard
        self._request = request
        self._files = files
        self._examiners = examiners
        self._matcher = matcher
        self._stop = stop
        self._guard = guard
        self._samples = Samples()
        self.matched: Counter[int] = Counter()

    @property
    def sidecars(self) -> int:
        """How many sidecars were read so far."""
        return self._samples.sidecars

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows. Raises Interrupted after `stop`."""
        for wanted in self._shard.files:
            for item in with_inside(self._items(wanted)):
                if self._stop:
                    raise Interrupted
                if self._guard is not None:
                    item = replace(item, answer=self._guard.look(item.answer))
                found = (*item.answer.matches, *item.answer.observed)
                self.matched.update({match.entry for match in found})
                facts = owned(wanted.facts, item.facts or {})
                more = {"manifest": facts} if facts else {}
                yield scan_row(wanted.path, item.answer, item.members, more, item.inside)

    def _items(self, wanted: Wanted) -> Iterator[ItemAnswer]:
        with ExitStack() as stack:
            fd = self._open(wanted, stack)
            if isinstance(fd, NotChecked):
                yield self._unchecked(fd)
                return
            try:
                items = self._unless_it_failed(fd, self._examined(fd))
                if wanted.members is None:
                    yield from items
                else:
                    yield from with_rows(items, wanted.members, self._request.policy)
            except (Interrupted, SafelightError):
                raise  # the sandbox or the disk: no file would do better
            except Exception as exc:  # noqa: BLE001 - the worker loop: one file, one result
                traceback.print_exception(exc)
                message = f"{REASONS['internal']} ({type(exc).__name__})"
                yield self._unchecked(NotChecked(code="internal", message=message))

    def _unless_it_failed(
        self, fd: int | FarFile, items: Iterator[ItemAnswer]
    ) -> Iterator[ItemAnswer]:
        """The items; but of a file that could not be read to its end where it lies, say so."""
        for item in items:
            if not item.members and isinstance(fd, FarFile) and fd.failure is not None:
                yield self._unchecked(not_checked("remote_error"))
            else:
                yield item

    def _examined(self, fd: int | FarFile) -> Iterator[ItemAnswer]:
        depth = self._request.depth
        if self._shard.kind is ShardKind.TAR:
            inside = replace(depth, archives=True)
            return self._samples.told(self._answers(fd, self._examiners.tars, inside))
        if self._shard.kind is ShardKind.PARQUET and self._examiners.tables is not None:
            return self._answers(fd, self._examiners.tables, depth)
        return self._answers(fd, self._examiners.files, depth)

    def _answers(self, fd: int | FarFile, examiner: Examiner, depth: Depth) -> Iterator[ItemAnswer]:
        return answers(
            fd,
            examiner=examiner,
            matcher=self._matcher,
            policy=self._request.policy,
            depth=depth,
        )

    def _open(self, wanted: Wanted, stack: ExitStack) -> int | FarFile | NotChecked:
        if wanted.problem is not None:
            return wanted.problem
        try:
            return stack.enter_context(self._files.opened(wanted.path))
        except BadPath:
            return not_checked("not_there" if self._is_named(wanted) else "vanished")
        except CouldNotCheck as exc:
            return not_checked(exc.code if exc.code in REASONS else "read_error")

    def _is_named(self, wanted: Wanted) -> bool:
        return bool(wanted.facts) or wanted.members is not None

    def _unchecked(self, examined: NotChecked) -> ItemAnswer:
        return ItemAnswer(answer=judge(examined, [], self._request.policy))


RowsOf = Callable[[Shard], ShardRows]
