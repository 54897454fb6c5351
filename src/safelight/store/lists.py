"""Hash lists: what they are, who may use them for what."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from uuid_utils.compat import uuid7

from safelight.errors import BadInput, ListExists, ListNotFound, NotPermitted
from safelight.model import DEFAULT_MIN_QUALITY, DEFAULT_RADIUS, MAX_RADIUS, Algorithm
from safelight.store.tables import check_code, entry, hash_list
from safelight.store.transaction import Transaction

IGNORED_DAYS = 365  # how long entries are ignored where nobody says how long

_OF_LIST = """
entry.list = :list AND entry.organisation = :organisation AND said.organisation = :organisation
AND entry.id = said.entry AND said.retracted_at IS NULL
AND (said.owner = '' OR said.expires_at IS NULL)
"""
_WITHOUT_TERMS = "SELECT said.entry FROM entry, entry_assertion AS said WHERE {of_list} LIMIT 1"
_GIVE_TERMS = """
WITH given AS (
    UPDATE entry_assertion AS said SET owner = coalesce(nullif(owner, ''), :owner),
        expires_at = coalesce(expires_at, CAST(:end AS timestamptz))
    FROM entry WHERE {of_list} RETURNING said.entry
)
UPDATE entry SET change = :change
WHERE list = :list AND organisation = :organisation AND id IN (SELECT entry FROM given)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewList:
    """What must be said about a list when it is made. What nobody knows is `unknown`.

    `radius`, 0 to 64 bits, and `min_quality`, 0 to 100, say how near a hash must be to match; a
    request may ask for less and never for more.
    """

    name: str
    source: str
    meaning: str = "unverified"
    source_term: str = ""  # the source's own word; with the meaning source_term, and only then
    licence: str = "unknown"
    permitted_purposes: tuple[str, ...] = ("match", "statistics")
    redistribution: str = "unknown"
    contract_reference: str = "unknown"
    expires_at: datetime | None = None  # None: no end was agreed
    permitted_organisations: tuple[str, ...] = ()  # others that may use it
    radius: int = DEFAULT_RADIUS
    min_quality: int = DEFAULT_MIN_QUALITY


@dataclass(frozen=True, slots=True, kw_only=True)
class HashList(NewList):
    """A hash list as stored. `change` counts the changes of its entries."""

    id: UUID
    state: str  # enabled, observe, disabled
    change: int
    created_at: datetime
    counts: dict[Algorithm, int] = field(default_factory=dict, compare=False)

    @property
    def subject(self) -> str:
        """How the audit trail names this list."""
        return f"list:{self.id}"

    def to_json(self) -> dict[str, Any]:
        """The list as the CLI writes it."""
        return {
            "id": str(self.id),
            "name": self.name,
            "source": self.source,
            "meaning": self.meaning,
            "source_term": self.source_term,
            "licence": self.licence,
            "permitted_purposes": list(self.permitted_purposes),
            "redistribution": self.redistribution,
            "contract_reference": self.contract_reference,
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
            "permitted_organisations": list(self.permitted_organisations),
            "radius": self.radius,
            "min_quality": self.min_quality,
            "state": self.state,
            "created_at": self.created_at.isoformat(),
        }


def create(tx: Transaction, new: NewList, *, state: str = "enabled") -> HashList:
    """Make an empty list. Raise ListExists or BadInput."""
    values = _checked(new)
    statement = insert(hash_list).values(
        id=uuid7(),
        organisation=tx.organisation,
        state=check_code("state", state),
        change=0,
        **values,
    )
    statement = statement.on_conflict_do_nothing(index_elements=["organisation", "name"])
    row = tx.connection.execute(statement.returning(hash_list)).mappings().one_or_none()
    if row is None:
        raise ListExists(f"There is a list named {new.name!r} already. Choose another name.")
    made = _from_row(row)
    facts = {name: _plain(value) for name, value in values.items()}
    tx.record("list.create", made.subject, state=state, **facts)
    return made


