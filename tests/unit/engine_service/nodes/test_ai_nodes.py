"""`ai.classify`, `ai.extract`, `ai.summarize` and repair, against a server with OpenAI's wire."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from engine_service.ai.pieces import pieces
from engine_service.nodes.ai_chat import AiChat
from engine_service.nodes.ai_classify import AiClassify
from engine_service.nodes.ai_extract import AiExtract
from engine_service.nodes.ai_summarize import AiSummarize
from engine_service.sdk.node import Done, Failed
from shared.llms import LlmSettings, Models
from shared.workflow import JsonObject
from tests.support.llm_server import LlmServer, say
from tests.support.run_node import given, items, jsons, run_action, services

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"sure": {"type": "boolean"}},
    "required": ["sure"],
}


@pytest.fixture
async def server() -> AsyncIterator[LlmServer]:
    async with LlmServer() as server:
        yield server


@pytest.fixture
async def models(server: LlmServer) -> AsyncIterator[Models]:
    settings = LlmSettings(
        openai_api_key=SecretStr("k"), openai_base_url=f"{server.url}/v1", llm_max_retries=0
    )
    models = Models(settings)
    yield models
    await models.close()


def asked(server: LlmServer, number: int) -> str:
    return json.dumps(server.asked[number].body["messages"])


@pytest.mark.parametrize("node_type", [AiChat, AiExtract])
async def test_an_answer_that_does_not_fit_is_sent_back_once(
    server: LlmServer, models: Models, node_type: Any
) -> None:
    server.script += [say('{"sure": "perhaps"}'), say('{"sure": true}')]
    text = {"prompt": "Sure?"} if node_type is AiChat else {"text": "Sure?"}
    what = given(node_type, {**text, "output_schema": SCHEMA})
    [answer] = jsons(await run_action(node_type, what, services(models=models)))
    assert answer["data"] == {"sure": True}
    assert answer["usage"]["total_tokens"] == 36, "both answers are counted"
    assert "perhaps" in asked(server, 1)
    assert "$.sure" in asked(server, 1)


async def test_an_answer_that_never_fits_is_a_typed_failure(
    server: LlmServer, models: Models
) -> None:
    server.script += [say("Perhaps."), say("I cannot say.")]
    what = given(AiExtract, {"text": "Sure?", "output_schema": SCHEMA})
    outcome = await run_action(AiExtract, what, services(models=models))
    assert isinstance(outcome, Failed)
    assert outcome.code == "model_output_invalid"


async def test_items_leave_by_the_port_of_their_category(server: LlmServer, models: Models) -> None:
    server.script += [
        say('{"category": "bug", "confidence": 0.9}'),
        say('{"category": "other", "confidence": 0.4}'),
    ]
    parameters = [
        {"text": text, "categories": [{"name": "bug"}], "concurrency": 1}
        for text in ("It broke.", "Hello.")
    ]
    what = given(AiClassify, parameters, items({"n": 1}, {"n": 2}))
    outcome = await run_action(AiClassify, what, services(models=models))
    assert [one["n"] for one in jsons(outcome, "case:bug")] == [1]
    [other] = jsons(outcome, "other")
    assert (other["n"], other["classification"]["category"]) == (2, "other")
    assert AiClassify.ports(parameters[0]) == ("case:bug", "other")


async def test_without_another_category_there_is_no_way_out(
    server: LlmServer, models: Models
) -> None:
    server.script += [say('{"category": "bug", "confidence": 1}')]
    what = given(AiClassify, {"text": "x", "categories": [{"name": "bug"}], "other": False})
    outcome = await run_action(AiClassify, what, services(models=models))
    assert isinstance(outcome, Done)
    assert "other" not in asked(server, 0)


async def test_a_long_text_is_summarised_in_parts(server: LlmServer, models: Models) -> None:
    server.script += [say("one"), say("two"), say("both")]
    text = "\n\n".join(["a" * 400, "b" * 400])
    what = given(AiSummarize, {"text": text, "chunk_characters": 500})
    [answer] = jsons(await run_action(AiSummarize, what, services(models=models)))
    assert (answer["text"], answer["parts"]) == ("both", 2)
    assert answer["usage"]["total_tokens"] == 54
    assert "one\\n\\ntwo" in asked(server, 2)


async def test_a_budget_stops_a_summary(server: LlmServer, models: Models) -> None:
    what = given(AiSummarize, {"text": "a text", "budget_usd": "0.0000001"})
    outcome = await run_action(AiSummarize, what, services(models=models))
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retryable) == ("model_budget_exhausted", False)
    assert server.asked == []


@pytest.mark.parametrize("longest", [500, 1_000, 5_000])
def test_parts_are_bounded_and_lose_no_word(longest: int) -> None:
    text = " ".join(f"word{number}." for number in range(500))
    parts = pieces(text, longest)
    assert all(0 < len(part) <= longest for part in parts)
    assert " ".join(parts).split() == text.split()
