"""Every table, once. Migrations make them; a test holds the two together.

Each table with a column `organisation` has row security, enabled and forced: under the
application's role a row of another organisation cannot be read, changed or made. `organisation`
itself has none, because a name must be found before the organisation is known.

Entries and what hangs on them have no foreign keys, which PostgreSQL checks row by row: a million
entries took three times as long. The same is held set by set. Row security lets an entry in only
where the organisation has its list; a trigger refuses what names no entry of its organisation;
triggers on deletion take along what hangs on the deleted. Whoever adds entries takes the list's
row first (`lists.next_change`), so that a list is never deleted under them.

Nothing here is a PostgreSQL ENUM: codes are text, and `check_code` holds them against one table.
"""

from types import MappingProxyType

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, TIMESTAMP, UUID

from safelight.errors import BadInput
from safelight.model import DEFAULT_MIN_QUALITY, DEFAULT_RADIUS, HashMode

# Knowledge is never NULL: a quality that was not given is not a quality that cannot exist.
QUALITY_UNKNOWN = -1
QUALITY_NOT_APPLICABLE = -2
MODE_UNKNOWN = "unknown"
MODE_NOT_APPLICABLE = "not_applicable"

# What being on a list says about a picture. It never says "illegal": that is for people to decide.
CODES = MappingProxyType(
    {
        # `ignore`: known to be of no interest, as the files of an operating system are
        "meaning": ("confirmed_by_source", "source_term", "unverified", "ignore"),
        # `observe`: matched and counted, but no verdict hangs on it
        "state": ("enabled", "observe", "disabled"),
        "purpose": ("match", "export", "bundle", "audit", "statistics"),
        "redistribution": ("unknown", "forbidden", "permitted"),
        "mode": (
            HashMode.EXACT.value,
            MODE_UNKNOWN,
            MODE_NOT_APPLICABLE,
        ),  # how an entry's hash was made: HashMode
        "alarm": ("near", "exact"),  # which matches of an entry were far more than usual
    }
)

metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def check_code(kind: str, code: str) -> str:
    """Return the code if it is one of its kind, else raise BadInput naming those that are."""
    if code not in CODES[kind]:
        raise BadInput(f"{code!r} is not a {kind}. Use one of: {', '.join(CODES[kind])}.")
    return code


def _moment(name: str, *, default: bool = False, nullable: bool = False) -> "sa.Column[object]":
    now = sa.text("now()") if default else None
    return sa.Column(name, TIMESTAMP(timezone=True), nullable=nullable, server_default=now)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, nullable=False)


def _small(name: str, usual: int) -> "sa.Column[int]":
    return sa.Column(name, sa.SmallInteger, nullable=False, server_default=str(usual))


organisation = sa.Table(
    "organisation",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    _moment("created_at", default=True),
)

hash_list = sa.Table(
    "hash_list",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("organisation", sa.ForeignKey("organisation.id"), nullable=False),
    _text("name"),
    _text("source"),
    _text("meaning"),
    _text("source_term"),  # the source's own word, only where meaning is source_term
    _text("licence"),
    sa.Column("permitted_purposes", ARRAY(sa.Text), nullable=False),
    _text("redistribution"),
    _text("contract_reference"),
    _moment("expires_at", nullable=True),  # NULL: no end was agreed
    _text("state"),
    # Other organisations that may use it; empty: only the one that has it.
    sa.Column("permitted_organisations", ARRAY(sa.Text), nullable=False, server_default="{}"),
    # Counts the changes of this list, one writer at a time: a reader that has seen n has seen
    # every change up to n, which a sequence cannot promise.
    sa.Column("change", sa.BigInteger, nullable=False),
    _moment("created_at", default=True),
    _small("radius", DEFAULT_RADIUS),  # bits, 0 to 64: what is as near matches
    _small("min_quality", DEFAULT_MIN_QUALITY),  # 0 to 100: PDQ below it matches only where equal
    sa.UniqueConstraint("organisation", "name"),
    sa.UniqueConstraint("organisation", "id"),
)

