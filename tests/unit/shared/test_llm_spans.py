"""Calls of models are spans where traces are wanted, and hold no word of what is said."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from shared.llm import Message, Request
from shared.llms import LlmSettings, connect
from shared.llms.traced import TracedModel
from shared.rpc import call
from shared.tracing import spans
from tests.support.llm_server import LlmServer, say
from tests.support.otlp import Collector, collecting, tracing_to

ASKED = call.Call(traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
ASK = Request([Message.user("a-private-question")])


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    async with collecting() as collector:
        spans.switch_on("agent", tracing_to(collector.server.url))
        yield collector
        await asyncio.to_thread(spans.switch_off)


@pytest.fixture
async def server() -> AsyncIterator[LlmServer]:
    async with LlmServer() as server:
        yield server


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_is_a_span_with_its_tokens(
    server: LlmServer, collector: Collector, streamed: bool
) -> None:
    server.script.append(say("a-private-answer"))
    settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("a-private-key"))
    model = connect("openai:gpt-4o", settings)
    with call.use(ASKED):
        if streamed:
            async for _ in model.stream(ASK):
                assert call.current() is ASKED
        else:
            await model.complete(ASK)
    await model.close()
    span = await collector.one("chat")
    assert (span.kind, span.parent_id, span.failed) == ("client", "00f067aa0ba902b7", False)
    told = {name.removeprefix("gen_ai."): value for name, value in span.attributes.items()}
    assert told.pop("usage.input_tokens") > 0
    assert told.pop("usage.output_tokens") > 0
    assert told == {"operation.name": "chat", "provider.name": "openai"}
    assert b"a-private" not in b"".join(collector.bodies)


async def test_without_traces_nothing_stands_around_a_model(server: LlmServer) -> None:
    settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))
    assert not isinstance(connect("openai:gpt-4o", settings), TracedModel)
