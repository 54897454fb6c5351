"""A real PostgreSQL for the store: the embedded one, and any other named in the environment.

Each test works in an organisation of its own, which row security keeps apart from the others.
SAFELIGHT_TEST_DATABASE_URL (and _ADMIN_URL) add an external server.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from safelight.settings import Settings, load_settings
from safelight.store.cluster import OWNER_ROLE
from safelight.store.database import Store, open_store
from safelight.store.postgres import start_server


@dataclass(frozen=True)
class Database:
    settings: Settings
    store: Store
    owner: sa.Engine  # the role that owns the tables


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    # Not pytest's tmp_path: as root that lies in a folder the server's account cannot pass.
    folder = Path(tempfile.mkdtemp(prefix="safelight-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def new_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="safelight-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session", params=["embedded", "external"])
def database(request: pytest.FixtureRequest, home: Path) -> Iterator[Database]:
    if request.param == "embedded":
        server = start_server(home)
        settings = load_settings({"SAFELIGHT_HOME": str(home), "SAFELIGHT_ACTOR": "tester"})
        owner = sa.create_engine(server.url(OWNER_ROLE), connect_args=server.connect_arguments())
    else:
        url = os.environ.get("SAFELIGHT_TEST_DATABASE_URL")
        if url is None:
            pytest.skip("SAFELIGHT_TEST_DATABASE_URL is not set")
        admin = os.environ.get("SAFELIGHT_TEST_DATABASE_ADMIN_URL", url)
        settings = load_settings(
            {
                "SAFELIGHT_DATABASE_URL": url,
                "SAFELIGHT_DATABASE_ADMIN_URL": admin,
                "SAFELIGHT_ACTOR": "tester",
            }
        )
        owner, server = sa.create_engine(settings.database_admin_url or ""), None
    store = open_store(settings)
    yield Database(settings, store, owner)
    owner.dispose()
    store.close()
    if server is not None:
        server.close()


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """The store, working for an organisation that nobody has used."""
    store = database.store
    usual, store._organisation = store._organisation, f"org-{uuid4().hex}"
    yield store
    store._organisation = usual
