"""The composition root: settings in, everything that works with them out."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from safelight.settings import Settings
from safelight.store.database import Store, open_store
from safelight.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What a command or service works with; built once, handed on as an argument."""

    settings: Settings
    store: Store

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Work in the database for the organisation and actor of the settings."""
        return self.store.transaction()


@contextmanager
def open_app(settings: Settings, *, progress: Callable[[str], None] | None = None) -> Iterator[App]:
    """Open the database for as long as the block runs."""
    store = open_store(settings, progress=progress)
    try:
        yield App(settings=settings, store=store)
    finally:
        store.close()
