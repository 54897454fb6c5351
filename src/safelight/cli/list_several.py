"""Merge and compare lists, and take back what a source said."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from safelight.cli.list_common import Name, opened
from safelight.cli.output import Output, OutputOption, count_of, emit, print_table, say
from safelight.clock import utc_now
from safelight.errors import BadInput
from safelight.store import compare, entries, lists, origins
from safelight.store import merge as merging
from safelight.store import retract as retracting
from safelight.store.transaction import Transaction


def merge(
    into: Annotated[str, typer.Argument(metavar="INTO", help="The list that is filled.")],
    names: Annotated[list[str], typer.Argument(metavar="LIST", help="Lists to take from.")],
    i_may: Annotated[
        str,
        typer.Option(
            "--i-may",
            metavar="REASON",
            help="Why entries may get a meaning, or be used, as on their list they are not; kept in"
            " the audit trail.",
        ),
    ] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Add the entries of other lists to one, with who said what; the others stay as they are.

    INTO must not permit more than the lists it takes from, and without --i-may not say more of its
    entries or be used where these are not. What its source took back on INTO stays so.
    """
    with opened() as app, app.transaction() as tx:
        target, others = lists.get(tx, into), [lists.get(tx, name) for name in dict.fromkeys(names)]
        counts = merging.merge(tx, target, others, i_may=i_may)
    say(
        f"{count_of(counts.added, 'entry', 'entries')} added to {into!r}, "
        f"{counts.already_there:,} already there."
    )
    if counts.retracted_here:
        say(
            f"warning: {count_of(counts.retracted_here, 'entry', 'entries')} retracted here, not"
            " added. Import a file that says it again to let it stand."
        )
    if output is Output.JSON:
        emit({"list": into, **asdict(counts)})


def diff(
    first: Annotated[str, typer.Argument(metavar="LIST", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="OTHER", show_default=False)],
    show: Annotated[
        int, typer.Option(min=0, max=100_000, help="Show so many entries that only one has.")
    ] = 0,
    output: OutputOption = Output.TEXT,
) -> None:
    """What two lists share, and what only one has; values in full if that list permits export.

    Both must permit statistics.
    """
    with opened() as app, app.transaction() as tx:
        one, other = lists.get(tx, first), lists.get(tx, second)
        found = compare.differences(tx, one, other, shown=show, now=utc_now())
        sided = list(compare.one_sided(tx, one, other, limit=show)) if show else []
        whole = {True: _is_shown(tx, one), False: _is_shown(tx, other)} if sided else {}
    if output is Output.JSON:
        for row in found:
            emit({name: getattr(row, name) for name in row.__dataclass_fields__})
        for entry in sided:
            value = _value(entry, whole)
            sides = {"first": entry.first, "second": entry.second}
            emit({"algorithm": entry.algorithm.value, "value": value, **sides})
        return
    heads = ("algorithm", f"only {first}", f"only {second}", "both")
    counts = [(r.algorithm.value, r.only_first, r.only_second, r.both) for r in found]
    print_table("", heads, [(name, *(f"{n:,}" for n in rest)) for name, *rest in counts])
    if sided:
        rows = [
            (
                entry.algorithm.value,
                _value(entry, whole),
                first if entry.first is not None else second,
                str(entry.second if entry.first is None else entry.first),
            )
            for entry in sided
        ]
        print_table("", ("algorithm", "value", "only on", "entry"), rows)


def retract(
    name: Name,
    source: Annotated[str, typer.Option(help="Who takes back what it said.")],
    id_: Annotated[
        list[str] | None,
        typer.Option("--id", help="What the source calls the entry; may be given several times."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that the source said.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Take back assertions. An entry of which none is left stays recorded, and matches nothing."""
    if bool(id_) == every:
        raise BadInput("Give --id, or --all for everything the source said.")
    with opened() as app, app.transaction() as tx:
        done = retracting.retract(
            tx, lists.get(tx, name), source=source, ids=id_ if id_ else None, at=utc_now()
        )
    say(
        f"{count_of(done.assertions, 'assertion')} retracted; "
        f"{count_of(done.entries, 'entry no longer matches', 'entries no longer match')}."
    )
    if output is Output.JSON:
        emit({"list": name, "assertions": done.assertions, "entries": done.entries})


def _is_shown(tx: Transaction, list_: lists.HashList) -> bool:
    return not origins.why_shortened(tx, list_, origins.origins_of(tx, list_), now=utc_now())


def _value(entry: compare.OneSided, whole: Mapping[bool, bool]) -> str:
    """Its value, in full if that of the first list, or that of the other, is to be."""
    return entries.shown(entry.algorithm, entry.value, whole=whole[entry.first is not None])


COMMANDS: dict[str, Callable[..., None]] = {
    "merge": merge,
    "diff": diff,
    "retract": retract,
}
EPILOGS = {
    "merge": "\b\nExample:\n  safelight list merge all-partners hotline partner\n",
    "diff": "\b\nExample:\n  safelight list diff hotline partner --show 20\n",
    "retract": """\b
Example:
  safelight list retract hotline --source "Example hotline" --id A-17
""",
}
