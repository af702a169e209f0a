"""asyncapi.json says what the event streams say, and is what AsyncAPI takes."""

import json
import subprocess
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from tests.e2e.test_story import new_session
from tests.support.mesh import definition

WORKFLOW = definition(
    [
        {"id": "start", "type": "trigger.manual"},
        {"id": "wait", "type": "flow.wait", "parameters": {"amount": 0.1, "unit": "seconds"}},
        {"id": "stop", "type": "flow.stop", "parameters": {"message": "Enough."}},
    ],
    "start > wait",
    "wait > stop",
    name="Ends badly",
)
_SPECIFICATION = "@asyncapi/specs@6.11.1"


async def document(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/asyncapi.json")
    assert answer.headers["content-type"] == "application/json"
    return answer.raise_for_status().json()


async def events(
    client: httpx2.AsyncClient, method: str, path: str, **body: Any
) -> AsyncIterator[tuple[str, Any]]:
    headers = {"accept": "text/event-stream"}
    async with client.sse(path, method=method, headers=headers, **body) as source:
        async for event in source:
            if event.data:
                yield event.event, json.loads(event.data)


def complaints(told: dict[str, Any], channel: str, kind: str, event: Any) -> list[str]:
    """What is not as the document says; the message must be one of the channel's."""
    reference = told["channels"][channel]["messages"][f"{channel}.{kind}"]["$ref"]
    message = told["components"]["messages"][reference.rpartition("/")[2]]
    schema = {**message["payload"], "components": told["components"]}
    validator: Any = Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(event)]


async def test_every_event_is_as_the_document_says(client: httpx2.AsyncClient) -> None:
    told = await document(client)
    seen: set[str] = set()
    session = await new_session(client)
    said = {"text": "Every hour call https://example.com/ping", "auto": True}
    async for kind, event in events(client, "POST", f"/v1/sessions/{session}/messages", json=said):
        assert complaints(told, "session", kind, event) == []
        seen.add(kind)
    created = await client.post("/v1/workflows", json={"definition": WORKFLOW})
    run = await client.post(f"/v1/workflows/{created.json()['id']}:run", json={})
    async for kind, event in events(client, "GET", f"/v1/runs/{run.json()['id']}/events"):
        assert complaints(told, "run", kind, event) == []
        seen.add(kind)
    assert {"turn.started", "turn.completed", "run.queued", "node.waiting", "run.failed"} <= seen


async def test_what_is_otherwise_would_be_found(client: httpx2.AsyncClient) -> None:
    told = await document(client)
    event = {"run_id": "run_1", "sequence": 0, "type": "log", "time": "", "data": {"node_id": 1}}
    assert complaints(told, "run", "run.started", event)


@pytest.fixture
def specification(tmp_path: Path) -> Any:
    """AsyncAPI's own schema."""
    subprocess.run(("npm", "pack", "--silent", _SPECIFICATION), cwd=tmp_path, check=True)
    with tarfile.open(next(tmp_path.glob("*.tgz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    return json.loads((tmp_path / "package" / "schemas" / "3.0.0.json").read_text())


@pytest.mark.long
async def test_asyncapi_takes_the_document(client: httpx2.AsyncClient, specification: Any) -> None:
    told = await document(client)
    validator: Any = Draft7Validator(specification)
    assert [error.message for error in validator.iter_errors(told)] == []
    assert list(validator.iter_errors({**told, "channels": []}))