def get(tx: Transaction, name: str) -> HashList:
    """The list of this name. Raise ListNotFound, naming those there are."""
    query = _mine(tx).where(hash_list.c.name == name)
    row = tx.connection.execute(query).mappings().one_or_none()
    if row is None:
        raise ListNotFound(f"There is no list named {name!r}. {_names(tx)}")
    return _from_row(row)


def by_subject(tx: Transaction, subjects: Iterable[str]) -> dict[str, HashList]:
    """Of lists that the audit trail or an assertion names, those that are still there."""
    wanted = set(subjects)
    if not wanted:
        return {}
    found = map(_from_row, tx.connection.execute(_mine(tx)).mappings())
    return {list_.subject: list_ for list_ in found if list_.subject in wanted}


def uncounted(tx: Transaction) -> list[HashList]:
    """Every list by name, without looking at its entries."""
    rows = tx.connection.execute(_mine(tx).order_by(hash_list.c.name)).mappings()
    return [_from_row(row) for row in rows]


def all_lists(tx: Transaction) -> list[HashList]:
    """Every list by name, with the number of its entries per algorithm, without retracted ones."""
    lists = uncounted(tx)
    by_id = {list_.id: list_.counts for list_ in lists}
    query = sa.select(entry.c.list, entry.c.algorithm, sa.func.count())
    query = query.where(entry.c.organisation == tx.organisation, ~entry.c.retracted)
    for identity, algorithm, number in tx.connection.execute(
        query.group_by(entry.c.list, entry.c.algorithm)
    ):
        by_id[identity][Algorithm(algorithm)] = number
    return lists


