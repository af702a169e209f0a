"""Agents whose tools are workflows and servers of tools, in a real engine."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from pydantic import SecretStr

from engine_service.running.execute import World
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from shared.llms import LlmSettings, Models
from shared.workflow import JsonObject
from tests.support.engine import TestEngine, running_engine
from tests.support.llm_server import LlmServer, say
from tests.support.mcp_server import McpServer, mcp_server

FORM = [
    {"name": "city", "type": "string", "required": True, "description": "Which city"},
    {"name": "days", "type": "number", "required": False},
]


@dataclass(frozen=True, slots=True)
class Bench:
    engine: TestEngine
    model: LlmServer
    tools: McpServer


@pytest.fixture(scope="module")
async def bench(postgres_url: str) -> AsyncIterator[Bench]:
    async with LlmServer() as model, mcp_server() as tools:
        settings = LlmSettings(
            openai_api_key=SecretStr("k"), openai_base_url=f"{model.url}/v1", llm_max_retries=0
        )
        models = Models(settings)
        http = GuardedHttpClient(AllowList.parse([tools.authority]))
        async with running_engine(postgres_url, world=World(http, None, models)) as engine:
            yield Bench(engine, model, tools)
        await http.close()
        await models.close()


@pytest.fixture(autouse=True)
def begin_anew(bench: Bench) -> None:
    bench.model.asked.clear()
    bench.tools.calls.clear()


def agent(*tools: JsonObject) -> JsonObject:
    """A trigger and an agent with tools."""
    nodes: list[JsonObject] = [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {
            "id": "agent",
            "name": "Agent",
            "type": "ai.agent",
            "parameters": {"prompt": "{{ $json.ask }}", "model": "openai:gpt-4o-mini"},
        },
        *tools,
    ]
    wires = [{"from": one["id"], "to": "agent", "input": "tool"} for one in tools]
    return {"name": "w", "nodes": nodes, "connections": [{"from": "start", "to": "agent"}, *wires]}


async def weather(bench: Bench, *more: JsonObject, fields: Any = FORM, **parameters: Any) -> str:
    """A workflow that can be called."""
    nodes: list[JsonObject] = [
        {"id": "start", "name": "Start", "type": "trigger.workflow",
         "parameters": {"fields": fields, **parameters}},
        {"id": "say", "name": "Say", "type": "data.set", "parameters": {
            "assignments": [{"name": "weather", "value": "rain in {{ $json.city }}"}],
            "include": "none"}},
        *more,
    ]  # fmt: skip
    path = ["start", "say", *(one["id"] for one in more)]
    connections = [{"from": a, "to": b} for a, b in pairwise(path)]
    made = {"name": "Weather", "nodes": nodes, "connections": connections}
    return await bench.engine.save(made)


def calling(workflow: str, **parameters: Any) -> JsonObject:
    return {
        "id": "look",
        "name": "Look",
        "type": "flow.call",
        "parameters": {"workflow": workflow, **parameters},
    }


async def ask(bench: Bench, *tools: JsonObject) -> Any:
    workflow = await bench.engine.save(agent(*tools))
    return await bench.engine.finish(workflow, {"ask": "What is it like?", "secret": "mine"})


def answer(ended: Any) -> JsonObject:
    assert ended.status == "completed", ended.error
    [item] = json.loads(ended.output)
    return item["json"]


def offered(bench: Bench) -> dict[str, JsonObject]:
    """The tools that the model saw, by name."""
    tools = bench.model.asked[0].body["tools"]
    return {one["function"]["name"]: one["function"] for one in tools}


async def test_a_workflow_is_a_tool_that_takes_what_its_form_asks_for(bench: Bench) -> None:
    called = await weather(bench)
    bench.model.script += [
        say(calls=[("c1", "look", '{"city": "Oslo"}'), ("c2", "look", '{"city": "Rome"}')]),
        say("It rains."),
    ]
    ended = await ask(bench, calling(called))
    said = answer(ended)
    assert [json.loads(step["result"]) for step in said["steps"]] == [
        {"weather": "rain in Oslo"},
        {"weather": "rain in Rome"},
    ]
    look = offered(bench)["look"]
    assert look["parameters"]["required"] == ["city"]
    assert look["parameters"]["properties"]["days"]["type"] == ["number", "null"]
    assert look["description"] == "Runs the workflow 'w' and gives its result."
    rows = await bench.engine.query(
        "SELECT input, status FROM engine.runs WHERE parent_run_id = :id ORDER BY created_at",
        id=ended.id,
    )
    assert [row.status for row in rows] == ["completed"] * 2
    inputs = [json.loads(row.input) if isinstance(row.input, str) else row.input for row in rows]
    assert inputs == [[{"json": {"city": "Oslo"}}], [{"json": {"city": "Rome"}}]]


async def test_what_does_not_fit_the_form_is_told_to_the_model(bench: Bench) -> None:
    called = await weather(bench)
    bench.model.script += [
        say(calls=[("c1", "look", '{"town": "Oslo"}')]),
        say(calls=[("c2", "look", '{"city": "Oslo"}')]),
        say("It rains."),
    ]
    said = answer(await ask(bench, calling(called)))
    assert [step["is_error"] for step in said["steps"]] == [True, False]
    assert "city" in said["steps"][0]["result"]


async def test_a_workflow_that_fails_is_told_to_the_model(bench: Bench) -> None:
    stop: JsonObject = {
        "id": "stop", "name": "Stop", "type": "flow.stop", "parameters": {"message": "no map"},
    }  # fmt: skip
    called = await weather(bench, stop)
    bench.model.script += [say(calls=[("c1", "look", '{"city": "Oslo"}')]), say("Nobody knows.")]
    said = answer(await ask(bench, calling(called)))
    assert said["steps"][0]["is_error"]
    assert "no map" in said["steps"][0]["result"]


async def test_an_author_may_say_what_the_model_fills_in(bench: Bench) -> None:
    called = await weather(bench)
    tool = calling(called, input={"city": "{{ $fromAI('place', 'Where') }}", "days": 3})
    bench.model.script += [say(calls=[("c1", "look", '{"place": "Oslo"}')]), say("It rains.")]
    said = answer(await ask(bench, tool))
    assert "rain in Oslo" in said["steps"][0]["result"]
    assert list(offered(bench)["look"]["parameters"]["properties"]) == ["place"]


async def test_a_workflow_without_a_form_takes_anything(bench: Bench) -> None:
    called = await weather(bench, fields=[])
    bench.model.script += [say(calls=[("c1", "look", '{"city": "Oslo"}')]), say("It rains.")]
    assert "rain in Oslo" in answer(await ask(bench, calling(called)))["steps"][0]["result"]


async def test_a_workflow_that_is_not_there_fails_the_agent(bench: Bench) -> None:
    ended = await ask(bench, calling("Nowhere"))
    assert ended.status == "failed"
    assert ended.error["code"] == "workflow_not_found"


async def test_a_server_brings_its_tools(bench: Bench) -> None:
    source: JsonObject = {
        "id": "box",
        "name": "Box",
        "type": "mcp.tools",
        "parameters": {"url": bench.tools.url, "include": ["look", "order"]},
    }
    bench.model.script += [
        say(calls=[("c1", "box_look", '{"city": "Oslo"}'), ("c2", "order", '{"what": "tea"}')]),
        say(calls=[("c3", "order", '{"how": "tea"}')]),
        say("Done."),
    ]
    said = answer(await ask(bench, source, calling(await weather(bench))))
    results = [step["result"] for step in said["steps"]]
    assert json.loads(results[0]) == {"weather": "rain in Oslo", "days": 1}
    assert len(json.loads(results[1])) == 2
    assert said["steps"][2]["is_error"]
    assert set(offered(bench)) == {"look", "order", "box_look"}, "a node keeps its own name"
    assert bench.tools.calls == [("look", {"city": "Oslo", "days": 1}), ("order", {"what": "tea"})]


async def test_a_server_that_is_away_fails_the_agent(bench: Bench) -> None:
    bench.tools.refuse = 503
    source: JsonObject = {
        "id": "box", "name": "Box", "type": "mcp.tools", "parameters": {"url": bench.tools.url},
    }  # fmt: skip
    try:
        ended = await ask(bench, source)
    finally:
        bench.tools.refuse = 0
    assert ended.status == "failed"
    assert ended.error["code"] == "server_unavailable"
    assert not bench.model.asked
