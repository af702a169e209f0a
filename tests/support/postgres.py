"""PostgreSQL for tests: one real server per test session, one fresh database per test module.

`postgres_url` is the address of the module's own database; the schemas of all services are in it,
copied from a template, because migrating takes two seconds. Its user `flowloom` owns the database
and may create roles but is no superuser, as on managed PostgreSQL. `new_database` hands out empty
ones (pgvector is in them).
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from cli.embedded.postgres import EmbeddedPostgres
from cli.migrate import SERVICES
from shared.migrations import upgrade
from tests.support.shared_server import joined

# Nothing here must survive a power cut; many workers connect at once.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}
_ROOT = Path(__file__).parents[2]
_TEMPLATE = "migrated"


class PostgresForTests(EmbeddedPostgres):
    """A server with a template in which every service's schema is at its latest revision."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "tests", settings=_SETTINGS)
        self._is_prepared = home.with_name("template.ready")

    async def start(self) -> None:
        """Start it; whoever is first makes the template. Called by one process at a time."""
        await super().start()
        if self._is_prepared.exists():
            return
        await self.create_database(_TEMPLATE)
        for service in SERVICES:
            folder = _ROOT / service / "migrations"
            await upgrade(self.url(_TEMPLATE), folder, service.removesuffix("_service"))
        self._is_prepared.touch()

    async def create_migrated(self, name: str) -> None:
        """Create a database in which nothing is left to migrate."""
        command = 'create database :"name" owner :"owner" template :"template";'
        await asyncio.to_thread(self._sql, command, name=name, template=_TEMPLATE)


@asynccontextmanager
async def _fresh_database(server: PostgresForTests, *, migrated: bool) -> AsyncGenerator[str]:
    name = f"test_{secrets.token_hex(6)}"
    await (server.create_migrated if migrated else server.create_database)(name)
    yield server.url(name)
    await server.drop_database(name)


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[PostgresForTests]:
    """The session's PostgreSQL, shared by all its workers."""
    async with joined("postgres", PostgresForTests) as server:
        yield server


@pytest.fixture(scope="module")
async def postgres_url(postgres_server: PostgresForTests) -> AsyncIterator[str]:
    """The address of a fresh, migrated database that only this test module uses."""
    async with _fresh_database(postgres_server, migrated=True) as url:
        yield url


@pytest.fixture
async def new_database(
    postgres_server: PostgresForTests,
) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """A function that makes an empty database and returns its address; dropped after the test."""
    async with AsyncExitStack() as databases:

        async def create() -> str:
            return await databases.enter_async_context(
                _fresh_database(postgres_server, migrated=False)
            )

        yield create
