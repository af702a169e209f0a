"""What every answer carries, and who may read it from another page."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.support.gateway import gateway_settings, serving
from tests.support.scripted_mesh import ScriptedMesh

PAGE = "https://app.example"


@pytest.mark.parametrize("path", ["/health", "/v1/runs", "/nowhere", "/docs", "/v1/hooks/t/a"])
async def test_every_answer_is_told_to_be_careful(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, path: str
) -> None:
    headers = (await anybody.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "content-security-policy" in headers
    assert headers["x-request-id"].startswith("req_")
    assert "server" not in headers


@pytest.fixture(scope="module")
async def open_to_a_page(
    postgres_url: str, redis_url: str, module_mesh: ScriptedMesh
) -> AsyncIterator[httpx2.AsyncClient]:
    settings = gateway_settings(
        postgres_url,
        redis_url,
        module_mesh.address,
        gateway_cors_origins=f"{PAGE}, http://b.example/",
    )
    async with serving(settings) as gateway, gateway.client() as client:
        yield client


async def preflight(client: httpx2.AsyncClient, origin: str) -> httpx2.Response:
    return await client.options(
        "/v1/workflows",
        headers={
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,idempotency-key",
        },
    )


@pytest.mark.parametrize("origin", [PAGE, "http://b.example"])
async def test_an_allowed_page_may_call(open_to_a_page: httpx2.AsyncClient, origin: str) -> None:
    answer = await preflight(open_to_a_page, origin)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    refused = await open_to_a_page.post("/v1/workflows", headers={"origin": origin})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == origin, "errors are readable too"
    assert "X-Request-Id" in refused.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil"])
async def test_another_page_may_not(open_to_a_page: httpx2.AsyncClient, origin: str) -> None:
    answer = await preflight(open_to_a_page, origin)
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


async def test_without_an_allow_list_no_page_may(anybody: httpx2.AsyncClient) -> None:
    answer = await anybody.get("/health", headers={"origin": PAGE})
    assert "access-control-allow-origin" not in answer.headers


async def test_the_documentation_asks_nobody_else(anybody: httpx2.AsyncClient) -> None:
    page = await anybody.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text
    assert "script-src 'sha256-" in page.headers["content-security-policy"]


async def test_the_openapi_document_is_served(anybody: httpx2.AsyncClient) -> None:
    document = (await anybody.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "/v1/hooks/{path}" in document["paths"]


async def test_the_version_is_told(anybody: httpx2.AsyncClient) -> None:
    assert (await anybody.get("/version")).json()["name"] == "flowloom"


async def test_a_limit_is_told_on_the_ordinary_answer_too(ada: httpx2.AsyncClient) -> None:
    answer = await ada.get("/v1/runs/run_1")
    assert answer.headers["ratelimit-policy"].startswith('"api";q=1000000;w=1')
