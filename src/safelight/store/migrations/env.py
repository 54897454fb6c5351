"""Run by Alembic; the connection comes from `safelight.store.migrate`."""

from alembic import context

from safelight.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
