"""One mesh for all stories that do no harm; those that kill something start their own."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from cli.embedded.valkey import EmbeddedValkey
from tests.support import mesh as meshes
from tests.support.mesh import Mesh
from tests.support.postgres import PostgresForTests


@pytest.fixture(scope="session")
async def mesh(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresForTests,
    valkey_server: EmbeddedValkey,
) -> AsyncIterator[Mesh]:
    """The mesh that stories share."""
    name = f"e2e_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    await postgres_server.create_migrated(name)
    folder = tmp_path_factory.mktemp("mesh")
    async with meshes.running(folder, postgres_server.url(name), valkey_server.url()) as running:
        yield running
    await postgres_server.drop_database(name)


@pytest.fixture
async def client(mesh: Mesh) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody new, signed in."""
    async with mesh.client() as client:
        yield client


@pytest.fixture
async def stranger(mesh: Mesh) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody else, of another tenant."""
    async with mesh.client() as client:
        yield client
