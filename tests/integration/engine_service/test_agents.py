"""Agents in a real engine, with vendors' wires: tools, crashes, waits, usage and budgets."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from engine_service.running.execute import World
from engine_service.running.spending import Spending
from engine_service.store.usage import TenantBudget, save_budget
from shared.clock import SystemClock
from shared.database import Database, DatabaseRole
from shared.llms import LlmSettings, Models
from shared.workflow import JsonObject
from tests.support.engine import NoHttp, TestEngine, running_engine, types
from tests.support.llm_server import LlmServer, fail, say
from tests.support.nodes import WORLD, catalogue

OPENAI, ANTHROPIC = "openai:gpt-4o-mini", "anthropic:claude-haiku-4-5"
CALL = ("c1", "look", '{"city": "Oslo"}')


@dataclass(frozen=True, slots=True)
class Bench:
    engine: TestEngine
    server: LlmServer


@pytest.fixture(scope="module")
async def bench(postgres_url: str) -> AsyncIterator[Bench]:
    async with LlmServer() as server:
        settings = LlmSettings(
            openai_api_key=SecretStr("k"),
            openai_base_url=f"{server.url}/v1",
            anthropic_api_key=SecretStr("k"),
            anthropic_base_url=server.url,
            llm_max_retries=0,
        )
        models = Models(settings)
        database = Database(postgres_url, DatabaseRole.WORKER, size=2)
        world = World(NoHttp(), None, models, spending=Spending(database, SystemClock()))
        async with running_engine(postgres_url, catalogue=catalogue(), world=world) as engine:
            yield Bench(engine, server)
        await database.close()
        await models.close()


@pytest.fixture(autouse=True)
def begin_anew(bench: Bench) -> None:
    bench.server.asked.clear()
    WORLD.begin()


def workflow(
    tool: JsonObject, *more: JsonObject, model: str = OPENAI, agent: Any = None, **settings: Any
) -> JsonObject:
    """A trigger, an agent, its model, and a tool; `more` are further attached nodes."""
    nodes: list[JsonObject] = [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {
            "id": "agent",
            "name": "Agent",
            "type": "ai.agent",
            "parameters": {"prompt": "What is it like in {{ $json.city }}?", **(agent or {})},
            "settings": {"retry": {"max_attempts": 2, "backoff": 0}},
        },
        {"id": "model", "name": "Model", "type": "model.chat", "parameters": {"model": model}},
        {"id": "look", "name": "Look", **tool},
        *more,
    ]
    connections = [
        {"from": "start", "to": "agent"},
        {"from": "model", "to": "agent", "input": "model"},
        {"from": "look", "to": "agent", "input": "tool"},
        *({"from": one["id"], "to": "agent", "input": "parser"} for one in more),
    ]
    return {"name": "w", "nodes": nodes, "connections": connections, "settings": settings}


LOOK: JsonObject = {
    "type": "data.set",
    "notes": "Says what the weather is like.",
    "parameters": {
        "assignments": [{"name": "weather", "value": "rain in {{ $fromAI('city', 'Which city') }}"}]
    },
}
KEYED: JsonObject = {
    "type": "test.keyed",
    "parameters": {"value": "{{ $fromAI('city', 'Which city') }}"},
}


async def run(bench: Bench, definition: JsonObject) -> Any:
    return await bench.engine.finish(await bench.engine.save(definition), {"city": "Oslo"})


COUNTED = ("model_calls_total", "model_cost_usd_total")


def value(name: str) -> float:
    return REGISTRY.get_sample_value(f"flowloom_engine_{name}") or 0.0


@pytest.mark.parametrize("model", [OPENAI, ANTHROPIC])
async def test_an_agent_uses_its_tools_until_it_has_an_answer(bench: Bench, model: str) -> None:
    bench.server.script += [say(calls=[CALL]), say("It rains.")]
    counted = [value(name) for name in COUNTED]
    ended = await run(bench, workflow(LOOK, model=model))
    assert ended.status == "completed", ended.error
    calls, cost = (value(name) - old for name, old in zip(COUNTED, counted, strict=True))
    assert (calls, cost > 0) == (2, True)
    [answer] = [item["json"] for item in json.loads(ended.output)]
    assert (answer["text"], answer["iterations"]) == ("It rains.", 2)
    [step] = answer["steps"]
    assert step["tool"] == "look"
    assert "rain in Oslo" in step["result"]
    assert answer["usage"]["total_tokens"] == 36
    first, second = (json.dumps(one.body) for one in bench.server.asked)
    assert "Says what the weather is like." in first
    assert "Which city" in first
    assert "rain in Oslo" in second
    events = await bench.engine.history(ended.id)
    deltas = [event.data["delta"] for event in events if event.type == "node.delta"]
    assert "".join(delta.get("text", "") for delta in deltas) == "It rains."
    assert {"name": "look", "call": "0.0.0", "is_error": False} in [
        delta.get("tool_result") for delta in deltas
    ]
    [done] = [one for one in events if one.type == "node.completed" and "usage" in one.data]
    assert done.data["usage"]["model_calls"] == 2
    assert done.data["usage"]["total_tokens"] == 36
    [row] = await bench.engine.query(
        "SELECT model_calls, input_tokens, output_tokens, cost_usd FROM engine.run_usage"
        " WHERE run_id = :id",
        id=ended.id,
    )
    assert tuple(row)[:3] == (2, 22, 14)
    assert row.cost_usd > 0
    assert "node.failed" not in types(events)


async def test_a_failing_answer_repeats_neither_questions_nor_calls(bench: Bench) -> None:
    bench.server.script += [say(calls=[CALL]), fail(500), say("It rains.")]
    ended = await run(bench, workflow(KEYED))
    assert ended.status == "completed", ended.error
    assert len(bench.server.asked) == 3, "the first answer is remembered"
    assert dict(WORLD.effects) == {f"{ended.id}:agent:0.0.0": 1}


async def test_a_call_of_which_nobody_knows_the_end_is_asked_about(bench: Bench) -> None:
    """The process of an agent ends while its tool, which must not be repeated, is at work."""
    bench.server.script += [say(calls=[CALL]), fail(500)]
    unsafe = {**KEYED, "type": "test.unsafe"}
    definition = workflow(unsafe)
    definition["nodes"][1]["settings"]["retry"]["backoff"] = 1
    engine = bench.engine
    started = await engine.start(await engine.save(definition), {"city": "Oslo"})
    await engine.until(started.id, "node.retrying")
    # As if the engine had ended before it could write down what came of the call.
    await engine.query("DELETE FROM engine.progress WHERE step::text LIKE '%result%' RETURNING 1")
    await engine.until(started.id, "run.waiting")
    [question] = await engine.query(
        "SELECT title FROM engine.approvals WHERE run_id = :id", id=started.id
    )
    assert question.title == "Repeat “Look”?"
    bench.server.script += [say("Nobody knows.")]
    assert await engine.answer(started.id, "agent", "reject")
    ended = await engine.ended(started.id)
    assert ended.status == "completed", ended.error
    assert sum(WORLD.effects.values()) == 1
    assert "decided not to repeat" in json.dumps(bench.server.asked[-1].body)


async def test_what_a_model_gets_wrong_it_is_told(bench: Bench) -> None:
    bench.server.script += [
        say(calls=[("c1", "look", '{"town": "Oslo"}'), ("c2", "nothing", "{}")]),
        say("I give up."),
    ]
    ended = await run(bench, workflow(LOOK))
    assert ended.status == "completed", ended.error
    told = json.dumps(bench.server.asked[1].body)
    assert "do not fit" in told
    assert "There is no such tool; there is look." in told


async def test_an_agent_answers_in_the_form_of_its_parser(bench: Bench) -> None:
    schema = {"type": "object", "properties": {"wet": {"type": "boolean"}}, "required": ["wet"]}
    parser = {
        "id": "form",
        "name": "Form",
        "type": "parser.json",
        "parameters": {"output_schema": schema},
    }
    bench.server.script += [say(calls=[CALL]), say('{"wet": 1}'), say('{"wet": true}')]
    ended = await run(bench, workflow(LOOK, parser))
    assert ended.status == "completed", ended.error
    [answer] = [item["json"] for item in json.loads(ended.output)]
    assert answer["data"] == {"wet": True}


async def test_an_agent_that_never_ends_is_ended(bench: Bench) -> None:
    bench.server.script += [say(calls=[CALL]), say(calls=[CALL])]
    ended = await run(bench, workflow(LOOK, agent={"max_iterations": 2}))
    assert ended.status == "failed"
    assert ended.error["code"] == "too_many_iterations"


@pytest.mark.parametrize(
    "limited",
    [
        workflow(LOOK, budget={"max_tokens": 50}),
        workflow(LOOK, agent={"budget_tokens": 50}),
        workflow(LOOK, agent={"budget_usd": 0.000001}),
    ],
)
async def test_a_budget_stops_what_would_pass_it(bench: Bench, limited: JsonObject) -> None:
    ended = await run(bench, limited)
    assert ended.status == "failed"
    assert ended.error["code"] == "model_budget_exhausted"
    assert bench.server.asked == []


async def test_a_tenants_budget_counts_what_was_used_before(bench: Bench) -> None:
    engine = bench.engine
    async with engine.databases.app.transaction("ten_test") as connection:
        budget = TenantBudget("day", None, Decimal("0.5"))
        await save_budget(connection, "ten_test", budget, "ada", datetime.now(UTC))
    spending = Spending(engine.databases.worker, SystemClock())
    [kept] = await spending.of_tenant("ten_test")
    assert kept.max_cost_usd == Decimal("0.5")
    assert kept.spent.total_tokens > 0, "what the tests before it used"
    assert list(await spending.of_tenant("ten_other")) == []
