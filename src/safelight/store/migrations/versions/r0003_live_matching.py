"""Lists matched as they change: radius, observed and exact-only entries, ends, days of matches."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID

revision = "0003"
down_revision = "0002"

_UUID = UUID(as_uuid=True)
_TIME = TIMESTAMP(timezone=True)
_OURS = "nullif(current_setting('app.org', true), '')::uuid"
_NEW = ("entry_match_day", "flood_alarm")
_OF_ENTRY = ("entry_assertion", "entry_frame", "entry_match_count", *_NEW)


def upgrade() -> None:
    """New columns have defaults that say what held until now, so that no row is written anew."""
    _hash_list()
    _entry()
    _entry_assertion()
    _entry_match_day()
    _flood_alarm()
    _kept_apart()
    _no_orphans()
    _told()


def _hash_list() -> None:
    for name, usual in (("radius", "31"), ("min_quality", "50")):
        op.add_column(
            "hash_list", sa.Column(name, sa.SmallInteger, nullable=False, server_default=usual)
        )


def _entry() -> None:
    for name, usual in (("observed", sa.false()), ("near", sa.true())):
        op.add_column("entry", sa.Column(name, sa.Boolean, nullable=False, server_default=usual))
    op.create_index("entry_list_change_idx", "entry", ["list", "change"])
    op.create_index("entry_observed_idx", "entry", ["list"], postgresql_where=sa.text("observed"))


def _entry_assertion() -> None:
    op.add_column("entry_assertion", sa.Column("owner", sa.Text, nullable=False, server_default=""))
    op.add_column("entry_assertion", sa.Column("expires_at", _TIME, nullable=True))
    op.create_index(
        "entry_assertion_ends_idx",
        "entry_assertion",
        ["organisation", "entry"],
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_index("entry_assertion_their_id_idx", "entry_assertion", ["their_id"])


def _entry_match_day() -> None:
    op.create_table(
        "entry_match_day",
        sa.Column("organisation", _UUID, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("matches", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("entry", "day", name="entry_match_day_pkey"),
    )
    op.create_index(
        "entry_match_day_organisation_day_idx", "entry_match_day", ["organisation", "day"]
    )


def _flood_alarm() -> None:
    op.create_table(
        "flood_alarm",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("organisation", _UUID, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("list", _UUID, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("matches", sa.BigInteger, nullable=False),
        sa.Column("expected", sa.BigInteger, nullable=False),
        sa.Column("raised_at", _TIME, nullable=False),
        sa.Column("acknowledged_at", _TIME, nullable=True),
        sa.Column("acknowledged_by", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="flood_alarm_pkey"),
        sa.UniqueConstraint("entry", "day", "kind", name="flood_alarm_entry_day_kind_key"),
    )


def _kept_apart() -> None:
    """As r0002 does for what hangs on entries: own rows only, and only on own entries."""
    for table in _NEW:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY own_rows ON {table} USING (organisation = (SELECT {_OURS}))")
        op.execute(
            f"CREATE TRIGGER has_entry AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION has_entry()"
        )
        op.execute(
            f"CREATE TRIGGER stays BEFORE UPDATE OF organisation, entry ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION stays_where_it_is()"
        )


def _no_orphans() -> None:
    work = "".join(
        f"DELETE FROM {table} USING gone WHERE {table}.entry = gone.id; "  # noqa: S608
        for table in _OF_ENTRY
    )
    op.execute(
        "CREATE OR REPLACE FUNCTION entry_leaves_nothing() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN {work}RETURN NULL; END$$"
    )


def _told() -> None:
    """Whoever listens learns that lists of an organisation changed, when that is committed.

    Every change of entries takes a number from its list's row, so that this tells of all.
    """
    op.execute(
        "CREATE FUNCTION tell_of_lists() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        "PERFORM pg_notify('safelight_lists', coalesce(NEW.organisation, OLD.organisation)::text); "
        "RETURN NULL; END$$"
    )
    op.execute(
        "CREATE TRIGGER told AFTER INSERT OR UPDATE OR DELETE ON hash_list "
        "FOR EACH ROW EXECUTE FUNCTION tell_of_lists()"
    )
