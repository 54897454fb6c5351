"""One unit of work for one organisation, and what it will leave in the audit trail."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something done, to be written to the audit trail."""

    action: str  # noun.verb: list.create
    subject: str  # what it was done to: list:<id>
    detail: dict[str, Any]  # JSON values; never hash values


@dataclass(slots=True, kw_only=True)
class Transaction:
    """An open database transaction that sees the rows of one organisation only.

    What is recorded is written last, in the same transaction: either both stand or neither. A
    refusal is written even when the transaction is rolled back, whatever the reason.
    """

    connection: sa.Connection
    organisation: UUID
    actor: str
    acts: list[Act] = field(default_factory=list)
    refusals: list[Act] = field(default_factory=list)

    def record(self, action: str, subject: str, **detail: Any) -> None:
        """Have this act audited when the transaction commits."""
        self.acts.append(Act(action=action, subject=subject, detail=detail))

    def record_refusal(self, action: str, subject: str, **detail: Any) -> None:
        """Have this refusal audited whether or not the transaction commits."""
        self.refusals.append(Act(action=action, subject=subject, detail=detail))
