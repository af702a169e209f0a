"""What the engine's integration tests share: a migrated database, seen by both roles."""

from collections.abc import AsyncIterator

import pytest

from shared.database import Database, DatabaseRole
from shared.migrations import upgrade
from tests.support.serving import MIGRATIONS


@pytest.fixture(scope="module")
async def engine_url(postgres_url: str) -> str:
    """The address of a database with the engine's tables."""
    await upgrade(postgres_url, MIGRATIONS, "engine")
    return postgres_url


@pytest.fixture(scope="module")
async def app_database(engine_url: str) -> AsyncIterator[Database]:
    """The database as requests see it."""
    database = Database(engine_url, DatabaseRole.APP, size=4)
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def worker_database(engine_url: str) -> AsyncIterator[Database]:
    """The database as the engine's own loops see it."""
    database = Database(engine_url, DatabaseRole.WORKER, size=4)
    yield database
    await database.close()
