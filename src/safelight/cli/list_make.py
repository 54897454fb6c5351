"""Make lists, change what is said of them, decide which are used, delete them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import typer

from safelight.cli.list_common import NEVER, Name, ask, end_of, opened
from safelight.cli.output import Output, OutputOption, count_of, emit, say
from safelight.clock import utc_now
from safelight.errors import BadInput
from safelight.model import DEFAULT_MIN_QUALITY, DEFAULT_RADIUS, MAX_RADIUS
from safelight.store import lists

MeaningOption = Annotated[
    str | None,
    typer.Option(
        help="confirmed_by_source, source_term, unverified or ignore.", show_default=False
    ),
]
TermOption = Annotated[
    str | None, typer.Option(help="The source's own word for its claim.", show_default=False)
]
LicenceOption = Annotated[
    str | None, typer.Option(help="Licence or agreement.", show_default=False)
]
PurposeOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A permitted purpose: match and statistics (if none is given), export, bundle, audit;"
        " may be given several times."
    ),
]
RedistributionOption = Annotated[
    str | None, typer.Option(help="unknown, forbidden or permitted.", show_default=False)
]
ContractOption = Annotated[
    str | None, typer.Option(help="Where the contract is found.", show_default=False)
]
ExpiresOption = Annotated[
    str | None,
    typer.Option(help="Last day of the permission, as YYYY-MM-DD, or never.", show_default=False),
]
OrganisationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--permitted-organisation",
        help="Another organisation that may use it; may be given several times.",
    ),
]
RadiusOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=MAX_RADIUS,
        metavar="BITS",
        help=f"How many of 256 bits may differ, 0 to {MAX_RADIUS}; {DEFAULT_RADIUS} if not said.",
        show_default=False,
    ),
]
QualityOption = Annotated[
    int | None,
    typer.Option(
        "--min-quality",
        min=0,
        max=100,
        metavar="0-100",
        help="PDQ hashes of lower quality match only where equal;"
        f" {DEFAULT_MIN_QUALITY} if not said.",
        show_default=False,
    ),
]


def create(
    name: Name,
    source: Annotated[str, typer.Option(help="Who says that these hashes belong on it.")],
    meaning: MeaningOption = None,
    source_term: TermOption = None,
    licence: LicenceOption = None,
    purpose: PurposeOption = None,
    redistribution: RedistributionOption = None,
    contract: ContractOption = None,
    expires: ExpiresOption = None,
    organisation: OrganisationOption = None,
    radius: RadiusOption = None,
    min_quality: QualityOption = None,
    observe: Annotated[
        bool, typer.Option("--observe", help="Match and count it, and let no verdict hang on it.")
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make an empty list."""
    said = _said(
        meaning=meaning,
        source_term=source_term,
        licence=licence,
        permitted_purposes=purpose,
        redistribution=redistribution,
        contract_reference=contract,
        permitted_organisations=organisation,
        radius=radius,
        min_quality=min_quality,
    )
    new = replace(lists.NewList(name=name, source=source), **said, **_expiry(expires))
    with opened() as app, app.transaction() as tx:
        made = lists.create(tx, new, state="observe" if observe else "enabled")
    say(f"Made the list {name!r}. Fill it with: safelight list import {name} FILE")
    if output is Output.JSON:
        emit(made.to_json())


