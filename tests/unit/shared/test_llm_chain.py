"""A chain asks its next model where one is unavailable or at its limit, and only there."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest
from pydantic import SecretStr

from shared.errors import AppError
from shared.llm import Budget, Message, Model, Reply, Request
from shared.llm_errors import (
    BudgetExhausted,
    KeyRefused,
    ModelUnavailable,
    RateLimited,
    RequestRefused,
)
from shared.llms import LlmSettings, connect
from tests.support.llm_server import LlmServer, Script, fail, reply_in, say, sent

ASK = Request([Message.user("Hello")])
EACH_WAY = pytest.mark.parametrize("streamed", [False, True], ids=["complete", "stream"])


@dataclass(frozen=True, slots=True)
class Pair:
    """A chain of two vendors."""

    chain: Model
    first: LlmServer
    second: LlmServer

    async def ask(self, *, streamed: bool, request: Request = ASK) -> Reply:
        if not streamed:
            return await self.chain.complete(request)
        return reply_in([delta async for delta in self.chain.stream(request)])


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with AsyncExitStack() as servers:
        first = await servers.enter_async_context(LlmServer())
        second = await servers.enter_async_context(LlmServer())
        settings = LlmSettings(
            openai_base_url=first.url,
            anthropic_base_url=second.url,
            openai_api_key=SecretStr("key"),
            anthropic_api_key=SecretStr("key"),
            llm_max_retries=0,
        )
        chain = connect("openai:one, anthropic:two", settings)
        yield Pair(chain, first, second)
        await chain.close()


@EACH_WAY
async def test_the_first_model_answers_when_it_can(pair: Pair, streamed: bool) -> None:
    pair.first.script.append(say("one"))
    reply = await pair.ask(streamed=streamed)
    assert (reply.text, reply.model) == ("one", "openai:one")
    assert pair.second.asked == []


@EACH_WAY
@pytest.mark.parametrize(
    "failure",
    [
        fail(429, "rate_limit_exceeded"),
        fail(429, "insufficient_quota"),
        fail(529),
        fail(500),
        sent(say("never seen"), hang_up_after=0),
    ],
    ids=["limited", "no-credit", "overloaded", "failing", "broken"],
)
async def test_the_next_model_takes_over(pair: Pair, failure: Script, streamed: bool) -> None:
    pair.first.script.append(failure)
    pair.second.script.append(say("two"))
    reply = await pair.ask(streamed=streamed)
    assert (reply.text, reply.model) == ("two", "anthropic:two")


@EACH_WAY
@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (fail(400, "invalid_request_error"), RequestRefused),
        (fail(401, "invalid_api_key"), KeyRefused),
    ],
)
async def test_what_would_fail_anywhere_is_not_passed_on(
    pair: Pair, failure: Script, kind: type[AppError], streamed: bool
) -> None:
    pair.first.script.append(failure)
    with pytest.raises(kind):
        await pair.ask(streamed=streamed)
    assert pair.second.asked == []


@EACH_WAY
async def test_the_sessions_budget_ends_the_chain(pair: Pair, streamed: bool) -> None:
    with pytest.raises(BudgetExhausted):
        await pair.ask(streamed=streamed, request=replace(ASK, budget=Budget(max_tokens=1)))
    assert (pair.first.asked, pair.second.asked) == ([], [])


@EACH_WAY
async def test_the_last_models_failure_is_the_chains(pair: Pair, streamed: bool) -> None:
    pair.first.script.append(fail(500))
    pair.second.script.append(fail(429, "rate_limit_error", retry_after="9"))
    with pytest.raises(RateLimited) as caught:
        await pair.ask(streamed=streamed)
    assert caught.value.metadata["model"] == "anthropic:two"
    assert caught.value.retry_after == 9


async def test_half_an_answer_is_not_begun_again(pair: Pair) -> None:
    pair.first.script.append(sent(say("A long enough answer."), hang_up_after=600))
    with pytest.raises(ModelUnavailable):
        await pair.ask(streamed=True)
    assert pair.second.asked == []


async def test_nobody_waits_long_for_a_model_that_has_a_successor() -> None:
    async with LlmServer() as first, LlmServer() as second:
        settings = LlmSettings(
            openai_base_url=first.url,
            anthropic_base_url=second.url,
            openai_api_key=SecretStr("key"),
            anthropic_api_key=SecretStr("key"),
        )
        chain = connect("openai:one,anthropic:two", settings)
        first.script.append(fail(429, "rate_limit_exceeded", retry_after="20"))
        second.script.append(say("two"))
        assert (await chain.complete(ASK)).text == "two"
        await chain.close()
