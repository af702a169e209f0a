"""The model's author: over gRPC, with a server on this machine that speaks the vendors' wires."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from prometheus_client import REGISTRY

from shared.llm_wire import ANSWER_TOOL
from tests.integration.agent_service.conftest import (
    ALICE,
    Client,
    agent_process,
    client_of,
    settings_for,
)
from tests.support.fake_engine import FakeEngine
from tests.support.llm_server import Answer, Asked, LlmServer, Script, fail, say

DEFINITION: dict[str, Any] = {
    "name": "News",
    "nodes": [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {
            "id": "get",
            "name": "Get",
            "type": "http.request",
            "parameters": {"method": "GET", "url": "https://api.example.com/news"},
        },
    ],
    "connections": [{"from": "start", "to": "get"}],
}
PLAN = {
    "title": "News",
    "trigger": "By hand",
    "steps": [{"text": "Get the news", "node_type": "http.request"}],
    "assumptions": ["It is started by hand."],
}


@pytest.fixture
async def vendor() -> AsyncIterator[LlmServer]:
    async with LlmServer() as server:
        yield server


@pytest.fixture(params=["openai:gpt-4o-mini", "anthropic:claude-test"])
async def modelled(
    request: pytest.FixtureRequest,
    vendor: LlmServer,
    postgres_url: str,
    engine_address: str,
) -> AsyncIterator[Client]:
    """A caller of an agent whose author is a model of each vendor in turn."""
    settings = settings_for(
        postgres_url,
        engine_address,
        agent_models=request.param,
        agent_session_max_tokens=200_000,
        openai_api_key="sk-test",
        openai_base_url=f"{vendor.url}/v1",
        anthropic_api_key="sk-test",
        anthropic_base_url=vendor.url,
        embedding_model="local",
        llm_max_retries=0,
        allow_model_requests=False,
    )
    async with AsyncExitStack() as stack:
        agent = await stack.enter_async_context(agent_process(settings))
        channel, client = client_of(f"127.0.0.1:{agent.port}", ALICE)
        stack.push_async_callback(channel.close)
        yield client


def _answer(**fields: Any) -> Script:
    """The wanted object: as text or, where the vendor was given a tool for it, by that tool."""

    def script(asked: Asked) -> Answer:
        written = json.dumps(fields)
        offered = [tool.get("name", "") for tool in asked.body.get("tools", [])]
        calls = [("call_answer", name, written) for name in offered if name == ANSWER_TOOL]
        return say("" if calls else written, calls=calls)(asked)

    return script


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"flowloom_agent_{name}", labels) or 0.0


async def test_a_model_plans_writes_and_tells(
    modelled: Client, vendor: LlmServer, engine: FakeEngine
) -> None:
    look_up = ("call_1", "read_node_type", '{"type": "http.request"}')
    vendor.script.extend(
        [
            _answer(intent="build", language="en"),
            _answer(**PLAN),
            say(calls=[look_up]),
            _answer(definition=DEFINITION),
            say("I made it for you."),
        ]
    )
    counted = value("model_tokens_total", direction="input"), value("turn_seconds_count")
    heard = await modelled.say(await modelled.new_session(), "get me the news")
    assert heard.end["outcome"] == "delivered", heard.one("error")
    used = heard.one("usage")["input_tokens"]
    assert value("model_tokens_total", direction="input") == counted[0] + used
    assert value("turn_seconds_count") == counted[1] + 1
    assert heard.end["workflow"]["definition"] == DEFINITION
    assert heard.said == "I made it for you."
    deltas = [heard.data(one)["text"] for one in heard.events if one.type == "message.delta"]
    assert len(deltas) > 1
    assert "".join(deltas) == heard.said
    assert heard.one("usage")["input_tokens"] > 0
    looked_up = json.dumps(vendor.asked[3].body)
    assert "Idempotency-Key" in looked_up or "idempotency" in looked_up.lower()


async def test_a_model_that_errs_is_corrected_by_what_the_engine_finds(
    modelled: Client, vendor: LlmServer
) -> None:
    wrong = {**DEFINITION, "nodes": [DEFINITION["nodes"][0], {**DEFINITION["nodes"][1]}]}
    wrong["nodes"][1] = {**wrong["nodes"][1], "parameters": {"method": "GET"}}
    vendor.script.extend(
        [
            _answer(intent="build", language="en"),
            _answer(**PLAN),
            _answer(definition=wrong),
            _answer(definition=DEFINITION),
            say("Done."),
        ]
    )
    heard = await modelled.say(await modelled.new_session(), "get me the news")
    assert heard.stages == [
        "understand", "plan", "draft", "check", "repair", "check", "try", "deliver",
    ]  # fmt: skip
    assert heard.end["workflow"]["definition"] == DEFINITION


async def test_a_patch_that_reaches_too_far_is_refused(modelled: Client, vendor: LlmServer) -> None:
    session = await modelled.new_session()
    vendor.script.extend(
        [
            _answer(intent="build", language="en"),
            _answer(**PLAN),
            _answer(definition=DEFINITION),
            say("Done."),
        ]
    )
    await modelled.say(session, "get me the news")
    greedy = {
        "operations": [
            {"op": "replace", "path": "/nodes/1/parameters/url", "value": "https://b.example.com"},
            {"op": "replace", "path": "/name", "value": "Mine now"},
        ],
        "touches": ["get"],
    }
    modest = {"operations": greedy["operations"][:1], "touches": ["get"], "changes": ["address"]}
    vendor.script.extend(
        [
            _answer(intent="edit", language="en"),
            _answer(**greedy),
            _answer(**modest),
            say("Changed."),
        ]
    )
    heard = await modelled.say(session, "use https://b.example.com")
    assert heard.one("workflow.patch")["patch"] == modest["operations"]
    assert heard.end["workflow"]["name"] == "News"


async def test_questions_of_a_model_are_asked_once(modelled: Client, vendor: LlmServer) -> None:
    session = await modelled.new_session()
    question = {"id": "time", "text": "When?", "default": "09:00"}
    vendor.script.extend(
        [
            _answer(intent="build", language="en", questions=[question]),
            say("When should it run?"),
        ]
    )
    first = await modelled.say(session, "get me the news every day")
    assert first.one("question.asked")["questions"][0]["id"] == "time"
    vendor.script.extend(
        [
            _answer(intent="build", language="en", questions=[question], is_answer=True),
            _answer(**PLAN),
            _answer(definition=DEFINITION),
            say("Done."),
        ]
    )
    second = await modelled.say(session, "whenever you like")
    assert "question.asked" not in second.types
    assert second.end["outcome"] == "delivered"


async def test_a_vendor_that_is_away_ends_the_turn_with_an_error_one_can_retry(
    modelled: Client, vendor: LlmServer
) -> None:
    vendor.script.append(fail(503))
    heard = await modelled.say(await modelled.new_session(), "get me the news")
    assert heard.end["outcome"] == "failed"
    assert heard.one("error")["retryable"] is True


async def test_a_budget_that_is_used_up_stops_the_session(
    vendor: LlmServer, postgres_url: str, engine_address: str
) -> None:
    settings = settings_for(
        postgres_url,
        engine_address,
        agent_models="openai:gpt-4o-mini",
        agent_session_max_tokens=100,
        openai_api_key="sk-test",
        openai_base_url=f"{vendor.url}/v1",
        embedding_model="local",
    )
    async with agent_process(settings) as agent:
        channel, client = client_of(f"127.0.0.1:{agent.port}", ALICE)
        heard = await client.say(await client.new_session(), "get me the news")
        await channel.close()
    assert heard.one("error")["code"] == "MODEL_BUDGET_EXHAUSTED"
    assert vendor.asked == []
