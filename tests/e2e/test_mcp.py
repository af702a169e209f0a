"""A workflow as a tool of language models: the protocol's own client, through the whole mesh."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.support.mesh import definition


@asynccontextmanager
async def speaking(rest: httpx2.AsyncClient) -> AsyncGenerator[Client]:
    transport = streamable_http_client(f"{rest.base_url}/mcp", http_client=rest)
    async with Client(transport, cache=None) as client:
        yield client


def tool(name: str, *more: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    """A workflow that is a tool."""
    offered = {"name": name, "description": f"Does {name}.", **parameters}
    start = {"id": "start", "type": "trigger.mcp", "parameters": offered}
    path = ["start", *(node["id"] for node in more)]
    edges = [f"{a} > {b}" for a, b in pairwise(path)]
    return definition([start, *more], *edges, name=name)


GREET = tool(
    "greet",
    {
        "id": "say",
        "type": "data.set",
        "parameters": {
            "assignments": [{"name": "text", "value": "Hello {{ $json.name }}"}],
            "include": "none",
        },
    },
    fields=[
        {"name": "name", "description": "Whom"},
        {"name": "loud", "type": "boolean", "required": False},
    ],
)
ANSWER = tool(
    "answer",
    {
        "id": "respond",
        "type": "flow.respond",
        "parameters": {"respond_with": "json", "body": '{"sum": {{ $json.a + $json.b }}}'},
    },
    {"id": "wait", "type": "flow.wait", "parameters": {"amount": 1, "unit": "hours"}},
)
ECHO = tool(
    "echo",
    {
        "id": "say",
        "type": "data.set",
        "parameters": {
            "assignments": [{"name": "text", "value": "{{ $fromAI('word', 'Which') }}!"}],
            "include": "none",
        },
    },
)
BREAK = tool(
    "break", {"id": "stop", "type": "flow.stop", "parameters": {"message": "out of paint"}}
)


async def activate(client: httpx2.AsyncClient, made: dict[str, Any]) -> str:
    created = await client.post("/v1/workflows", json={"definition": made})
    assert created.status_code == 201, created.text
    workflow_id = created.json()["id"]
    activated = await client.post(f"/v1/workflows/{workflow_id}:activate", json={})
    assert activated.is_success, activated.text
    return workflow_id


async def test_active_workflows_are_tools_of_their_tenant_alone(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    greeting = await activate(client, GREET)
    for made in (ANSWER, BREAK, ECHO):
        await activate(client, made)
    async with speaking(client) as mine:
        listed = {one.name: one for one in (await mine.list_tools()).tools}
        assert set(listed) == {"greet", "answer", "break", "echo"}
        assert listed["greet"].input_schema["required"] == ["name"]
        assert listed["greet"].description == "Does greet."

        greeted = await mine.call_tool("greet", {"name": "Ada"})
        assert not greeted.is_error
        assert greeted.structured_content == {"text": "Hello Ada"}
        answered = await mine.call_tool("answer", {"a": 2, "b": 3})
        assert answered.structured_content == {"sum": 5}, "it is answered before its run ends"
        echoed = await mine.call_tool("echo", {"word": "Hey"})
        assert echoed.structured_content == {"text": "Hey!"}
        broken = await mine.call_tool("break", {})
        assert broken.is_error
        assert "out of paint" in str(broken.content)
        misfit = await mine.call_tool("greet", {"nobody": 1})
        assert misfit.is_error
        assert "name" in str(misfit.content)

        runs = (await client.get("/v1/runs")).json()["runs"]
        assert [run["trigger"] for run in runs] == ["trigger.mcp"] * 4
        assert runs[-1]["input"] == [{"json": {"name": "Ada"}}]

        async with speaking(stranger) as theirs:
            assert (await theirs.list_tools()).tools == []
            with pytest.raises(MCPError):
                await theirs.call_tool("greet", {"name": "Eve"})
            # The same name is free for another tenant, and leads to that tenant's workflow.
            await activate(stranger, tool("greet"))
            theirs_is = await theirs.call_tool("greet", {"name": "Eve"})
            assert theirs_is.structured_content == {"name": "Eve"}

        await client.post(f"/v1/workflows/{greeting}:deactivate", json={})
        assert "greet" not in {one.name for one in (await mine.list_tools()).tools}
        with pytest.raises(MCPError):
            await mine.call_tool("greet", {"name": "Ada"})


async def test_a_name_is_there_once(client: httpx2.AsyncClient) -> None:
    await activate(client, tool("once"))
    created = await client.post("/v1/workflows", json={"definition": tool("once")})
    again = await client.post(f"/v1/workflows/{created.json()['id']}:activate", json={})
    assert again.status_code == 400
    [violation] = again.json()["errors"]
    assert violation["pointer"] == "/nodes/0/parameters"
