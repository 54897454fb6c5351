"""A source takes back what it said: the assertion stays recorded and no longer counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from safelight.errors import BadInput
from safelight.store.lists import HashList, next_change
from safelight.store.transaction import Transaction

# Of some entries nothing stands any more; of others matching must learn that less does.
_RETRACT = """
WITH taken AS (
    UPDATE entry_assertion AS said SET retracted_at = :at FROM entry
    WHERE entry.id = said.entry AND entry.list = :list AND entry.organisation = :organisation
    AND said.retracted_at IS NULL AND {is_taken} RETURNING said.entry
), touched AS (
    UPDATE entry SET change = :change, retracted = NOT EXISTS (
        SELECT FROM entry_assertion AS said WHERE said.entry = entry.id
        AND said.organisation = :organisation AND said.retracted_at IS NULL AND NOT ({is_taken})
    )
    WHERE list = :list AND organisation = :organisation AND NOT retracted
    AND id IN (SELECT entry FROM taken) RETURNING retracted
)
SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM touched WHERE retracted)
"""
_BY_SOURCE = "said.organisation = :organisation AND said.source = :source"
_BY_ID = f"{_BY_SOURCE} AND said.their_id = ANY(CAST(:ids AS text[]))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retracted:
    """`assertions` no longer count; of `entries` none is left, so that they match nothing."""

    assertions: int
    entries: int


def retract(
    tx: Transaction, list_: HashList, *, source: str, ids: Sequence[str] | None, at: datetime
) -> Retracted:
    """Retract what the source said of the entries it calls `ids`; of all it named, if None.

    Raise BadInput when nothing of that kind stands.
    """
    facts = {
        "organisation": tx.organisation,
        "list": list_.id,
        "change": next_change(tx, list_),
        "source": source,
        "ids": list(ids or ()),
        "at": at,
    }
    statement = _RETRACT.format(is_taken=_BY_SOURCE if ids is None else _BY_ID)
    assertions, entries = tx.connection.execute(sa.text(statement), facts).one()
    if not assertions:
        what = "anything" if ids is None else ", ".join(ids)
        raise BadInput(
            f"Nothing to retract: on the list {list_.name!r} no assertion of {source!r} about "
            f"{what} stands. See safelight list show {list_.name}."
        )
    named = {"ids": list(ids)[:100]} if ids is not None else {}
    details = {"name": list_.name, "source": source, "assertions": assertions, "entries": entries}
    tx.record("list.retract", list_.subject, **details, **named)
    return Retracted(assertions=assertions, entries=entries)
