"""Transactions of the role that owns the tables, always undone."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import sqlalchemy as sa

from safelight.store.transaction import Transaction


@contextmanager
def owner_transaction(owner: sa.Engine, organisation: UUID) -> Iterator[Transaction]:
    with owner.connect() as connection:
        setting = sa.text("SELECT set_config('app.org', :organisation, true)")
        connection.execute(setting, {"organisation": str(organisation)})
        try:
            yield Transaction(connection=connection, organisation=organisation, actor="owner")
        finally:
            connection.rollback()
