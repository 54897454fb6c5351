"""Set-wise integrity for fast imports; videos, retractions, match counts, observed lists."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, TIMESTAMP, UUID

revision = "0002"
down_revision = "0001"

_UUID = UUID(as_uuid=True)
_TIME = TIMESTAMP(timezone=True)
_OURS = "nullif(current_setting('app.org', true), '')::uuid"
_OF_ENTRY = ("entry_assertion", "entry_frame", "entry_match_count")

# New entries have numbers one after another: where all between the first and the last are there,
# none need be looked for by itself.
_HAS_ENTRY = """
CREATE FUNCTION has_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    first bigint; last bigint; whose uuid; theirs boolean;
BEGIN
    SELECT organisation INTO whose FROM added LIMIT 1;
    SELECT min(entry), max(entry), bool_and(organisation = whose)
        INTO first, last, theirs FROM added;
    IF theirs AND last - first + 1 = (
        SELECT count(*) FROM entry WHERE id BETWEEN first AND last AND organisation = whose
    ) THEN
        RETURN NULL;
    END IF;
    IF EXISTS (
        SELECT FROM added LEFT JOIN entry
        ON entry.id = added.entry AND entry.organisation = added.organisation
        WHERE entry.id IS NULL
    ) THEN
        RAISE EXCEPTION 'there is no such entry' USING ERRCODE = '23503';
    END IF;
    RETURN NULL;
END$$
"""


def upgrade() -> None:
    """Data is moved by changes of columns: rows themselves are hidden from us by row security."""
    _hash_list()
    _entry()
    _entry_assertion()
    _new_tables()
    _policies()
    _no_strangers()
    _no_orphans()


def _hash_list() -> None:
    op.execute(
        "ALTER TABLE hash_list ALTER COLUMN enabled TYPE text "
        "USING CASE WHEN enabled THEN 'enabled' ELSE 'disabled' END"
    )
    op.alter_column("hash_list", "enabled", new_column_name="state")
    op.add_column(
        "hash_list",
        sa.Column("permitted_organisations", ARRAY(sa.Text), nullable=False, server_default="{}"),
    )


def _entry() -> None:
    op.drop_constraint("entry_assertion_organisation_entry_fkey", "entry_assertion")
    op.drop_constraint("entry_organisation_list_fkey", "entry")
    op.drop_constraint("entry_organisation_id_key", "entry")
    op.drop_index("entry_list_change_id_idx", "entry")
    op.add_column(
        "entry", sa.Column("retracted", sa.Boolean, nullable=False, server_default=sa.false())
    )


def _entry_assertion() -> None:
    for name in ("derived_from_fkey", "pkey", "entry_source_their_id_key"):
        op.drop_constraint(f"entry_assertion_{name}", "entry_assertion")
    op.drop_index("entry_assertion_derived_from_idx", "entry_assertion")
    op.drop_column("entry_assertion", "derived_from")  # nothing has filled it yet
    op.drop_column("entry_assertion", "id")
    op.create_primary_key(
        "entry_assertion_pkey", "entry_assertion", ["entry", "source", "their_id"]
    )
    op.add_column(
        "entry_assertion", sa.Column("derived_from", sa.Text, nullable=False, server_default="")
    )


def _new_tables() -> None:
    op.create_table(
        "entry_frame",
        sa.Column("organisation", _UUID, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.Column("quality", sa.SmallInteger, nullable=False),
        sa.Column("value", BYTEA, nullable=False),
        sa.PrimaryKeyConstraint("entry", "number", name="entry_frame_pkey"),
    )
    op.create_table(
        "entry_match_count",
        sa.Column("organisation", _UUID, nullable=False),
        sa.Column("entry", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("matches", sa.BigInteger, nullable=False),
        sa.Column("first_at", _TIME, nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("entry", name="entry_match_count_pkey"),
    )
    for table in ("entry_frame", "entry_match_count"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _policies() -> None:
    """Asked for once in a statement, not once for every row."""
    for table in ("entry", "entry_assertion"):
        op.execute(f"DROP POLICY own_rows ON {table}")
    for table in _OF_ENTRY:
        op.execute(f"CREATE POLICY own_rows ON {table} USING (organisation = (SELECT {_OURS}))")
    op.execute(
        f"CREATE POLICY own_rows ON entry USING (organisation = (SELECT {_OURS})) "  # noqa: S608
        "WITH CHECK ((organisation, list) IN (SELECT organisation, id FROM hash_list "
        f"WHERE organisation = {_OURS}))"
    )


def _no_strangers() -> None:
    """What names an entry names one of its own organisation."""
    op.execute(_HAS_ENTRY)
    for table in _OF_ENTRY:
        op.execute(
            f"CREATE TRIGGER has_entry AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION has_entry()"
        )
    op.execute(
        "CREATE FUNCTION stays_where_it_is() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        "RAISE EXCEPTION 'keys are never changed' USING ERRCODE = '23503'; END$$"
    )
    keys = {"hash_list": "id", "entry": "id, list", **dict.fromkeys(_OF_ENTRY, "entry")}
    for table, columns in keys.items():
        op.execute(
            f"CREATE TRIGGER stays BEFORE UPDATE OF organisation, {columns} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION stays_where_it_is()"
        )


def _no_orphans() -> None:
    """Take along what hangs on a deleted list or entry."""
    of_list = "DELETE FROM entry USING gone WHERE entry.list = gone.id; "
    of_entry = "".join(
        f"DELETE FROM {table} USING gone WHERE {table}.entry = gone.id; "  # noqa: S608
        for table in _OF_ENTRY
    )
    for table, work in (("hash_list", of_list), ("entry", of_entry)):
        op.execute(
            f"CREATE FUNCTION {table}_leaves_nothing() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$BEGIN {work}RETURN NULL; END$$"
        )
        op.execute(
            f"CREATE TRIGGER leaves_nothing AFTER DELETE ON {table} "
            "REFERENCING OLD TABLE AS gone FOR EACH STATEMENT "
            f"EXECUTE FUNCTION {table}_leaves_nothing()"
        )
