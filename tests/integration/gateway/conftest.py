"""One gateway for each test module, its neighbours scripted; a fresh person for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.support.gateway import Gateway, gateway_settings, serving
from tests.support.scripted_mesh import ScriptedMesh, scripted_mesh

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests share its gateway, so they stay on one worker."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.xdist_group(f"gateway/{item.path.stem}"))


@pytest.fixture(scope="module")
async def module_mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ScriptedMesh]:
    directory: Path = tmp_path_factory.mktemp("mesh")
    async with scripted_mesh(directory, "s" * 32) as mesh:
        yield mesh


@pytest.fixture
def mesh(module_mesh: ScriptedMesh) -> ScriptedMesh:
    """Agent and engine, as nobody has told them anything."""
    module_mesh.forget()
    return module_mesh


@pytest.fixture(scope="module")
async def gateway(
    postgres_url: str, redis_url: str, module_mesh: ScriptedMesh
) -> AsyncIterator[Gateway]:
    settings = gateway_settings(postgres_url, redis_url, module_mesh.address)
    async with serving(settings) as gateway:
        yield gateway


@pytest.fixture(scope="module")
async def anybody(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without identity."""
    async with gateway.client() as client:
        yield client


@pytest.fixture(scope="module")
async def signed_in(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    login = await gateway.sign_up()
    async with gateway.client(login["access_token"]) as client:
        yield client


@pytest.fixture
def ada(signed_in: httpx2.AsyncClient, mesh: ScriptedMesh) -> httpx2.AsyncClient:
    """Somebody who is signed in; the mesh knows nothing of earlier tests."""
    return signed_in
