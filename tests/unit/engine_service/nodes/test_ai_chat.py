"""`ai.chat` with models of its own protocol: what is asked, streamed, counted and refused."""

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal

import pytest
from pydantic import SecretStr

from engine_service.nodes.ai_chat import AiChat
from engine_service.sdk.node import Done, Failed
from shared.errors import AppError
from shared.llm import Delta, Finish, Model, Reply, Request, TextDelta, Usage
from shared.llm import Done as Finished
from shared.llm_errors import QuotaExhausted, RateLimited
from shared.llms import LlmSettings, Models
from shared.workflow import JsonObject
from tests.support.run_node import Watched, given, items, jsons, run_action, services

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"sure": {"type": "boolean"}, "tags": {"type": "array"}},
    "required": ["sure"],
}


class Scripted:
    """A model that writes what it is told to, and keeps what it was asked."""

    name = "test:model"

    def __init__(self, *replies: Reply | AppError) -> None:
        self.replies = list(replies)
        self.asked: list[Request] = []
        self.names: list[str] = []

    async def get(self, names: str) -> Model:
        self.names.append(names)
        return self

    async def complete(self, request: Request) -> Reply:
        raise AssertionError(f"nodes stream: {request}")

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        self.asked.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, AppError):
            raise reply
        for word in reply.text.split():
            yield TextDelta(word)
        yield Finished(reply)

    async def close(self) -> None:
        """Nothing is open."""


def says(text: str, *, data: object = None, cost: Decimal | None = Decimal("0.25")) -> Reply:
    usage = Usage(input_tokens=10, output_tokens=4, cost_usd=cost)
    return Reply("test:model", text, Finish.STOP, usage, data=data)


async def test_an_answer_has_its_text_and_its_cost() -> None:
    model, watched = Scripted(says("Hello there")), Watched()
    parameters = {"prompt": "Hi", "system": "Be brief.", "model": "test:model", "temperature": 0}
    what = given(AiChat, parameters)
    outcome = await run_action(AiChat, what, services(models=model, watched=watched))
    assert jsons(outcome) == [
        {
            "text": "Hello there",
            "model": "test:model",
            "finish": "stop",
            "usage": {
                "input_tokens": 10, "output_tokens": 4, "total_tokens": 14, "cost_usd": 0.25,
            },
        }
    ]  # fmt: skip
    [request] = model.asked
    assert [(message.role, message.text) for message in request.messages] == [
        ("system", "Be brief."),
        ("user", "Hi"),
    ]
    assert request.temperature == 0
    assert request.idempotency_key == "run_1:node:0:0"
    assert watched.deltas == [{"item": 0, "text": "Hello"}, {"item": 0, "text": "there"}]


async def test_an_object_can_be_asked_for() -> None:
    model = Scripted(says('{"sure": true}', data={"sure": True}))
    what = given(AiChat, {"prompt": "Sure?", "output_schema": SCHEMA})
    [answer] = jsons(await run_action(AiChat, what, services(models=model)))
    assert answer["data"] == {"sure": True}
    assert model.asked[0].output is not None
    assert model.asked[0].output.schema == SCHEMA


async def test_an_unknown_price_is_said_to_be_unknown() -> None:
    what = given(AiChat, {"prompt": "Hi"})
    outcome = await run_action(AiChat, what, services(models=Scripted(says("Yes", cost=None))))
    assert jsons(outcome)[0]["usage"]["cost_usd"] is None


async def test_items_keep_their_order() -> None:
    model = Scripted(says("one"), says("two"), says("three"))
    each = [{"prompt": str(number)} for number in range(3)]
    what = given(AiChat, each, items({}, {}, {}))
    outcome = await run_action(AiChat, what, services(models=model))
    assert [answer["text"] for answer in jsons(outcome)] == ["one", "two", "three"]


async def test_one_failing_item_does_not_take_the_others_along() -> None:
    model = Scripted(says("one"), RateLimited("slow down"), says("three"))
    each = [{"prompt": str(number)} for number in range(3)]
    what = given(AiChat, each, items({}, {}, {}))
    outcome = await run_action(AiChat, what, services(models=model))
    assert len(jsons(outcome)) == 2
    assert isinstance(outcome, Done)
    assert [(each.index, each.code) for each in outcome.failures] == [(1, "model_rate_limited")]


async def test_a_limit_says_when_to_come_back() -> None:
    busy = RateLimited("slow down", metadata={"retry_after": "7"})
    outcome = await run_action(
        AiChat, given(AiChat, {"prompt": "Hi"}), services(models=Scripted(busy))
    )
    assert outcome == Failed("model_rate_limited", "slow down", retryable=True, retry_after=7.0)


async def test_an_empty_account_is_not_asked_again() -> None:
    outcome = await run_action(
        AiChat,
        given(AiChat, {"prompt": "Hi"}),
        services(models=Scripted(QuotaExhausted("no credit"))),
    )
    assert isinstance(outcome, Failed)
    assert not outcome.retryable


async def test_a_refusal_is_a_failure() -> None:
    refusal = Reply("test:model", "", Finish.REFUSAL, Usage(), refusal="I would rather not.")
    outcome = await run_action(
        AiChat, given(AiChat, {"prompt": "Hi"}), services(models=Scripted(refusal))
    )
    assert outcome == Failed("model_refused", "I would rather not.")


@pytest.mark.parametrize("model", ["openai:gpt-4o-mini", "nobody:knows", "nonsense"])
async def test_without_a_provider_the_failure_says_so(model: str) -> None:
    configured = Models(LlmSettings(openai_api_key=SecretStr("")))
    for source in (None, configured):
        what = given(AiChat, {"prompt": "Hi", "model": model})
        outcome = await run_action(AiChat, what, services(models=source))
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.retryable) == ("model_not_configured", False)
    await configured.close()


async def test_no_more_answers_are_under_way_than_allowed() -> None:
    class Slow(Scripted):
        def __init__(self) -> None:
            super().__init__()
            self.under_way = self.most = 0
            self.two = asyncio.Event()

        async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            if self.under_way == 2:
                self.two.set()
            await self.two.wait()
            self.under_way -= 1
            yield Finished(says("done"))

    model = Slow()
    what = given(AiChat, {"prompt": "Hi", "concurrency": 2}, items({}, {}, {}, {}))
    assert len(jsons(await run_action(AiChat, what, services(models=model)))) == 4
    assert model.most == 2


def test_a_simulated_answer_satisfies_its_schema() -> None:
    sample = AiChat().sample(given(AiChat, {"prompt": "Hi", "output_schema": SCHEMA}))
    assert jsons(sample)[0]["data"] == {"sure": True, "tags": ["sample"]}
