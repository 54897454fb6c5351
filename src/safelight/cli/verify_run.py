"""A second examiner's run: the scan again, and what came out of it beside what came out before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safelight.bulk.about import read_about, sha256_of
from safelight.bulk.verify import (
    Comparison,
    Some,
    compare_rows,
    differing_conditions,
    lists_in_common,
)
from safelight.cli import EXIT_ERROR
from safelight.cli.output import Output, count_of, emit, print_table, say
from safelight.cli.scan_run import ScanRun
from safelight.cli.summary import place_of
from safelight.files import show_path

FIELDS_SHOWN = 6


class VerifyRun(ScanRun):
    """Runs a scan that repeats another, and compares the two when it has ended."""

    def run(self, jobs: int) -> int:
        """Say at once what the two runs do not have in common, then scan, then compare."""
        self._say_conditions()
        return super().run(jobs)

    def _say_conditions(self) -> None:
        verifies, result = self._state.request.verifies, self._state.request.result
        first = read_about(Path(verifies.path)) if verifies else {}
        for line in differing_conditions(first, read_about(Path(result))):
            say(f"not the same in both runs: {line}")

    def _exit_code_unfinished(self) -> int:
        return EXIT_ERROR  # 1 would say that the results differ

    def _exit_code(self) -> int:
        """0: every row is the same; 1: not; the comparison is printed."""
        request = self._state.request
        assert request.verifies is not None  # noqa: S101 - that is what makes it this run
        first, second = Path(request.verifies.path), Path(request.result)
        if sha256_of(first) != request.verifies.sha256:
            say()
            say(f"error: {first} was changed while the scan was repeated.")
            return EXIT_ERROR
        self._say_conditions()
        lists = lists_in_common(read_about(first), read_about(second))
        comparison = compare_rows(first, second, lists)
        self._print(comparison, request.verifies.sha256)
        if comparison.renumbered:
            say(_renumbered(comparison.renumbered, lists))
        if comparison.marked:
            say(
                f"In {comparison.marked:,} of them marks of floods differ, and nothing else: they"
                " hang on what an entry had matched before."
            )
        return 0 if comparison.same else 1

    def _print(self, comparison: Comparison, first: str) -> None:
        if self._output is Output.JSON:
            emit(_summary(comparison, first, self._about.sha256))
        else:
            _print_rows(comparison)
        say()
        say(f"SHA-256 of the first result:  {first}")
        say(f"SHA-256 of the second result: {self._about.sha256}")
        say(_sentence(comparison, same_bytes=first == self._about.sha256))


def _renumbered(number: int, lists: Sequence[str]) -> str:
    names = ", ".join(map(show_path, lists))
    return (
        f"In {number:,} of them the numbers of entries differ, and nothing else: each database"
        f" gives its own. It is the same list by its digest: {names}."
    )


def _sentence(comparison: Comparison, *, same_bytes: bool) -> str:
    if same_bytes:
        rows = count_of(comparison.identical, "row")
        return f"Identical: {rows}, and the two files are the same byte for byte."
    if comparison.same:
        rows = count_of(comparison.identical, "row")
        if comparison.renumbered:
            return f"Identical: {rows}, but for the numbers that databases give to entries."
        return f"Identical: {rows}, in another order or writing."
    text = (
        f"Not identical: {comparison.identical:,} rows are the same,"
        f" {comparison.differing.total:,} differ, {comparison.missing.total:,} are missing,"
        f" {comparison.new.total:,} are new."
    )
    if comparison.only_times:
        text += (
            f" In {comparison.only_times:,} of them only times of the file system differ: a copy of"
            " files has times of its own; scan the medium or an image of it."
        )
    if comparison.of_the_machine:
        text += (
            f" In {comparison.of_the_machine:,} of them one run met a limit of its machine (time,"
            " memory, a read error)."
        )
    return text


def _summary(comparison: Comparison, first: str, second: str) -> dict[str, Any]:
    return {
        "identical": comparison.identical,
        "renumbered": comparison.renumbered,
        "differing": comparison.differing.total,
        "missing": comparison.missing.total,
        "new": comparison.new.total,
        "fields": dict(sorted(comparison.fields.items())),
        "sha256_first": first,
        "sha256_second": second,
    }


def _print_rows(comparison: Comparison) -> None:
    rows = [
        ("differs", place_of(first), ", ".join(_few(fields)))
        for first, _second, fields in comparison.differing.first
    ]
    rows += [("missing", place_of(row), "") for row in comparison.missing.first]
    rows += [("new", place_of(row), "") for row in comparison.new.first]
    if rows:
        print_table("Rows that are not the same", ("how", "file", "fields"), rows)
    more = sum(_more(some) for some in (comparison.differing, comparison.missing, comparison.new))
    if more:
        say(f"… and {more:,} more.")


def _few(fields: tuple[str, ...]) -> tuple[str, ...]:
    return fields if len(fields) <= FIELDS_SHOWN else (*fields[:FIELDS_SHOWN], "…")


def _more(some: Some) -> int:
    return some.total - len(some.first)
