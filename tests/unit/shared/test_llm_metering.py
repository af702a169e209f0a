"""What calls cost, how large they can get, and what is refused before a vendor sees it."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.errors import InvalidInput
from shared.llm import Budget, Message, Native, OutputSchema, Request, ToolCall, ToolSpec, Usage
from shared.llms import LlmSettings, Price, connect
from shared.llms.metering.metered import Terms, input_bound
from shared.llms.metering.prices import PRICES, price_of
from tests.support.llm_server import LlmServer, say

ASK = Request([Message.user("Hello")])


def settings_for(server: LlmServer) -> LlmSettings:
    return LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))


def test_each_kind_of_token_has_its_price() -> None:
    price = price_of("claude-haiku-4-5")
    assert price is not None
    used = Usage(1_000_000, 100_000, cached_tokens=500_000, cache_write_tokens=200_000)
    assert price.cost(used) == Decimal("0.3") + Decimal("0.05") + Decimal("0.25") + Decimal("0.5")


def test_long_calls_have_prices_of_their_own() -> None:
    price = PRICES["gpt-5.4"]
    assert price.cost(Usage(272_000)) == Decimal("0.68")
    assert price.cost(Usage(272_001)) == Decimal("1.360005")


@pytest.mark.parametrize(
    ("model", "known_as"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("claude-opus-4-0", "claude-opus-4"),
    ],
)
def test_an_edition_costs_what_its_model_costs(model: str, known_as: str) -> None:
    assert price_of(model) == PRICES[known_as]


@pytest.mark.parametrize("model", ["gpt-4o-audio-preview", "llama3", "gpt", ""])
def test_a_model_that_is_merely_called_alike_has_no_price(model: str) -> None:
    assert price_of(model) is None


@given(
    name=st.sampled_from(sorted(PRICES)),
    tokens=st.tuples(*[st.integers(0, 300_000)] * 4),
)
def test_no_call_costs_more_than_its_bound(name: str, tokens: tuple[int, int, int, int]) -> None:
    plain, cached, cache_write, written = tokens
    read = plain + cached + cache_write
    cost = PRICES[name].cost(Usage(read, written, cached, cache_write))
    assert 0 <= cost <= PRICES[name].highest_cost(read, written)


def test_all_that_is_sent_counts_into_the_bound() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    call = ToolCall("id", "look", '{"city": "Bern"}')
    native = Native("anthropic", [{"type": "thinking", "thinking": "hm", "signature": "s" * 500}])
    bounds = [
        input_bound(request)
        for request in (
            ASK,
            Request([Message.user("你好, Hello")]),
            Request([Message.user("你好, Hello"), Message.assistant("", [call])]),
            Request([*ASK.messages, replace(Message.assistant(""), native=native)]),
            replace(ASK, output=OutputSchema("s", schema)),
            replace(
                ASK, output=OutputSchema("s", schema), tools=[ToolSpec("look", "Looks", schema)]
            ),
        )
    ]
    assert bounds == sorted(bounds)
    assert len(set(bounds)) == len(bounds)
    assert bounds[1] - bounds[0] == len("你好, ".encode())


async def test_a_model_without_a_price_has_tokens_and_no_cost() -> None:
    async with LlmServer() as server:
        server.script.append(say("Hi", tokens=(3, 2)))
        model = connect("openai:home-made", settings_for(server))
        reply = await model.complete(ASK)
        await model.close()
    assert reply.usage == Usage(3, 2, cost_usd=None)


async def test_a_server_that_counts_nothing_is_charged_the_bound() -> None:
    budget = Budget(max_tokens=10_000)
    async with LlmServer() as server:
        server.script.append(say("Hello", tokens=(0, 0)))
        model = connect("openai:home-made", settings_for(server))
        reply = await model.complete(replace(ASK, budget=budget))
        await model.close()
    assert reply.usage.total_tokens == 0
    assert budget.spent.total_tokens == input_bound(ASK) + len("Hello")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": 5},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/schema"}}},
    ],
)
async def test_a_schema_is_checked_and_never_fetched(schema: dict[str, object]) -> None:
    async with LlmServer() as server:
        model = connect("openai:home-made", settings_for(server))
        if schema["properties"] != 5:
            server.script.append(say('{"a": 1}'))
        with pytest.raises(InvalidInput) as caught:
            await model.complete(replace(ASK, output=OutputSchema("s", schema)))
        await model.close()
    assert caught.value.code == "OUTPUT_SCHEMA_INVALID"


async def test_json_in_a_code_fence_is_json() -> None:
    schema = OutputSchema("s", {"type": "object", "required": ["a"]})
    async with LlmServer() as server:
        server.script.append(say('```json\n{"a": 1}\n```'))
        model = connect("openai:home-made", settings_for(server))
        reply = await model.complete(replace(ASK, output=schema))
        await model.close()
    assert reply.data == {"a": 1}


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:8080/v1", True),
        ("http://localhost:11434/v1", True),
        ("http://[::1]:8080", True),
        ("https://api.openai.com/v1", False),
        ("http://localhost.evil.example/v1", False),
        ("http://10.0.0.1/v1", False),
        ("", False),
    ],
)
def test_only_this_machine_is_local(url: str, allowed: bool) -> None:
    terms = Terms(Price(input=Decimal(1)), url, local_only=True)
    if allowed:
        terms.check("p:m")
    else:
        with pytest.raises(Exception, match="switched off"):
            terms.check("p:m")
