"""Another tenant's things do not exist: every operation of the API, walked by a stranger."""

import asyncio
from typing import Any

import httpx2
import pytest

from tests.support.mesh import Mesh, definition

ASKING = definition(
    [
        {"id": "hook", "type": "trigger.webhook", "parameters": {"path": "strangers"}},
        {"id": "ask", "type": "human.approval", "parameters": {"title": "May I?"}},
    ],
    "hook > ask",
    name="Asking",
)
FILING = definition(
    [
        {"id": "start", "type": "trigger.manual"},
        {"id": "file", "type": "data.file", "parameters": {"operation": "write", "format": "csv"}},
    ],
    "start > file",
    name="Filing",
)
CREDENTIAL: dict[str, Any] = {
    "name": "Asking",
    "type": "http.bearer",
    "data": {"token": "May I?"},
    "hosts": ["api.example.com"],
}
METHODS = ("get", "post", "patch", "delete", "put")
# What a request must say to get as far as looking for the thing.
BODIES: dict[str, dict[str, Any]] = {
    "/v1/approvals/{approval_id}:answer": {"decision": "approve"},
    "/v1/approvals/{approval_id}:delegate": {"delegate": "eve@example.com"},
    "/v1/runs/{run_id}:rerun": {"from_node": "ask"},
    "/v1/sessions/{session_id}": {"title": "Mine now"},
    "/v1/sessions/{session_id}/messages": {"text": "Hello"},
    "/v1/workflows/{workflow_id}": {"name": "Mine now"},
    "/v1/credentials/{credential_id}": {"hosts": ["evil.example.com"]},
    "/v1/variables/{variable_id}": {"value": "Mine now"},
}


async def until_found(client: httpx2.AsyncClient, path: str, key: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while not (found := (await client.get(path)).json()[key]):
            await asyncio.sleep(0.05)
    return found[0]


async def file_of(client: httpx2.AsyncClient) -> str:
    """The id of a file that a run has written."""
    created = await client.post("/v1/workflows", json={"definition": FILING})
    url = f"/v1/workflows/{created.json()['id']}:run"
    run = await client.post(url, params={"wait": "20s"}, json={"input": {"what": "May I?"}})
    assert run.json()["status"] == "completed", run.text
    (file,) = run.json()["output"][0]["binary"].values()
    return file["id"]


@pytest.fixture(name="things")
async def fixture_things(client: httpx2.AsyncClient) -> dict[str, str]:
    """One of everything, belonging to `client`: path parameter to id."""
    created = await client.post("/v1/workflows", json={"definition": ASKING})
    assert created.status_code == 201, created.text
    workflow_id = created.json()["id"]
    activated = await client.post(f"/v1/workflows/{workflow_id}:activate", json={})
    assert activated.is_success, activated.text
    started = await client.post(f"/v1/workflows/{workflow_id}:run", json={})
    assert started.status_code == 202, started.text
    session = await client.post("/v1/sessions", json={"mode": "create"})
    assert session.status_code == 201, session.text
    credential = await client.post("/v1/credentials", json=CREDENTIAL)
    assert credential.status_code == 201, credential.text
    variable = await client.post("/v1/variables", json={"name": "asking", "value": "Asking"})
    assert variable.status_code == 201, variable.text
    approval = await until_found(client, "/v1/approvals?status=pending", "approvals")
    trigger = await until_found(client, "/v1/triggers", "triggers")
    return {
        "workflow_id": workflow_id,
        "number": "1",
        "run_id": started.json()["id"],
        "session_id": session.json()["id"],
        "blob_id": await file_of(client),
        "approval_id": approval["id"],
        "trigger_id": trigger["id"],
        "credential_id": credential.json()["id"],
        "variable_id": variable.json()["id"],
    }


async def operations(mesh: Mesh) -> list[tuple[str, str]]:
    async with httpx2.AsyncClient(base_url=mesh.url) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    return [
        (method, path)
        for path, verbs in paths.items()
        for method in METHODS
        if method in verbs and path.startswith("/v1/") and "hooks" not in path
    ]


async def test_no_operation_on_anothers_thing_finds_it(
    mesh: Mesh, client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, things: dict[str, str]
) -> None:
    walked = 0
    for method, path in await operations(mesh):
        needed = {name for name in things if f"{{{name}}}" in path}
        if not needed:
            continue
        walked += 1
        body = None if method in ("get", "delete") else BODIES.get(path, {})
        answer = await stranger.request(method, path.format(**things), json=body)
        assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert not any(value in answer.text for value in ("Asking", "May I?"))
    assert walked > 20


async def test_no_list_shows_anothers_things(
    mesh: Mesh, stranger: httpx2.AsyncClient, things: dict[str, str]
) -> None:
    listed = 0
    for method, path in await operations(mesh):
        if method == "get" and "{" not in path and "node-types" not in path:
            answer = await stranger.get(path)
            assert answer.status_code == 200, answer.text
            assert not any(value in answer.text for value in things.values() if value != "1"), path
            listed += 1
    assert listed >= 5


async def test_the_owner_finds_everything_after_the_stranger_tried(
    client: httpx2.AsyncClient, things: dict[str, str]
) -> None:
    for path in (
        "/v1/workflows/{workflow_id}",
        "/v1/workflows/{workflow_id}/versions/{number}",
        "/v1/runs/{run_id}",
        "/v1/sessions/{session_id}",
        "/v1/approvals/{approval_id}",
        "/v1/triggers/{trigger_id}",
        "/v1/credentials/{credential_id}",
        "/v1/variables/{variable_id}",
    ):
        assert (await client.get(path.format(**things))).status_code == 200, path
    assert (await client.get("/v1/approvals/" + things["approval_id"])).json()[
        "status"
    ] == "pending"
