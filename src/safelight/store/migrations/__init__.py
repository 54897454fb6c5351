"""Alembic migrations, forward only, run by `safelight.store.migrate`."""

HEAD = "0003"  # so that a start on an up-to-date database need not import Alembic
