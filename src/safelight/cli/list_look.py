"""Look at lists: which there are, what is on them, everything about one."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated

import typer

from safelight.cli.list_common import USED, Name, meaning, numbers, opened
from safelight.cli.output import Output, OutputOption, emit, print_table, say
from safelight.clock import utc_now
from safelight.errors import NotPermitted
from safelight.store import entries, lists, statistics


def ls(output: OutputOption = Output.TEXT) -> None:
    """Every list, with the number of its entries."""
    with opened() as app, app.transaction() as tx:
        found = lists.all_lists(tx)
    if output is Output.JSON:
        for list_ in found:
            emit({**list_.to_json(), "entries": numbers(list_.counts)})
    elif not found:
        say("There are no lists yet. Make one with: safelight list create")
    else:
        print_table("", ("list", "source", "meaning", "entries", "used"), [*map(_row, found)])


def show(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Entries shown.")] = 20,
    after: Annotated[int, typer.Option(min=0, help="Begin past the entry of this id.")] = 0,
    never_matched: Annotated[
        bool,
        typer.Option(
            "--never-matched",
            help="Only what nothing has matched yet; the list must permit statistics.",
        ),
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """One list and some of its entries, their values in full only if the list permits export.

    So must the lists that they were taken from, and none may forbid redistribution. Each look is
    written to the audit trail. Hash values are confidential: share them with nobody.
    """
    with opened() as app, app.transaction() as tx:
        list_ = lists.get(tx, name)
        shown = entries.show(
            tx, list_, after=after, limit=limit, never_matched=never_matched, now=utc_now()
        )
    if output is Output.JSON:
        for entry in shown.entries:
            emit(entry.to_json(whole=shown.whole))
    else:
        _print_facts(_facts(list_))
        _print_entries(shown)
    if shown.entries and not shown.whole:
        say(f"Values are shortened. {shown.reason}")
    if shown.following is not None:
        words = " --never-matched" if never_matched else ""
        say(f"There are more: safelight list show {name}{words} --after {shown.following}")


def count(name: Name, output: OutputOption = Output.TEXT) -> None:
    """The number of entries of a list, per algorithm, without retracted ones."""
    with opened() as app, app.transaction() as tx:
        counts = lists.count(tx, lists.get(tx, name))
    if output is Output.JSON:
        emit({"list": name, "total": sum(counts.values()), "entries": numbers(counts)})
    else:
        rows = [(algorithm.value, f"{number:,}") for algorithm, number in counts.items()]
        print_table("", ("algorithm", "entries"), [*rows, ("total", f"{sum(counts.values()):,}")])


def describe(name: Name, output: OutputOption = Output.TEXT) -> None:
    """Everything about one list but its entries; figures only if it permits statistics."""
    reason = ""
    found = None
    with opened() as app, app.transaction() as tx:
        list_ = lists.get(tx, name)
        try:
            found = statistics.look(tx, list_, action="list.describe", now=utc_now())
        except NotPermitted as exc:
            reason = str(exc)
    if output is Output.JSON:
        figures = found.to_json() if found else {}
        emit({**list_.to_json(), "change": list_.change, **figures})
    else:
        _print_facts(_facts(list_))
        _print_facts(_more_facts(list_, found) if found else iter(()))
    if reason:
        say(f"warning: no figures: {reason}")


def _print_facts(facts: Iterator[tuple[str, str]]) -> None:
    for what, fact in facts:
        typer.echo(f"{what:<25}{fact}")


def _row(list_: lists.HashList) -> tuple[str, ...]:
    number = f"{sum(list_.counts.values()):,}"
    return list_.name, list_.source, meaning(list_), number, USED[list_.state]


def _facts(list_: lists.HashList) -> Iterator[tuple[str, str]]:
    yield "list", list_.name
    yield "source", list_.source
    yield "meaning", meaning(list_)
    yield "licence", list_.licence
    yield "permitted purposes", ", ".join(list_.permitted_purposes)
    others = ", ".join(list_.permitted_organisations)
    yield "permitted organisations", others or "only this one"
    yield "redistribution", list_.redistribution
    yield "contract", list_.contract_reference
    yield "expires", "no end was agreed" if list_.expires_at is None else str(list_.expires_at)
    yield "radius", f"{list_.radius} of 256 bits"
    yield "least quality", f"{list_.min_quality} of 100"
    yield "used", USED[list_.state]


def _more_facts(list_: lists.HashList, found: statistics.Figures) -> Iterator[tuple[str, str]]:
    yield "made", f"{list_.created_at:%Y-%m-%d %H:%M:%S}"
    yield "change", f"{list_.change:,}"
    for algorithm, number in found.entries.items():
        if number:
            yield f"entries, {algorithm}", f"{number:,}"
    yield "entries, retracted", f"{found.retracted:,}"
    for source in found.sources:
        text = f"{source.assertions:,} assertions, {source.retracted:,} retracted"
        yield f"from {source.source}", f"{text}, {source.derived:,} from other lists"
    for month, number in found.months.items():
        yield f"added in {month}", f"{number:,}"
    yield "ever matched", f"{found.ever_matched:,} of {sum(found.entries.values()):,}"


def _print_entries(shown: entries.Shown) -> None:
    """Who answers for entries and until when, and what sets some apart, only where that is so."""
    now = utc_now()
    heads = ("entry", "algorithm", "value", "quality", "id", "class", "until", "matched")
    rows = [_entry_row(entry, now, whole=shown.whole) for entry in shown.entries]
    used = [place for place in range(len(heads)) if place < 6 or any(row[place] for row in rows)]
    cells = [tuple(row[place] for place in used) for row in rows]
    print_table("", tuple(heads[place] for place in used), cells)


def _entry_row(entry: entries.Entry, now: datetime, *, whole: bool) -> tuple[str, ...]:
    """The cells of one entry; what each source says of it on a line of its own."""
    ids = "\n".join(_said(one, one.their_id) for one in entry.assertions)
    classes = "\n".join(one.their_class or "–" for one in entry.assertions)
    value = entry.shown(whole=whole)
    if entry.frames:
        value += f" ({entry.frames:,} frames)"
    quality = str(entry.quality) if entry.quality >= 0 else "–"
    ends = "\n".join(_end(one, now) for one in entry.assertions).strip("\n")
    apart = {"only observed": entry.observed, "only where equal": not entry.near}
    matched = ", ".join(what for what, is_so in apart.items() if is_so)
    return str(entry.id), entry.algorithm.value, value, quality, ids, classes, ends, matched


def _end(assertion: entries.Assertion, now: datetime) -> str:
    """Until when the assertion stands and who answers for it; empty where nothing was said."""
    end = assertion.expires_at
    word = "" if end is None else f"{end:%Y-%m-%d}" + (" (ended)" if end <= now else "")
    return ", ".join(filter(None, (word, assertion.owner)))


def _said(assertion: entries.Assertion, text: str) -> str:
    return (text or "–") + (" (retracted)" if assertion.retracted_at else "")


COMMANDS: dict[str, Callable[..., None]] = {
    "ls": ls,
    "show": show,
    "count": count,
    "describe": describe,
}
EPILOGS = {
    "ls": "\b\nExample:\n  safelight list ls --output json\n",
    "show": """\b
Examples:
  safelight list show hotline
  safelight list show hotline --limit 1000 --after 5000 --output json
  safelight list show hotline --never-matched
""",
    "count": "\b\nExample:\n  safelight list count hotline\n",
    "describe": "\b\nExample:\n  safelight list describe hotline\n",
}
