"""A source takes back what it said: the assertion stays recorded and no longer counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from safelight.errors import BadInput
from safelight.store.lists import HashList, next_change
from safelight.store.transaction import Transaction

_RETRACT = """
UPDATE entry_assertion SET retracted_at = :at FROM entry
WHERE entry.id = entry_assertion.entry AND entry.list = :list
AND entry.organisation = :organisation AND entry_assertion.organisation = :organisation
AND entry_assertion.source = :source AND retracted_at IS NULL
AND (:every OR their_id = ANY(:ids))
"""
# Of some entries nothing stands any more; of others matching must learn that less does.
_SILENCED = """
WITH touched AS (
    UPDATE entry SET change = :change, retracted = NOT EXISTS (
        SELECT FROM entry_assertion WHERE entry_assertion.entry = entry.id AND retracted_at IS NULL
    )
    WHERE list = :list AND organisation = :organisation AND NOT retracted
    AND id IN (SELECT entry FROM entry_assertion WHERE retracted_at = :at AND source = :source)
    RETURNING retracted
)
SELECT count(*) FROM touched WHERE retracted
"""


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
        "every": ids is None,
        "ids": list(ids or ()),
        "at": at,
    }
    assertions = tx.connection.execute(sa.text(_RETRACT), facts).rowcount
    if not assertions:
        what = "anything" if ids is None else ", ".join(ids)
        raise BadInput(
            f"Nothing to retract: on the list {list_.name!r} no assertion of {source!r} about "
            f"{what} stands. See safelight list show {list_.name}."
        )
    entries = int(tx.connection.scalar(sa.text(_SILENCED), facts) or 0)
    named = {"ids": list(ids)[:100]} if ids is not None else {}
    details = {"name": list_.name, "source": source, "assertions": assertions, "entries": entries}
    tx.record("list.retract", list_.subject, **details, **named)
    return Retracted(assertions=assertions, entries=entries)
