"""The MCP server at the gateway's door, spoken to by the protocol's own client."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import orjson
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from shared.errors import InvalidInput, NotFound, Unavailable, Violation
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import run_pb2
from shared.pb.flowloom.engine.v1 import tool_service_pb2 as pb
from tests.support.gateway import Gateway, gateway_settings, serving
from tests.support.scripted_mesh import ScriptedMesh

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LOOK = pb.Tool(
    name="look", description="Says what it is like.",
    input_schema=Document(json=orjson.dumps(SCHEMA)), read_only=True, workflow_id="wf_1",
)  # fmt: skip
OSLO = {"city": "Oslo"}


@asynccontextmanager
async def speaking(rest: httpx2.AsyncClient, **how: Any) -> AsyncGenerator[Client]:
    """The protocol's client, over a client that is signed in."""
    transport = streamable_http_client(f"{rest.base_url}/mcp", http_client=rest)
    async with Client(transport, cache=None, **how) as client:
        yield client


def came_to(result: Any = None, **more: Any) -> pb.CallToolResponse:
    """What a call came to."""
    given: dict[str, Any] = {"run_id": "run_1", "status": run_pb2.RUN_STATUS_COMPLETED, **more}
    if result is not None:
        given["result"] = Document(json=orjson.dumps(result))
    return pb.CallToolResponse(**given)


def text_of(result: Any) -> str:
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


async def post(client: httpx2.AsyncClient, message: Any) -> httpx2.Response:
    return await client.post("/mcp", json=message)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools_are_listed_page_by_page(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, mode: str
) -> None:
    mesh.on("ListTools", pb.ListToolsResponse(tools=[LOOK], next_page_token="more"))
    async with speaking(ada, mode=mode) as client:
        page = await client.list_tools()
        [tool] = page.tools
        assert (tool.name, tool.description) == ("look", "Says what it is like.")
        assert tool.input_schema == SCHEMA
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint
        assert page.next_cursor == "more"
        await client.list_tools(cursor="more")
    assert mesh.seen[-1].request.page_token == "more"


@pytest.mark.parametrize(
    ("result", "structured", "text"),
    [
        ({"weather": "rain"}, {"weather": "rain"}, '{"weather":"rain"}'),
        ([1, 2], {"result": [1, 2]}, "[1,2]"),
        ("rain", {"result": "rain"}, "rain"),
    ],
)
async def test_a_call_gives_what_the_run_gave(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, result: Any, structured: Any, text: str
) -> None:
    mesh.on("CallTool", came_to(result))
    async with speaking(ada) as client:
        told = await client.call_tool("look", OSLO)
    assert not told.is_error
    assert told.structured_content == structured
    assert text_of(told) == text
    asked = mesh.only("CallTool")
    assert asked.request.name == "look"
    assert orjson.loads(asked.request.arguments.json) == OSLO
    assert asked.request.wait.seconds > 30
    assert asked.call.principal is not None
    assert asked.call.principal.tenant_id


async def test_a_run_that_goes_on_is_told_by_its_id(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    mesh.on("CallTool", came_to(status=run_pb2.RUN_STATUS_RUNNING))
    async with speaking(ada) as client:
        told = await client.call_tool("look", OSLO)
    assert not told.is_error
    assert told.structured_content["run_id"] == "run_1"
    assert told.structured_content["status"] == "running"


async def test_a_run_that_fails_is_a_typed_error(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    error = run_pb2.RunError(code="http_status", message="It answered 500.", node_id="ask")
    mesh.on("CallTool", came_to(status=run_pb2.RUN_STATUS_FAILED, error=error))
    async with speaking(ada) as client:
        told = await client.call_tool("look", OSLO)
    assert told.is_error
    assert text_of(told) == "http_status: It answered 500."
    assert told.structured_content["error"]["code"] == "http_status"
    assert told.structured_content["error"]["run_id"] == "run_1"


async def test_arguments_that_do_not_fit_are_told_to_the_model(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    violation = Violation("/arguments", "required", "'city' is a required property")
    wrong = InvalidInput("They do not fit.", reason="INPUT_INVALID", violations=[violation])
    mesh.on("CallTool", wrong)
    async with speaking(ada) as client:
        told = await client.call_tool("look", {})
    assert told.is_error
    assert "city" in text_of(told)
    assert told.structured_content["error"]["code"] == "input_invalid"


async def test_what_cannot_be_called_is_an_error_of_the_protocol(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    mesh.on("CallTool", NotFound("There is no such tool.", reason="TOOL_NOT_FOUND"))
    async with speaking(ada) as client:
        with pytest.raises(MCPError, match="nothing") as caught:
            await client.call_tool("nothing", {})
        assert caught.value.code == -32602
        mesh.on("CallTool", Unavailable("The engine is away."))
        with pytest.raises(MCPError, match="away") as caught:
            await client.call_tool("look", {})
    assert caught.value.data == {"code": "UNAVAILABLE", "retryable": True}


async def test_nobody_is_served_without_a_token(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    refused = await post(anybody, listing)
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert not mesh.seen


async def test_messages_are_answered_as_the_protocol_says(ada: httpx2.AsyncClient) -> None:
    unknown = await post(ada, {"jsonrpc": "2.0", "id": "a", "method": "prompts/list"})
    assert unknown.json()["error"]["code"] == -32601
    assert unknown.json()["id"] == "a"
    ping = await post(ada, {"jsonrpc": "2.0", "id": 7, "method": "ping"})
    assert ping.json() == {"jsonrpc": "2.0", "id": 7, "result": {}}
    told = await post(ada, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (told.status_code, told.content) == (202, b"")
    no_messages: list[Any] = [[], {"id": 1}, "text"]
    for body in no_messages:
        wrong = await post(ada, body)
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, -32600)
    broken = await ada.post("/mcp", content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, -32700)
    old = {"protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "x"}}
    for asked, version in (("2025-03-26", "2025-03-26"), ("1999-01-01", "2025-11-25")):
        params = {**old, "protocolVersion": asked}
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        assert (await post(ada, message)).json()["result"]["protocolVersion"] == version
    bad = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 3}}
    assert (await post(ada, bad)).json()["error"]["code"] == -32602
    assert (await ada.get("/mcp")).status_code == 405
    assert (await ada.delete("/mcp")).status_code == 405


async def test_messages_and_calls_have_limits(
    gateway: Gateway, mesh: ScriptedMesh, postgres_url: str, redis_url: str
) -> None:
    del gateway  # its schema is there
    mesh.on("CallTool", came_to({"ok": True}))
    limits = {"gateway_limit_mcp": "4/h", "gateway_limit_run": "1/h"}
    settings = gateway_settings(postgres_url, redis_url, mesh.address, **limits)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "look"}}
    async with serving(settings) as limited:
        login = await limited.sign_up()
        async with limited.client(login["access_token"]) as client:
            assert (await post(client, call)).status_code == 200
            second = await post(client, call)
            assert second.status_code == 429, "a call starts a run"
            assert "retry-after" in second.headers
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            statuses = [(await post(client, ping)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert len(mesh.seen) == 1
