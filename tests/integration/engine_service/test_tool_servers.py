"""`mcp.call` and `mcp.tools` against a real server of the protocol's SDK."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from engine_service.nodes.mcp_call import McpCall
from engine_service.nodes.mcp_tools import McpTools
from engine_service.sdk.node import Asked, Done, Failed, NodeError, Outcome
from shared.workflow import JsonObject
from tests.support.bearer import Bearer
from tests.support.file_store import FileStore
from tests.support.http_server import serve
from tests.support.mcp_server import PIXEL, McpServer, mcp_server
from tests.support.run_node import allowing, given, items, jsons, run_action, services


@pytest.fixture
async def server() -> AsyncGenerator[McpServer]:
    async with mcp_server() as made:
        yield made


async def use(
    server: McpServer, *inputs: JsonObject, services_of: JsonObject | None = None, **what: Any
) -> Outcome:
    client = allowing(server.authority)
    told = services(http=client, **(services_of or {}))
    try:
        filled = given(McpCall, {"url": server.url, **what}, items(*(inputs or ({},))))
        return await run_action(McpCall, filled, told)
    finally:
        await client.close()


def failure(outcome: Outcome) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome


@pytest.mark.parametrize("json_response", [False, True])
@pytest.mark.parametrize("older", [False, True])
async def test_a_tool_is_used_whatever_the_server_speaks(json_response: bool, older: bool) -> None:
    async with mcp_server(json_response=json_response) as server:
        server.deaf_to_new = older
        outcome = await use(server, tool="look", arguments={"city": "Oslo", "days": 2})
    assert jsons(outcome) == [{"weather": "rain in Oslo", "days": 2}]
    assert server.calls == [("look", {"city": "Oslo", "days": 2})]
    assert any("mcp-session-id" in headers for headers in server.headers) == older


async def test_an_engine_begins_without_what_few_nodes_need() -> None:
    program = (
        "import sys, engine_service.server\n"
        "print(sorted({'mcp', 'mcp_types', 'botocore'} & set(sys.modules)))"
    )
    begun = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await begun.communicate()
    assert told == b"[]\n"


async def test_lists_and_texts_become_items(server: McpServer) -> None:
    listed = await use(server, {"a": 1}, {"a": 2}, tool="order", arguments={"what": "tea"})
    assert jsons(listed) == [{"id": 1, "what": "tea"}, {"id": 2, "what": "tea"}] * 2
    assert isinstance(listed, Done)
    assert [item.get("paired_item") for item in listed.outputs["main"]] == [0, 0, 1, 1]
    said = await use(server, tool="say", arguments={"text": "hello"})
    assert jsons(said) == [{"text": "hello"}]
    read = await use(server, tool="say", arguments={"text": '{"a": [1]}'})
    assert jsons(read) == [{"a": [1]}]


async def test_pictures_become_files(server: McpServer, tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    drawn = await use(server, tool="draw", services_of={"blobs": store})
    assert jsons(drawn) == [{"text": "a dot"}]
    assert isinstance(drawn, Done)
    file = drawn.outputs["main"][0]["binary"]["data"]
    assert file["media_type"] == "image/png"
    assert await store.read(file) == PIXEL


async def test_tools_are_listed_with_what_they_take(server: McpServer) -> None:
    told = {one["name"]: one for one in jsons(await use(server, operation="list"))}
    assert set(told) == {"look", "order", "say", "draw", "fail", "hang"}
    assert told["look"]["description"] == "Says what the weather is like."
    assert told["look"]["arguments"]["required"] == ["city"]
    assert told["look"]["result"]["type"] == "object"


async def test_failures_are_told_apart(server: McpServer) -> None:
    said = failure(await use(server, tool="fail"))
    assert said.code == "tool_failed"
    assert "out of paint" in said.message
    unknown = failure(await use(server, tool="nothing"))
    assert unknown.code in ("tool_failed", "bad_request")
    assert "nothing" in unknown.message
    for status, code in (
        (401, "not_authenticated"),
        (403, "forbidden"),
        (503, "server_unavailable"),
    ):
        server.refuse = status
        refused = failure(await use(server, tool="look", arguments={"city": "Oslo"}))
        assert refused.code == code
        assert refused.retryable == (status == 503)
        assert refused.outcome_known == (status != 503)


async def test_a_server_that_is_not_there_or_speaks_otherwise_is_a_failure() -> None:
    async with serve() as plain:
        other = McpServer(url=f"{plain.url}/mcp")
        assert failure(await use(other, tool="look")).code in ("bad_response", "server_error")
    gone = failure(await use(other, tool="look"))
    assert (gone.code, gone.retryable) == ("connect_failed", True)


async def test_a_call_has_its_time_and_its_outcome_is_not_known(server: McpServer) -> None:
    late = failure(await use(server, tool="hang", timeout=1))
    assert (late.code, late.retryable, late.outcome_known) == ("timeout", True, False)


async def test_cancelling_ends_the_call_at_once(server: McpServer) -> None:
    running = asyncio.create_task(use(server, tool="hang"))
    while not server.calls:
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_inner_addresses_are_refused(server: McpServer) -> None:
    what = given(McpCall, {"url": server.url, "tool": "look"})
    refused = failure(await run_action(McpCall, what, services()))
    assert refused.code == "address_refused"
    assert not server.headers


async def test_a_credential_goes_to_its_own_hosts_only(server: McpServer) -> None:
    bound = {"credentials": Bearer("tok-1234567", server.authority)}
    await use(server, tool="look", arguments={"city": "Oslo"}, services_of=bound,
              headers={"X-Team": "a"})  # fmt: skip
    assert server.headers
    assert all(one["authorization"] == "Bearer tok-1234567" for one in server.headers)
    assert all(one["x-team"] == "a" for one in server.headers)
    server.headers.clear()
    other = {"credentials": Bearer("tok-1234567", "tools.example.com")}
    refused = failure(await use(server, tool="look", services_of=other))
    assert refused.code == "credential_host_refused"
    assert not server.headers


async def test_an_agent_is_offered_the_chosen_tools(server: McpServer) -> None:
    client = allowing(server.authority)
    told = services(http=client)
    source = McpTools()

    async def offered(**chosen: Any) -> dict[str, bool]:
        parameters = McpTools.Parameters.model_validate({"url": server.url, **chosen})
        made = await source.offers(parameters, told)  # pyright: ignore[reportArgumentType]
        return {one.name: one.repeatable for one in made}

    assert (await offered())["look"] is True
    assert await offered(include=["look", "order"], exclude=["look"]) == {"order": False}
    asked = Asked("order", {"what": "tea"})
    what = given(McpTools, {"url": server.url}, asked=asked)
    assert len(jsons(await source.run(what, told))) == 2
    with pytest.raises(NodeError, match="out of paint"):
        await source.run(given(McpTools, {"url": server.url}, asked=Asked("fail", {})), told)
    await client.close()
