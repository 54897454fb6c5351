"""`safelight list stats`: how large lists are, what they share, and what they have found."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

import typer

from safelight.cli.list_common import opened
from safelight.cli.output import Output, OutputOption, count_of, emit, print_table, say
from safelight.clock import utc_now
from safelight.model import Algorithm
from safelight.store import compare, lists, statistics
from safelight.store.transaction import Transaction


def stats(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One list; else all.", show_default=False)
    ] = None,
    most: Annotated[int, typer.Option(min=0, max=1000, help="Most-matched entries shown.")] = 10,
    output: OutputOption = Output.TEXT,
) -> None:
    """Sizes, overlaps, sources, ages; which entries matched most, and how many never did.

    Lists that do not permit the purpose statistics are left out, and named if no NAME is given.
    Which entries never matched, list show --never-matched tells.
    """
    with opened() as app, app.transaction() as tx:
        now = utc_now()
        chosen = None if name is None else lists.get(tx, name)
        usable, reasons = ([chosen], []) if chosen else statistics.countable(tx, now=now)
        found = {
            one.name: statistics.look(tx, one, action="list.stats", most=most, now=now)
            for one in usable
        }
        shared = _shared(tx, chosen, now) if chosen else compare.overlaps(tx, usable)
    for reason in reasons:
        say(f"warning: left out: {reason}")
    if output is Output.JSON:
        for one, figures in found.items():
            emit({"list": one, **figures.to_json()})
        for overlap in shared:
            emit({"lists": [overlap.first, overlap.second], "both": overlap.both})
        return
    _print_figures(found)
    if shared:
        _titled("Entries on two lists", ("list", "other", "both"), [*map(_shared_row, shared)])


def _shared(tx: Transaction, chosen: lists.HashList, now: datetime) -> list[compare.Overlap]:
    """With which of the other lists that permit it the list shares entries."""
    others = statistics.others_countable(tx, chosen, now=now)
    return compare.overlaps_of(tx, chosen, others)


def _shared_row(overlap: compare.Overlap) -> tuple[str, ...]:
    return overlap.first, overlap.second, f"{overlap.both:,}"


def _print_sizes(found: dict[str, statistics.Figures]) -> None:
    kinds = [one for one in Algorithm if any(figures.entries[one] for figures in found.values())]
    heads = ("list", *(kind.value for kind in kinds), "index, about", "retracted", "ended")
    rows = [
        (
            name,
            *(f"{figures.entries[kind]:,}" for kind in kinds),
            _megabytes(sum(figures.index_bytes.values())),
            *(f"{number:,}" for number in (figures.retracted, figures.ended)),
            *(f"{number:,}" for number in (figures.exact_only, figures.never_matched)),
        )
        for name, figures in found.items()
    ]
    _titled("Entries", (*heads, "only where equal", "never matched"), rows)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _print_observed(found: dict[str, statistics.Figures]) -> None:
    rows = [
        (name, *(f"{number:,}" for number in figures.observed.to_json().values()))
        for name, figures in found.items()
        if figures.observed.entries
    ]
    if rows:
        heads = ("list", "entries", "would have matched", "so often, ever")
        _titled("Only observed", heads, rows)


def _say_alarms(found: dict[str, statistics.Figures]) -> None:
    if number := sum(figures.open_alarms for figures in found.values()):
        say(f"There {'is' if number == 1 else 'are'} {count_of(number, 'open alarm')}:"
            " safelight list alarms")  # fmt: skip


def _print_figures(found: dict[str, statistics.Figures]) -> None:
    _print_sizes(found)
    _print_observed(found)
    sources = [
        (name, one.source, f"{one.assertions:,}", f"{one.retracted:,}", f"{one.derived:,}")
        for name, figures in found.items()
        for one in figures.sources
    ]
    _titled("Sources", ("list", "source", "assertions", "retracted", "from lists"), sources)
    months = [
        (name, month, f"{number:,}")
        for name, figures in found.items()
        for month, number in figures.months.items()
    ]
    _titled("Ages", ("list", "added in", "entries"), months)
    matched = [
        (name, str(one.entry), one.algorithm.value, f"{one.matches:,}", f"{one.last_at:%Y-%m-%d}")
        for name, figures in found.items()
        for one in figures.most_matched
    ]
    if matched:
        heads = ("list", "entry", "algorithm", "matches", "last")
        _titled("Most matched", heads, matched)
    _say_alarms(found)


def _titled(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    typer.echo(title)
    print_table("", heads, rows)


COMMANDS: dict[str, Callable[..., None]] = {"stats": stats}
EPILOGS = {
    "stats": """\b
Examples:
  safelight list stats
  safelight list stats hotline --output json
"""
}