def count(tx: Transaction, list_: HashList) -> dict[Algorithm, int]:
    """The number of entries of every algorithm, zeros included, retracted ones not."""
    query = sa.select(entry.c.algorithm, sa.func.count()).where(entry.c.list == list_.id)
    query = query.where(~entry.c.retracted)
    query = query.where(entry.c.organisation == tx.organisation).group_by(entry.c.algorithm)
    found: dict[str, int] = dict(map(tuple, tx.connection.execute(query)))
    return {algorithm: found.get(algorithm.value, 0) for algorithm in Algorithm}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The list as it is now. Of `given` entries somebody did not say who answers, or until when."""

    list_: HashList
    given: int = 0


def edit(tx: Transaction, list_: HashList, new: NewList, *, now: datetime) -> Edited:
    """Change the facts of a list to those of `new`; audited with the old and the new of each.

    What is to be ignored from then on gets an owner and an end where it has none, as an import
    gives them. Raise BadInput, ListExists when another list has the new name, ListNotFound.
    """
    values = _checked(new)
    changed = {name: value for name, value in values.items() if value != _stored(list_, name)}
    if not changed:
        return Edited(list_=list_)
    taken = sa.select(hash_list.c.id).where(
        hash_list.c.organisation == tx.organisation, hash_list.c.name == new.name
    )
    if "name" in changed and tx.connection.scalar(taken) is not None:
        raise ListExists(f"There is a list named {new.name!r} already. Choose another name.")
    statement = sa.update(hash_list).where(hash_list.c.id == list_.id).values(**changed)
    row = _one(tx, statement.returning(hash_list), list_).mappings().one()
    facts = {
        name: {"old": _plain(_stored(list_, name)), "new": _plain(value)}
        for name, value in changed.items()
    }
    ignores = changed.get("meaning") == "ignore"
    given = _give_terms(tx, list_, end_of_ignoring(now)) if ignores else 0
    more = {"given_terms": given} if given else {}
    tx.record("list.edit", list_.subject, name=list_.name, changed=facts, **more)
    return Edited(list_=get(tx, new.name) if given else _from_row(row), given=given)


def end_of_ignoring(now: datetime) -> datetime:
    """Until when something is ignored where nobody says until when: the end of a day."""
    last = now.astimezone(UTC).date() + timedelta(days=IGNORED_DAYS)
    return datetime.combine(last, time(23, 59, 59), UTC)


def _give_terms(tx: Transaction, list_: HashList, end: datetime) -> int:
    """Let what stands have an owner, the actor, and an end; return of how many entries it had not.

    Takes a change number if of any.
    """
    facts = {"organisation": tx.organisation, "list": list_.id, "owner": tx.actor, "end": end}
    if tx.connection.scalar(sa.text(_WITHOUT_TERMS.format(of_list=_OF_LIST)), facts) is None:
        return 0
    facts["change"] = next_change(tx, list_)
    return int(tx.connection.execute(sa.text(_GIVE_TERMS.format(of_list=_OF_LIST)), facts).rowcount)


def set_state(tx: Transaction, list_: HashList, state: str) -> int:
    """Let the list be used (`enabled`), only counted (`observe`), or neither (`disabled`).

    To enable it lets the entries be used that were only observed; returns how many.
    """
    statement = sa.update(hash_list).where(hash_list.c.id == list_.id)
    _one(tx, statement.values(state=check_code("state", state)), list_)
    released = _release(tx, list_) if state == "enabled" else 0
    action = {"enabled": "enable", "disabled": "disable"}.get(state, state)
    facts = {"name": list_.name, "old": list_.state}
    tx.record(
        f"list.{action}", list_.subject, **facts, **({"released": released} if released else {})
    )
    return released


def _release(tx: Transaction, list_: HashList) -> int:
    """Let entries be used that were only observed; return how many."""
    mine = (entry.c.list == list_.id) & (entry.c.organisation == tx.organisation)
    some = sa.select(entry.c.id).where(mine, entry.c.observed).limit(1)
    if tx.connection.scalar(some) is None:
        return 0
    statement = sa.update(entry).where(mine, entry.c.observed)
    statement = statement.values(observed=False, change=next_change(tx, list_))
    return int(tx.connection.execute(statement).rowcount)


def delete(tx: Transaction, list_: HashList) -> int:
    """Delete the list with every entry and assertion; return the number of entries."""
    mine = sa.select(sa.func.count()).where(entry.c.list == list_.id)
    entries = int(tx.connection.scalar(mine) or 0)
    _one(tx, sa.delete(hash_list).where(hash_list.c.id == list_.id), list_)
    tx.record("list.delete", list_.subject, name=list_.name, entries=entries)
    return entries


def check_use(list_: HashList, *, purpose: str = "match", now: datetime) -> None:
    """Raise NotPermitted when the list may not be used for this purpose now."""
    check_code("purpose", purpose)
    if list_.expires_at is not None and list_.expires_at <= now:
        raise NotPermitted(
            f"The permission to use the list {list_.name!r} ended on "
            f"{list_.expires_at.date()}. Agree on a new one with {list_.source}."
        )
    if purpose not in list_.permitted_purposes:
        allowed = ", ".join(list_.permitted_purposes) or "nothing"
        use = "for statistics" if purpose == "statistics" else f"to {purpose}"
        raise NotPermitted(f"The list {list_.name!r} may not be used {use}; it permits: {allowed}.")
    if purpose == "match" and list_.state == "disabled":
        raise NotPermitted(
            f"The list {list_.name!r} is disabled. Enable it with: "
            f"safelight list enable {list_.name}"
        )


def permit(tx: Transaction, list_: HashList, *, purpose: str = "match", now: datetime) -> None:
    """`check_use` whose refusals are audited."""
    try:
        check_use(list_, purpose=purpose, now=now)
    except NotPermitted as exc:
        facts = {"name": list_.name, "purpose": purpose, "reason": str(exc)}
        tx.record_refusal("list.refuse", list_.subject, **facts)
        raise


def lists_for_matching(
    tx: Transaction, names: Iterable[str] = (), *, now: datetime
) -> tuple[list[HashList], list[str]]:
    """The lists to match against, and why any other is left out.

    Lists asked for by name must all be usable, else NotPermitted. Without names it is every
    enabled or observed list that permits it; what expired is left out, with its reason, and
    audited. Whether a list is only observed, its `state` tells.
    """
    named = [get(tx, name) for name in dict.fromkeys(names)]
    for list_ in named:
        permit(tx, list_, now=now)
    if named:
        return named, []
    usable, reasons = [], []
    for list_ in uncounted(tx):
        try:
            if list_.state != "disabled":
                permit(tx, list_, now=now)
                usable.append(list_)
        except NotPermitted as exc:
            reasons.append(str(exc))
    return usable, reasons


def next_change(tx: Transaction, list_: HashList) -> int:
    """Take the list's next change number, keeping other writers of it waiting until commit."""
    statement = sa.update(hash_list).where(hash_list.c.id == list_.id)
    statement = statement.values(change=hash_list.c.change + 1)
    return int(_one(tx, statement.returning(hash_list.c.change), list_).scalar_one())


