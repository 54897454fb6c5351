"""The audit trail: one chain of events per organisation, which is only ever added to.

Each event carries the SHA-256 digest of itself and of the event before it. Changing, dropping or
moving an event breaks the chain where it happened; dropping the last ones contradicts the head.
Somebody who can rewrite the whole chain and its head leaves no trace inside the database: keep
the head (`verify` gives it) outside as well.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from safelight.clock import utc_now
from safelight.store.tables import audit_event, audit_head
from safelight.store.transaction import Act, Transaction

_START = bytes(32)  # what the first event gives as the digest before it
_PAGE = 5000
_MOST_MOVED = 500  # broken events that are looked for in other places


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One event as stored. `seq` counts from 1 inside the organisation."""

    organisation: UUID
    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    previous: bytes
    digest: bytes

    def computed(self, seq: int | None = None) -> bytes:
        """The digest this event should have, at its own or at another place in the chain."""
        facts = {
            "organisation": str(self.organisation),
            "seq": self.seq if seq is None else seq,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "detail": self.detail,
        }
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(self.previous + text.encode()).digest()

    def to_json(self) -> dict[str, Any]:
        """The event as the CLI writes it."""
        return {
            "seq": self.seq,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "detail": dict(self.detail),
            "previous": self.previous.hex(),
            "digest": self.digest.hex(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Where the chain is broken. `kind`: changed, moved, missing, relinked or head."""

    seq: int
    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was checked, the last digest (to be kept elsewhere too), and every fault."""

    events: int
    head: str
    faults: tuple[Fault, ...]


def write(tx: Transaction, acts: Iterable[Act]) -> None:
    """Append the acts. Locks the head: call it last in a transaction, or two may deadlock."""
    acts = list(acts)
    if not acts:
        return
    seq, previous = _lock_head(tx)
    rows = []
    for act in acts:
        seq += 1
        event = _event(tx, act, seq, previous)
        previous = event.digest
        rows.append({name: getattr(event, name) for name in audit_event.c.keys()})  # noqa: SIM118
    tx.connection.execute(sa.insert(audit_event), rows)
    tx.connection.execute(sa.update(audit_head).values(seq=seq, digest=previous).where(_head(tx)))


def events(tx: Transaction, *, after: int = 0, until: int | None = None) -> Iterator[AuditEvent]:
    """Every event past `after`, up to and with `until`, in order, a page at a time."""
    wanted = sa.select(audit_event).where(audit_event.c.organisation == tx.organisation)
    if until is not None:
        wanted = wanted.where(audit_event.c.seq <= until)
    while True:
        query = wanted.where(audit_event.c.seq > after).order_by(audit_event.c.seq).limit(_PAGE)
        rows = tx.connection.execute(query).mappings().all()
        if not rows:
            return
        yield from (AuditEvent(**row) for row in rows)
        after = rows[-1]["seq"]


def verify(tx: Transaction) -> Verification:
    """Check every event against its digest, its place, the one before it and the head.

    Events that somebody appends meanwhile are left for the next time.
    """
    end = _read_end(tx)
    faults: list[Fault] = []
    changed: list[AuditEvent] = []
    count, seq, digest = 0, 0, _START
    for event in events(tx, until=end.last):
        if event.seq != seq + 1:
            faults.append(_missing(seq + 1, event.seq - 1))
        elif event.previous != digest:
            faults.append(_fault(event.seq, "relinked", "does not follow from the event before it"))
        if event.digest != event.computed():
            changed.append(event)
        count, seq, digest = count + 1, event.seq, event.digest
    faults += _name_changed(changed)
    faults += _check_head(end, seq, digest)
    faults.sort(key=lambda fault: fault.seq)
    return Verification(events=count, head=digest.hex(), faults=tuple(faults))


def _lock_head(tx: Transaction) -> tuple[int, bytes]:
    first = insert(audit_head).values(organisation=tx.organisation, seq=0, digest=_START)
    tx.connection.execute(first.on_conflict_do_nothing())
    query = sa.select(audit_head.c.seq, audit_head.c.digest).where(_head(tx)).with_for_update()
    row = tx.connection.execute(query).one()
    return row.seq, row.digest


def _event(tx: Transaction, act: Act, seq: int, previous: bytes) -> AuditEvent:
    """The event with its digest, of exactly what the database will give back."""
    facts = {
        "organisation": tx.organisation,
        "seq": seq,
        "at": utc_now(),
        "actor": storable(tx.actor),
        "action": act.action,
        "subject": storable(act.subject),
        "detail": json.loads(storable(json.dumps(act.detail, ensure_ascii=False))),
        "previous": previous,
    }
    bare = AuditEvent(**facts, digest=b"")
    return AuditEvent(**facts, digest=bare.computed())


def storable(text: str) -> str:
    """The text as PostgreSQL can keep it: no NUL, no half of a surrogate pair."""
    whole = text.encode("utf-8", "replace").decode()
    return whole.replace("\0", "\ufffd").replace("\\u0000", "\\ufffd")


def _head(tx: Transaction) -> sa.ColumnElement[bool]:
    return audit_head.c.organisation == tx.organisation


def _fault(seq: int, kind: str, what: str) -> Fault:
    return Fault(seq=seq, kind=kind, message=f"event {seq} {what}")


def _missing(first: int, last: int) -> Fault:
    which = f"event {first} is" if first == last else f"events {first} to {last} are"
    return Fault(seq=first, kind="missing", message=f"{which} missing")


def _name_changed(changed: list[AuditEvent]) -> Iterator[Fault]:
    """Tell events that stand in the wrong place from those whose words were changed."""
    places = [event.seq for event in changed] if len(changed) <= _MOST_MOVED else []
    for event in changed:
        was = next((seq for seq in places if event.computed(seq) == event.digest), None)
        if was is None:
            yield _fault(event.seq, "changed", "was changed after it was written")
        else:
            yield _fault(event.seq, "moved", f"was written as event {was} and moved")


@dataclass(frozen=True, slots=True)
class _End:
    """The end of a chain at one moment: what the head names, and the last event there is."""

    seq: int
    digest: bytes
    last: int


def _read_end(tx: Transaction) -> _End:
    """Read both in one statement: two would see the appends of others between them."""
    mine = audit_event.c.organisation == tx.organisation
    last = sa.select(sa.func.coalesce(sa.func.max(audit_event.c.seq), 0)).where(mine)
    head = sa.select(audit_head.c.seq, audit_head.c.digest).where(_head(tx)).subquery()
    found = sa.select(last.scalar_subquery().label("last")).subquery()
    query = sa.select(found.c.last, head.c.seq, head.c.digest).select_from(
        found.outerjoin(head, sa.true())
    )
    row = tx.connection.execute(query).one()
    return _End(row.seq or 0, row.digest or _START, row.last)


def _check_head(end: _End, seq: int, digest: bytes) -> Iterator[Fault]:
    if end.seq > seq:
        yield _missing(seq + 1, end.seq)
    elif end.seq < seq or end.digest != digest:
        yield _fault(seq, "head", "is not the one the head of the chain names")
