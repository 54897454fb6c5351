"""`safelight list`: make hash lists, fill them, look at them, and decide which are used."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from safelight.app import App, open_app
from safelight.cli.list_import import Rejects, show_progress
from safelight.cli.output import Output, OutputOption, count_of, emit, print_table, say
from safelight.clock import utc_now
from safelight.connectors.hash_files import Guesses, HashFormat, read_hash_file
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.model import Algorithm
from safelight.settings import Settings, load_settings
from safelight.store import entries, imports, lists

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The list.", show_default=False)]


@app.callback()
def about() -> None:
    """Create, import, show and manage hash lists. Every change is written to the audit trail."""


@app.command(
    epilog="""\b
Examples:
  safelight list create hotline --source "Example hotline" --licence "agreement 2026-07"
  safelight list create partner --source Partner --meaning source_term --source-term "class B1"
"""
)
def create(
    name: Name,
    source: Annotated[str, typer.Option(help="Who says that these hashes belong on it.")],
    meaning: Annotated[
        str, typer.Option(help="confirmed_by_source, source_term or unverified.")
    ] = "unverified",
    source_term: Annotated[str, typer.Option(help="The source's own word for its claim.")] = "",
    licence: Annotated[str, typer.Option(help="Licence or agreement.")] = "unknown",
    purpose: Annotated[
        list[str] | None,
        typer.Option(
            help="A permitted purpose: match (if none is given), export, bundle, audit, statistics;"
            " may be given several times."
        ),
    ] = None,
    redistribution: Annotated[
        str, typer.Option(help="unknown, forbidden or permitted.")
    ] = "unknown",
    contract: Annotated[str, typer.Option(help="Where the contract is found.")] = "unknown",
    expires: Annotated[
        str | None, typer.Option(help="Last day of the permission, as YYYY-MM-DD.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make an empty list."""
    new = lists.NewList(
        name=name,
        source=source,
        meaning=meaning,
        source_term=source_term,
        licence=licence,
        permitted_purposes=tuple(purpose or ("match",)),
        redistribution=redistribution,
        contract_reference=contract,
        expires_at=None if expires is None else _end_of(expires),
    )
    with _opened() as opened, opened.transaction() as tx:
        made = lists.create(tx, new)
    say(f"Made the list {name!r}. Fill it with: safelight list import {name} FILE")
    if output is Output.JSON:
        emit(made.to_json())