def edit(
    name: Name,
    rename: Annotated[str | None, typer.Option(help="The list's new name.")] = None,
    source: Annotated[str | None, typer.Option(help="Who says that they belong on it.")] = None,
    meaning: MeaningOption = None,
    source_term: TermOption = None,
    licence: LicenceOption = None,
    purpose: PurposeOption = None,
    redistribution: RedistributionOption = None,
    contract: ContractOption = None,
    expires: ExpiresOption = None,
    organisation: OrganisationOption = None,
    radius: RadiusOption = None,
    min_quality: QualityOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Change what is said of a list; what is not given stays. Old and new are audited."""
    said = _said(
        name=rename,
        source=source,
        meaning=meaning,
        source_term=source_term,
        licence=licence,
        permitted_purposes=purpose,
        redistribution=redistribution,
        contract_reference=contract,
        permitted_organisations=organisation,
        radius=radius,
        min_quality=min_quality,
    )
    if meaning is not None and meaning != "source_term":
        said.setdefault("source_term", "")
    said |= _expiry(expires)
    if not said:
        raise BadInput("Say what to change: see safelight list edit --help.")
    with opened() as app, app.transaction() as tx:
        list_ = lists.get(tx, name)
        edited = lists.edit(tx, list_, replace(_facts(list_), **said), now=utc_now())
        made, actor = edited.list_, tx.actor
    say(f"Changed the list {made.name!r}.")
    if edited.given:
        say(
            f"{count_of(edited.given, 'entry', 'entries')} had no owner or no end: {actor} answers"
            f" for them, and they are ignored for {lists.IGNORED_DAYS} days. To import them again"
            " renews both."
        )
    if output is Output.JSON:
        emit(made.to_json())


def enable(name: Name, output: OutputOption = Output.TEXT) -> None:
    """Let scans use the list, and those of its entries that were only observed."""
    _set(name, "enabled", f"The list {name!r} is enabled.", output)


def observe(name: Name, output: OutputOption = Output.TEXT) -> None:
    """Match and count the list, but let no verdict hang on it: to try a new list out."""
    told = f"The list {name!r} is observed: its matches are counted and change no verdict."
    _set(name, "observe", told, output)


def disable(name: Name, output: OutputOption = Output.TEXT) -> None:
    """Keep the list, but match nothing against it."""
    _set(name, "disabled", f"The list {name!r} is disabled.", output)


def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Delete the list with all its entries, for good."""
    with opened() as app, app.transaction() as tx:
        list_ = lists.get(tx, name)
        if not yes:
            ask(f"Delete the list {name!r} with {sum(lists.count(tx, list_).values()):,} entries?")
        number = lists.delete(tx, list_)
    say(f"Deleted the list {name!r} and its {number:,} entries.")
    if output is Output.JSON:
        emit({"list": name, "entries": number})


def _set(name: str, state: str, told: str, output: Output) -> None:
    with opened() as app, app.transaction() as tx:
        released = lists.set_state(tx, lists.get(tx, name), state)
    say(told)
    if released:
        say(f"{count_of(released, 'entry was', 'entries were')} only observed until now.")
    if output is Output.JSON:
        emit({"list": name, "state": state, **({"released": released} if released else {})})


def _facts(list_: lists.HashList) -> lists.NewList:
    return lists.NewList(**{key: getattr(list_, key) for key in lists.NewList.__dataclass_fields__})


def _said(**facts: Any) -> dict[str, Any]:
    """What was given; several as a tuple."""
    given = {key: value for key, value in facts.items() if value is not None and value != []}
    return {key: tuple(one) if isinstance(one, list) else one for key, one in given.items()}


def _expiry(day: str | None) -> dict[str, Any]:
    if day is None:
        return {}
    return {"expires_at": None if day == NEVER else end_of(day)}


COMMANDS: dict[str, Callable[..., None]] = {
    "create": create,
    "edit": edit,
    "enable": enable,
    "observe": observe,
    "disable": disable,
    "delete": delete,
}
EPILOGS = {
    "create": """\b
Examples:
  safelight list create hotline --source "Example hotline" --licence "agreement 2026-07"
  safelight list create partner --source Partner --meaning source_term --source-term "class B1"
  safelight list create system-files --source NSRL --meaning ignore
  safelight list create new-partner --source Partner --radius 20 --observe
""",
    "edit": """\b
Examples:
  safelight list edit hotline --redistribution permitted --expires 2027-12-31
  safelight list edit hotline --purpose match --purpose export
  safelight list edit hotline --radius 24 --min-quality 60
""",
    "enable": "\b\nExample:\n  safelight list enable hotline\n",
    "observe": "\b\nExample:\n  safelight list observe hotline\n",
    "disable": "\b\nExample:\n  safelight list disable hotline\n",
    "delete": "\b\nExample:\n  safelight list delete hotline --yes\n",
}
