"""PostgreSQL for tests: one real server per test session, one fresh database per test module.

`postgres_url` is the address of the module's own, empty database (pgvector is in it). Its user
`flowloom` owns the database and may create roles but is no superuser, as on managed PostgreSQL.
`new_database` hands out more of them.
"""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from cli.embedded.postgres import EmbeddedPostgres
from tests.support.shared_server import joined

# Nothing here must survive a power cut; many workers connect at once.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}


def _build(home: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, "tests", settings=_SETTINGS)


@asynccontextmanager
async def _fresh_database(server: EmbeddedPostgres) -> AsyncGenerator[str]:
    name = f"test_{secrets.token_hex(6)}"
    await server.create_database(name)
    yield server.url(name)
    await server.drop_database(name)


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[EmbeddedPostgres]:
    """The session's PostgreSQL, shared by all its workers."""
    async with joined("postgres", _build) as server:
        yield server


@pytest.fixture(scope="module")
async def postgres_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """The address of a fresh database that only this test module uses."""
    async with _fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
async def new_database(
    postgres_server: EmbeddedPostgres,
) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """A function that makes a fresh database and returns its address; dropped after the test."""
    async with AsyncExitStack() as databases:

        async def create() -> str:
            return await databases.enter_async_context(_fresh_database(postgres_server))

        yield create