entry = sa.Table(
    "entry",
    metadata,
    # Also the id in the matching index and in every match.
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("organisation", UUID(as_uuid=True), nullable=False),
    sa.Column("list", UUID(as_uuid=True), nullable=False),
    _text("algorithm"),
    sa.Column("value", BYTEA, nullable=False),
    sa.Column("quality", sa.SmallInteger, nullable=False),
    _text("mode"),
    # Of the list, when the entry came or anything that matching knows of it changed last.
    sa.Column("change", sa.BigInteger, nullable=False),
    _moment("added_at", default=True),
    # Every assertion about it is: it stays, and is not matched.
    sa.Column("retracted", sa.Boolean, nullable=False, server_default=sa.false()),
    # Matched and counted, but no verdict hangs on it until its list is enabled.
    sa.Column("observed", sa.Boolean, nullable=False, server_default=sa.false()),
    # False: near to too many ordinary pictures, so that it matches only where it is equal.
    sa.Column("near", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.UniqueConstraint("list", "algorithm", "value"),
    # What changed since a reader looked last. Equal pairs are stored once: it stays small.
    sa.Index("entry_list_change_idx", "list", "change"),
    sa.Index("entry_observed_idx", "list", postgresql_where=sa.text("observed")),
)

entry_frame = sa.Table(
    "entry_frame",
    metadata,
    sa.Column("organisation", UUID(as_uuid=True), nullable=False),
    sa.Column("entry", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),  # from the video's beginning
    sa.Column("quality", sa.SmallInteger, nullable=False),
    sa.Column("value", BYTEA, nullable=False),  # PDQ
)

entry_assertion = sa.Table(
    "entry_assertion",
    metadata,
    sa.Column("organisation", UUID(as_uuid=True), nullable=False),
    sa.Column("entry", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("their_id", sa.Text, primary_key=True),  # empty: they gave none
    _text("their_class"),
    _moment("asserted_at", default=True),
    _moment("retracted_at", nullable=True),  # NULL: not retracted
    # The list it was taken over from (list:<id>); empty: claimed independently. In words, because
    # it stays true when that list is gone.
    sa.Column("derived_from", sa.Text, nullable=False, server_default=""),
    # Who answers for it here; empty: the source alone does.
    sa.Column("owner", sa.Text, nullable=False, server_default=""),
    _moment("expires_at", nullable=True),  # from then on it does not stand; NULL: no end was agreed
    sa.Index(
        "entry_assertion_ends_idx",
        "organisation",
        "entry",
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    ),
    # What a source takes back it names by these, and a list may have millions of them.
    sa.Index("entry_assertion_their_id_idx", "their_id"),
)

entry_match_count = sa.Table(
    "entry_match_count",
    metadata,
    sa.Column("organisation", UUID(as_uuid=True), nullable=False),
    sa.Column("entry", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("matches", sa.BigInteger, nullable=False),
    _moment("first_at"),
    _moment("last_at"),
)

entry_match_day = sa.Table(
    "entry_match_day",
    metadata,
    sa.Column("organisation", UUID(as_uuid=True), nullable=False),
    sa.Column("entry", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Date, primary_key=True),  # in UTC
    sa.Column("matches", sa.BigInteger, nullable=False),
    sa.Index("entry_match_day_organisation_day_idx", "organisation", "day"),
)

flood_alarm = sa.Table(
    "flood_alarm",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("organisation", UUID(as_uuid=True), nullable=False),
    sa.Column("entry", sa.BigInteger, nullable=False),
    sa.Column("list", UUID(as_uuid=True), nullable=False),
    sa.Column("day", sa.Date, nullable=False),  # in UTC
    _text("kind"),
    sa.Column("matches", sa.BigInteger, nullable=False),  # of that day, when it was told last
    sa.Column("expected", sa.BigInteger, nullable=False),  # at most, from what was before
    _moment("raised_at"),
    _moment("acknowledged_at", nullable=True),  # NULL: nobody has looked at it yet
    sa.Column("acknowledged_by", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("entry", "day", "kind"),
)

audit_event = sa.Table(
    "audit_event",
    metadata,
    sa.Column("organisation", sa.ForeignKey("organisation.id"), primary_key=True),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    _moment("at"),
    _text("actor"),
    _text("action"),
    _text("subject"),
    sa.Column("detail", JSONB, nullable=False),
    sa.Column("previous", BYTEA, nullable=False),  # digest of the event before
    sa.Column("digest", BYTEA, nullable=False),
)

audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("organisation", sa.ForeignKey("organisation.id"), primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("digest", BYTEA, nullable=False),
)

# What the application's role may do; everything else is refused by the database.
GRANTS = MappingProxyType(
    {
        "alembic_version": "SELECT",
        "organisation": "SELECT, INSERT",
        "hash_list": "SELECT, INSERT, UPDATE, DELETE",
        "entry": "SELECT, INSERT, UPDATE, DELETE",
        "entry_frame": "SELECT, INSERT, DELETE",
        "entry_assertion": "SELECT, INSERT, UPDATE, DELETE",
        "entry_match_count": "SELECT, INSERT, UPDATE, DELETE",
        "entry_match_day": "SELECT, INSERT, UPDATE, DELETE",
        "flood_alarm": "SELECT, INSERT, UPDATE, DELETE",
        "entry_id_seq": "UPDATE",  # an import takes the ids of its entries beforehand
        "audit_event": "SELECT, INSERT",
        "audit_head": "SELECT, INSERT, UPDATE",
    }
)