def _checked(new: NewList) -> dict[str, Any]:
    """The values of the row, or BadInput."""
    texts = {
        "name": _line("name", new.name, most=100),
        "source": _line("source", new.source, most=200),
        "licence": _line("licence", new.licence, most=500),
        "contract_reference": _line("contract reference", new.contract_reference, most=500),
    }
    if (new.meaning == "source_term") != bool(new.source_term):
        raise BadInput("Give the source's own word with the meaning source_term, and only then.")
    if new.expires_at is not None and new.expires_at.tzinfo is None:
        raise BadInput("The expiry needs a time zone: 2027-01-31T00:00:00+00:00.")
    return texts | {
        "radius": _between("radius", new.radius, MAX_RADIUS),
        "min_quality": _between("least quality", new.min_quality, 100),
        "meaning": check_code("meaning", new.meaning),
        "source_term": new.source_term and _line("source term", new.source_term, most=200),
        "permitted_purposes": sorted({check_code("purpose", p) for p in new.permitted_purposes}),
        "redistribution": check_code("redistribution", new.redistribution),
        "expires_at": new.expires_at,
        "permitted_organisations": sorted(
            {_line("organisation", name, most=63) for name in new.permitted_organisations}
        ),
    }


def _stored(list_: HashList, name: str) -> Any:
    """A fact of the list as the database has it."""
    value = getattr(list_, name)
    return list(value) if isinstance(value, tuple) else value


def _plain(value: Any) -> Any:
    """A fact as a JSON value."""
    return value.isoformat() if isinstance(value, datetime) else value


def _line(what: str, text: str, *, most: int) -> str:
    if not text.strip() or text != text.strip() or len(text) > most or not text.isprintable():
        raise BadInput(
            f"The {what} {text[:most]!r} cannot be used: 1 to {most} printable characters "
            "without blanks at the ends."
        )
    return text


def _between(what: str, number: int, most: int) -> int:
    if not 0 <= number <= most:
        raise BadInput(f"The {what} {number} cannot be used: 0 to {most}.")
    return number


def _mine(tx: Transaction) -> "sa.Select[Any]":
    return sa.select(hash_list).where(hash_list.c.organisation == tx.organisation)


def _names(tx: Transaction) -> str:
    query = sa.select(hash_list.c.name).where(hash_list.c.organisation == tx.organisation)
    names = tx.connection.scalars(query.order_by(hash_list.c.name).limit(20)).all()
    if not names:
        return "There are none yet: make one with safelight list create."
    return f"There are: {', '.join(names)}."


def _one(tx: Transaction, statement: Any, list_: HashList) -> "sa.CursorResult[Any]":
    """Execute on the list's row of this organisation; raise ListNotFound when it has gone."""
    statement = statement.where(hash_list.c.organisation == tx.organisation)
    result: sa.CursorResult[Any] = tx.connection.execute(statement)
    if result.rowcount != 1:
        raise ListNotFound(f"The list {list_.name!r} was deleted in the meantime.")
    return result


def _from_row(row: "sa.RowMapping") -> HashList:
    values = dict(row)
    del values["organisation"]
    for several in ("permitted_purposes", "permitted_organisations"):
        values[several] = tuple(values[several])
    return HashList(**values)