@app.command(
    "import",
    epilog="""\b
Examples:
  safelight list import hotline hashes.csv
  safelight list import hotline digests.txt --algorithm sha256
  safelight list import hotline export.jsonl --rejects rejects.jsonl --output json
\b
FILE holds plain hexadecimal lines, CSV with a header such as pdq,quality,id, or JSON Lines.
64 digits are PDQ unless the algorithm is stated. Importing a file again adds nothing.
Rows that hold no hash are set aside in a private file, with their line and the reason.
""",
)
def import_(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    form: Annotated[
        HashFormat | None, typer.Option("--format", help="How FILE is written; told by itself.")
    ] = None,
    algorithm: Annotated[
        Algorithm | None, typer.Option(help="Of hashes whose file does not name it.")
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where to put rejected rows; else in SAFELIGHT_HOME.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Add the hashes of a file, all or none."""
    settings = load_settings()
    rows = read_hash_file(file, form=form, algorithm=algorithm)
    with (
        open_app(settings, progress=say) as opened,
        Rejects(_rejects_path(settings, rejects)) as rejected,
        opened.transaction() as tx,
    ):
        list_ = lists.get(tx, name)
        guesses = Guesses()
        good = guesses.take(rejected.take(rows))
        counts = imports.import_entries(tx, list_, show_progress(good))
    row = {"list": name, "added": counts.added, "already_there": counts.already_there}
    say(
        f"{count_of(counts.added, 'hash', 'hashes')} added to {name!r}, "
        f"{counts.already_there:,} already there, {rejected.number:,} rejected."
    )
    if guesses.in_doubt:
        say(
            "warning: some hashes of 64 digits were taken for PDQ and do not look like it. They"
            " will be matched as SHA-256 as well; to be rid of the doubt, delete the list and"
            " import it with --algorithm."
        )
    if rejected.number:
        say(f"What was rejected, and why, is in {show_path(rejected.path)}")
    if output is Output.JSON:
        written = str(rejected.path) if rejected.number else None
        emit({**row, "rejected": rejected.number, "rejects": written})


@app.command(epilog="\b\nExample:\n  safelight list ls --output json\n")
def ls(output: OutputOption = Output.TEXT) -> None:
    """Every list, with the number of its entries."""
    with _opened() as opened, opened.transaction() as tx:
        found = lists.all_lists(tx)
    if output is Output.JSON:
        for list_ in found:
            emit({**list_.to_json(), "entries": _numbers(list_.counts)})
    elif not found:
        say("There are no lists yet. Make one with: safelight list create")
    else:
        print_table("", ("list", "source", "meaning", "entries", "used"), [*map(_row, found)])


@app.command(
    epilog="""\b
Examples:
  safelight list show hotline
  safelight list show hotline --limit 1000 --after 5000 --output json
"""
)
def show(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Entries shown.")] = 20,
    after: Annotated[int, typer.Option(min=0, help="Begin past the entry of this id.")] = 0,
    output: OutputOption = Output.TEXT,
) -> None:
    """One list and some of its entries, their values in full only if the list permits export.

    Each look is written to the audit trail. Hash values are confidential: share them with nobody.
    """
    with _opened() as opened, opened.transaction() as tx:
        list_ = lists.get(tx, name)
        shown = entries.show(tx, list_, after=after, limit=limit, now=utc_now())
    if output is Output.JSON:
        for entry in shown.entries:
            emit(entry.to_json(whole=shown.whole))
    else:
        for what, fact in _facts(list_):
            typer.echo(f"{what:<20}{fact}")
        rows = [_entry_row(entry, whole=shown.whole) for entry in shown.entries]
        print_table("", ("entry", "algorithm", "value", "quality", "id", "class"), rows)
    if shown.entries and not shown.whole:
        say("Values are shortened: the list does not permit their export.")
    if shown.following is not None:
        say(f"There are more: safelight list show {name} --after {shown.following}")


@app.command(epilog="\b\nExample:\n  safelight list count hotline\n")
def count(name: Name, output: OutputOption = Output.TEXT) -> None:
    """The number of entries of a list, per algorithm."""
    with _opened() as opened, opened.transaction() as tx:
        counts = lists.count(tx, lists.get(tx, name))
    if output is Output.JSON:
        emit({"list": name, "total": sum(counts.values()), "entries": _numbers(counts)})
    else:
        rows = [(algorithm.value, f"{number:,}") for algorithm, number in counts.items()]
        print_table("", ("algorithm", "entries"), [*rows, ("total", f"{sum(counts.values()):,}")])


@app.command(epilog="\b\nExample:\n  safelight list enable hotline\n")
def enable(name: Name) -> None:
    """Let scans use the list again."""
    with _opened() as opened, opened.transaction() as tx:
        lists.enable(tx, lists.get(tx, name))
    say(f"The list {name!r} is enabled.")


@app.command(epilog="\b\nExample:\n  safelight list disable hotline\n")
def disable(name: Name) -> None:
    """Keep the list, but match nothing against it."""
    with _opened() as opened, opened.transaction() as tx:
        lists.disable(tx, lists.get(tx, name))
    say(f"The list {name!r} is disabled.")


@app.command(epilog="\b\nExample:\n  safelight list delete hotline --yes\n")
def delete(
    name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Delete the list with all its entries, for good."""
    with _opened() as opened, opened.transaction() as tx:
        list_ = lists.get(tx, name)
        if not yes:
            _ask(f"Delete the list {name!r} with {sum(lists.count(tx, list_).values()):,} entries?")
        number = lists.delete(tx, list_)
    say(f"Deleted the list {name!r} and its {number:,} entries.")


def _opened() -> AbstractContextManager[App]:
    return open_app(load_settings(), progress=say)


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise BadInput("Deleting needs --yes where nobody can be asked.")
    typer.confirm(question, abort=True, err=True)


def _end_of(day: str) -> datetime:
    try:
        year, month, number = date.fromisoformat(day).timetuple()[:3]
    except ValueError as exc:
        raise BadInput(f"{day!r} is not a day. Write it as YYYY-MM-DD.") from exc
    return datetime(year, month, number, 23, 59, 59, tzinfo=UTC)


def _rejects_path(settings: Settings, chosen: Path | None) -> Path:
    if chosen is not None:
        return chosen
    stamp = utc_now().strftime("%Y%m%dT%H%M%S.%f")
    return settings.home / "rejects" / f"{stamp}.jsonl"


def _numbers(counts: dict[Algorithm, int]) -> dict[str, int]:
    return {algorithm.value: counts.get(algorithm, 0) for algorithm in Algorithm}


def _row(list_: lists.HashList) -> tuple[str, ...]:
    number = f"{sum(list_.counts.values()):,}"
    return list_.name, list_.source, _meaning(list_), number, "yes" if list_.enabled else "no"


def _meaning(list_: lists.HashList) -> str:
    return list_.source_term or list_.meaning.replace("_", " ")


def _facts(list_: lists.HashList) -> Iterator[tuple[str, str]]:
    yield "list", list_.name
    yield "source", list_.source
    yield "meaning", _meaning(list_)
    yield "licence", list_.licence
    yield "permitted purposes", ", ".join(list_.permitted_purposes)
    yield "redistribution", list_.redistribution
    yield "contract", list_.contract_reference
    yield "expires", "no end was agreed" if list_.expires_at is None else str(list_.expires_at)
    yield "used", "yes" if list_.enabled else "no (disabled)"


def _entry_row(entry: entries.Entry, *, whole: bool) -> tuple[str, ...]:
    """The cells of one entry; what each source calls it on a line of its own."""
    ids = "\n".join(assertion.their_id or "–" for assertion in entry.assertions)
    classes = "\n".join(assertion.their_class or "–" for assertion in entry.assertions)
    value = entry.shown(whole=whole)
    return str(entry.id), entry.algorithm.value, value, _quality(entry), ids, classes


def _quality(entry: entries.Entry) -> str:
    return str(entry.quality) if entry.quality >= 0 else "–"
