"""Organisations, hash lists, their entries and assertions, and the audit trail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, TIMESTAMP, UUID

revision = "0001"
down_revision = None

_UUID = UUID(as_uuid=True)
_TIME = TIMESTAMP(timezone=True)
_NOW = sa.text("now()")
_PRIVATE = ("hash_list", "entry", "entry_assertion", "audit_event", "audit_head")


def upgrade() -> None:
    """Make the first tables."""
    _organisation()
    _hash_list()
    _entry()
    _entry_assertion()
    _audit()
    for table in _PRIVATE:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY own_rows ON {table} USING "
            "(organisation = nullif(current_setting('app.org', true), '')::uuid)"
        )


def _organisation() -> None:
    op.create_table(
        "organisation",
        sa.Column("id", _UUID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("id", name="organisation_pkey"),
        sa.UniqueConstraint("name", name="organisation_name_key"),
    )


def _hash_list() -> None:
    texts = ("name", "source", "meaning", "source_term", "licence")
    op.create_table(
        "hash_list",
        sa.Column("id", _UUID, nullable=False),
        sa.Column("organisation", _UUID, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("permitted_purposes", ARRAY(sa.Text), nullable=False),
        sa.Column("redistribution", sa.Text, nullable=False),
        sa.Column("contract_reference", sa.Text, nullable=False),
        sa.Column("expires_at", _TIME, nullable=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("created_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("id", name="hash_list_pkey"),
        sa.ForeignKeyConstraint(
            ["organisation"], ["organisation.id"], name="hash_list_organisation_fkey"
        ),
        sa.UniqueConstraint("organisation", "name", name="hash_list_organisation_name_key"),
        sa.UniqueConstraint("organisation", "id", name="hash_list_organisation_id_key"),
    )


def _entry() -> None:
    op.create_table(
        "entry",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("organisation", _UUID, nullable=False),
        sa.Column("list", _UUID, nullable=False),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("value", BYTEA, nullable=False),
        sa.Column("quality", sa.SmallInteger, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("added_at", _TIME, nullable=False, server_default=_NOW),
        sa.PrimaryKeyConstraint("id", name="entry_pkey"),
        sa.ForeignKeyConstraint(
            ["organisation", "list"],
            ["hash_list.organisation", "hash_list.id"],
            name="entry_organisation_list_fkey",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("list", "algorithm", "value", name="entry_list_algorithm_value_key"),
        sa.UniqueConstraint("organisation", "id", name="entry_organisation_id_key"),
    )
    op.create_index("entry_list_change_id_idx", "entry", ["list", "change", "id"])


def _entry_assertion() -> None:
    op.create_table(
        "entry_assertion",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("organisation", _UUID, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("their_id", sa.Text, nullable=False),
        sa.Column("their_class", sa.Text, nullable=False),
        sa.Column("asserted_at", _TIME, nullable=False, server_default=_NOW),
        sa.Column("retracted_at", _TIME, nullable=True),
        sa.Column("derived_from", sa.BigInteger, nullable=True),
        sa.PrimaryKeyConstraint("id", name="entry_assertion_pkey"),
        sa.ForeignKeyConstraint(
            ["organisation", "entry"],
            ["entry.organisation", "entry.id"],
            name="entry_assertion_organisation_entry_fkey",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["derived_from"], ["entry_assertion.id"], name="entry_assertion_derived_from_fkey"
        ),
        sa.UniqueConstraint(
            "entry", "source", "their_id", name="entry_assertion_entry_source_their_id_key"
        ),
    )
    op.create_index(
        "entry_assertion_derived_from_idx",
        "entry_assertion",
        ["derived_from"],
        postgresql_where=sa.text("derived_from IS NOT NULL"),
    )


def _audit() -> None:
    op.create_table(
        "audit_event",
        sa.Column("organisation", _UUID, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", JSONB, nullable=False),
        sa.Column("previous", BYTEA, nullable=False),
        sa.Column("digest", BYTEA, nullable=False),
        sa.PrimaryKeyConstraint("organisation", "seq", name="audit_event_pkey"),
        sa.ForeignKeyConstraint(
            ["organisation"], ["organisation.id"], name="audit_event_organisation_fkey"
        ),
    )
    op.create_table(
        "audit_head",
        sa.Column("organisation", _UUID, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("digest", BYTEA, nullable=False),
        sa.PrimaryKeyConstraint("organisation", name="audit_head_pkey"),
        sa.ForeignKeyConstraint(
            ["organisation"], ["organisation.id"], name="audit_head_organisation_fkey"
        ),
    )
    # A second lock beside the missing grants, for installations that know only one role.
    op.execute(
        "CREATE FUNCTION audit_event_is_final() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'audit events are never changed' USING ERRCODE = '42501'; END$$"
    )
    op.execute(
        "CREATE TRIGGER is_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_final()"
    )
