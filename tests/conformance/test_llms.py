"""What every language model must do, whoever serves it: one spec, run over each provider.

The vendor is a real HTTP server on this machine that speaks its wire (tests/support/llm_server).
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from shared.errors import AppError, InvalidInput, LimitReached, Unavailable
from shared.llm import (
    Budget,
    Delta,
    Done,
    Finish,
    Message,
    Model,
    OutputSchema,
    Request,
    TextDelta,
    ToolCallDelta,
    ToolSpec,
    Usage,
)
from shared.llm_errors import (
    BudgetExhausted,
    ContextTooLong,
    KeyRefused,
    ModelDeclined,
    ModelNotFound,
    ModelUnavailable,
    OutputInvalid,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    RequestRefused,
    RequestsNotAllowed,
    StreamBroken,
    TimedOut,
)
from shared.llms import PROVIDERS, LlmSettings, connect
from shared.llms.metering.prices import Price
from tests.support.llm_server import Answer, LlmServer, fail, reply_in, say, sent

KEY = "sk-the-key-of-the-test"
WEATHER = ToolSpec(
    "get_weather",
    "Tells the weather.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
CLOSED = OutputSchema(
    "verdict",
    {
        "type": "object",
        "properties": {"label": {"enum": ["good", "bad"]}, "score": {"type": "integer"}},
        "required": ["label", "score"],
        "additionalProperties": False,
    },
)
VERDICT = '{"label": "good", "score": 3}'
HELLO = Request([Message.system("Be brief."), Message.user("Grüß Gott, 世界")])


@dataclass(frozen=True, slots=True)
class Subject:
    """A model under test, and the server that it talks to."""

    model: Model
    server: LlmServer

    async def ask(self, request: Request, *, streamed: bool) -> list[Delta]:
        if streamed:
            return [delta async for delta in self.model.stream(request)]
        return [Done(await self.model.complete(request))]


def settings_for(server: LlmServer, **changes: Any) -> LlmSettings:
    return LlmSettings(
        openai_base_url=f"{server.url}/v1",
        anthropic_base_url=server.url,
        openai_api_key=SecretStr(KEY),
        anthropic_api_key=SecretStr(KEY),
        model_prices={"priced": Price(input=Decimal(2), output=Decimal(10))},
        **changes,
    )


@pytest.fixture(params=list(PROVIDERS))
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with LlmServer() as server:
        model = connect(f"{request.param}:priced", settings_for(server))
        yield Subject(model, server)
        await model.close()


each_way = pytest.mark.parametrize("streamed", [False, True], ids=["complete", "stream"])


@each_way
async def test_text_and_usage_arrive(subject: Subject, streamed: bool) -> None:
    subject.server.script.append(say("Grüß Gott, 世界!", tokens=(1000, 200)))
    deltas = await subject.ask(HELLO, streamed=streamed)
    reply = reply_in(deltas)
    assert (reply.text, reply.finish) == ("Grüß Gott, 世界!", Finish.STOP)
    assert reply.model == subject.model.name
    assert reply.usage == Usage(1000, 200, cost_usd=Decimal("0.004"))
    if streamed:
        assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == reply.text
        assert len(deltas) > 3


async def test_the_request_reaches_the_vendor_whole(subject: Subject) -> None:
    subject.server.script.append(say("ok"))
    request = replace(HELLO, temperature=0.5, max_output_tokens=99, idempotency_key="run:n:0")
    await subject.model.complete(request)
    asked = subject.server.asked[0]
    body = json.dumps(asked.body, ensure_ascii=False)
    assert "Be brief." in body
    assert "Grüß Gott, 世界" in body
    assert asked.body["model"] == "priced"
    assert asked.body["temperature"] == 0.5
    assert 99 in asked.body.values()
    assert asked.headers["idempotency-key"] == "run:n:0"
    assert KEY in (asked.headers.get("authorization", "") + asked.headers.get("x-api-key", ""))


@each_way
async def test_tools_are_called_and_answered(subject: Subject, streamed: bool) -> None:
    calls = (
        ("call_1", "get_weather", '{"city": "Bern"}'),
        ("call_2", "get_weather", '{"city": "Xi\'an"}'),
    )
    subject.server.script += [say("Looking.", calls=calls), say("Cold, and warm.")]
    request = replace(HELLO, tools=[WEATHER])
    deltas = await subject.ask(request, streamed=streamed)
    reply = reply_in(deltas)
    assert reply.finish is Finish.TOOL_CALLS
    assert [(c.call_id, c.name, c.parse()) for c in reply.tool_calls] == [
        ("call_1", "get_weather", {"city": "Bern"}),
        ("call_2", "get_weather", {"city": "Xi'an"}),
    ]
    if streamed:
        pieces = [d for d in deltas if isinstance(d, ToolCallDelta)]
        assert [(d.position, d.call_id, d.name) for d in pieces if d.name] == [
            (0, "call_1", "get_weather"),
            (1, "call_2", "get_weather"),
        ]
        second = "".join(d.arguments for d in pieces if d.position == 1)
        assert second == reply.tool_calls[1].arguments
    answers = [Message.tool("call_1", "2 °C"), Message.tool("call_2", "gone", is_error=True)]
    turn = replace(request, messages=[*request.messages, reply.message, *answers])
    assert reply_in(await subject.ask(turn, streamed=streamed)).text == "Cold, and warm."
    sent_back = json.dumps(subject.server.asked[1].body, ensure_ascii=False)
    for word in ("Looking.", "call_1", "call_2", "2 °C", "gone"):
        assert word in sent_back
    assert "get_weather" in json.dumps(subject.server.asked[1].body["tools"])


@each_way
async def test_a_tool_without_arguments_is_an_empty_object(
    subject: Subject, streamed: bool
) -> None:
    subject.server.script.append(say(calls=(("call_1", "get_weather", "{}"),)))
    reply = reply_in(await subject.ask(replace(HELLO, tools=[WEATHER]), streamed=streamed))
    assert reply.tool_calls[0].parse() == {}


async def test_cut_off_tool_arguments_are_not_mended(subject: Subject) -> None:
    cut_off = say(calls=(("call_1", "get_weather", '{"city": "Ber'),), finish="length")
    subject.server.script.append(cut_off)
    reply = reply_in(await subject.ask(replace(HELLO, tools=[WEATHER]), streamed=True))
    assert reply.finish is Finish.LENGTH
    with pytest.raises(OutputInvalid, match="not JSON"):
        reply.tool_calls[0].parse()


@each_way
async def test_structured_output_is_asked_for_natively(subject: Subject, streamed: bool) -> None:
    subject.server.script.append(say(VERDICT))
    deltas = await subject.ask(replace(HELLO, output=CLOSED), streamed=streamed)
    assert reply_in(deltas).data == {"label": "good", "score": 3}
    asked = subject.server.asked[0].body
    assert "json_schema" in json.dumps(asked)
    assert "tools" not in asked


@each_way
async def test_structured_output_comes_by_tool_where_the_server_refuses_schemas(
    subject: Subject, streamed: bool
) -> None:
    refusal = fail(400, message="response_format / text.format / output_config is not supported")
    subject.server.script += [refusal, say("Well:", calls=(("call_1", "answer", VERDICT),))]
    deltas = await subject.ask(replace(HELLO, output=CLOSED), streamed=streamed)
    reply = reply_in(deltas)
    assert reply.data == {"label": "good", "score": 3}
    assert (reply.tool_calls, reply.finish) == ((), Finish.STOP)
    assert [d for d in deltas if isinstance(d, ToolCallDelta)] == []
    if streamed:
        assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == reply.text
    asked = subject.server.asked[1].body
    assert [tool.get("name") or tool["function"]["name"] for tool in asked["tools"]] == ["answer"]
    assert "answer" in json.dumps(asked["tool_choice"])


@each_way
async def test_a_model_may_call_tools_before_it_answers_by_schema(
    subject: Subject, streamed: bool
) -> None:
    subject.server.script.append(say(calls=(("call_1", "get_weather", '{"city": "Bern"}'),)))
    request = replace(HELLO, tools=[WEATHER], output=CLOSED)
    reply = reply_in(await subject.ask(request, streamed=streamed))
    assert (reply.tool_calls[0].name, reply.data) == ("get_weather", None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("I would rather not.", "not JSON"),
        ('{"label": "good"}', "'score' is a required property"),
        ('{"label": "so-so", "score": 3}', "label"),
    ],
)
async def test_an_answer_against_its_schema_is_invalid(
    subject: Subject, text: str, complaint: str
) -> None:
    subject.server.script.append(say(text))
    with pytest.raises(OutputInvalid, match=complaint):
        await subject.model.complete(replace(HELLO, output=CLOSED))


async def test_a_cut_off_answer_says_so(subject: Subject) -> None:
    subject.server.script += [say("Half a sen", finish="length"), say("{", finish="length")]
    assert (await subject.model.complete(HELLO)).finish is Finish.LENGTH
    with pytest.raises(OutputInvalid, match="output limit"):
        await subject.model.complete(replace(HELLO, output=CLOSED))


@each_way
async def test_a_refusal_is_told_from_an_answer(subject: Subject, streamed: bool) -> None:
    no = say(finish="refusal", refusal="I may not.")
    subject.server.script += [no, no]
    reply = reply_in(await subject.ask(HELLO, streamed=streamed))
    assert (reply.finish, reply.refusal) == (Finish.REFUSAL, "I may not.")
    with pytest.raises(ModelDeclined, match="I may not"):
        await subject.ask(replace(HELLO, output=CLOSED), streamed=streamed)


@each_way
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_request_error", RequestRefused),
        (400, "context_length_exceeded", ContextTooLong),
        (401, "authentication_error", KeyRefused),
        (402, "billing_error", QuotaExhausted),
        (403, "permission_error", KeyRefused),
        (404, "not_found_error", ModelNotFound),
        (413, "request_too_large", ContextTooLong),
        (422, "", RequestRefused),
    ],
)
async def test_refusals_are_typed_and_not_repeated(
    subject: Subject, streamed: bool, status: int, code: str, kind: type[AppError]
) -> None:
    subject.server.script.append(fail(status, code, f"no, and {KEY} is known"))
    with pytest.raises(kind) as caught:
        await subject.ask(HELLO, streamed=streamed)
    assert caught.value.metadata["status"] == str(status)
    assert KEY not in str(caught.value)


@each_way
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "rate_limit_error", RateLimited),
        (500, "api_error", ModelUnavailable),
        (503, "", Overloaded),
        (529, "overloaded_error", Overloaded),
    ],
)
async def test_passing_failures_are_repeated_after_the_time_the_vendor_names(
    subject: Subject, streamed: bool, status: int, code: str, kind: type[AppError]
) -> None:
    soon = fail(status, code, retry_after="0.05")
    subject.server.script += [soon, soon, say("At last.")]
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert reply_in(await subject.ask(HELLO, streamed=streamed)).text == "At last."
    # Twice the time that was named; without it, the SDKs' own waits are ten times as long.
    assert 0.1 <= loop.time() - began < 0.75
    subject.server.script += [soon, soon, soon]
    with pytest.raises(kind) as caught:
        await subject.ask(HELLO, streamed=streamed)
    assert caught.value.retry_after == 0.05
    assert caught.value.retryable


@each_way
async def test_a_vendor_that_asks_for_too_much_patience_is_not_waited_for(
    subject: Subject, streamed: bool
) -> None:
    subject.server.script.append(fail(429, "rate_limit_error", retry_after="3600"))
    with pytest.raises(RateLimited) as caught:
        await subject.ask(HELLO, streamed=streamed)
    assert caught.value.retry_after == 3600


async def test_a_connection_that_breaks_before_the_answer_is_repeated(subject: Subject) -> None:
    broken = sent(say("never seen"), hang_up_after=5)
    subject.server.script += [broken, say("Here.")]
    assert (await subject.model.complete(HELLO)).text == "Here."


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
async def test_a_stream_that_breaks_off_is_an_error(subject: Subject, share: float) -> None:
    whole = say("A long enough answer, with many a piece.")

    def broken(asked: Any) -> Answer:
        answer = whole(asked)
        return replace(answer, hang_up_after=int(len(answer.body) * share))

    subject.server.script.append(broken)
    with pytest.raises(Unavailable):
        await subject.ask(HELLO, streamed=True)


async def test_a_stream_that_just_ends_is_an_error(subject: Subject) -> None:
    whole = say("A long enough answer, with many a piece.")

    def ended(asked: Any) -> Answer:
        answer = whole(asked)
        events = answer.body.split(b"\n\n")
        return replace(answer, body=b"\n\n".join(events[: len(events) // 2]) + b"\n\n")

    subject.server.script.append(ended)
    with pytest.raises(StreamBroken, match="broke off"):
        await subject.ask(HELLO, streamed=True)


async def test_a_stream_of_nonsense_is_an_error(subject: Subject) -> None:
    nonsense = Answer(
        b'event: message_start\ndata: {"type": "mess\n\n',
        headers={"content-type": "text/event-stream"},
    )
    subject.server.script.append(lambda _: nonsense)
    with pytest.raises(StreamBroken):
        await subject.ask(HELLO, streamed=True)


async def test_an_error_inside_a_stream_is_typed(subject: Subject) -> None:
    error = {"type": "overloaded_error", "code": "overloaded_error", "message": "Overloaded"}
    event = json.dumps({"type": "error", "error": error}).encode()
    answer = Answer(
        b"event: error\ndata: " + event + b"\n\n", headers={"content-type": "text/event-stream"}
    )
    subject.server.script.append(lambda _: answer)
    with pytest.raises(Overloaded, match="Overloaded"):
        await subject.ask(HELLO, streamed=True)


async def test_a_page_instead_of_json_is_an_error(subject: Subject) -> None:
    page = Answer(b"<html>Welcome to the proxy</html>", headers={"content-type": "text/html"})
    subject.server.script.append(lambda _: page)
    with pytest.raises(Unavailable):
        await subject.model.complete(HELLO)


@each_way
async def test_silence_ends_with_the_deadline(subject: Subject, streamed: bool) -> None:
    subject.server.script.append(sent(say("never seen"), silent_after=60))
    with pytest.raises(TimedOut):
        await subject.ask(replace(HELLO, timeout_seconds=0.2), streamed=streamed)
    async with asyncio.timeout(5):
        await subject.server.client_left.wait()


@each_way
async def test_cancelling_hangs_up_at_once(subject: Subject, streamed: bool) -> None:
    subject.server.script.append(sent(say("never seen"), silent_after=60))
    asking = asyncio.create_task(subject.ask(HELLO, streamed=streamed))
    async with asyncio.timeout(5):
        await subject.server.was_asked.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await subject.server.client_left.wait()


async def test_leaving_a_stream_early_hangs_up(subject: Subject) -> None:
    whole = say("A long enough answer, with many a piece.")

    def stalled(asked: Any) -> Answer:
        answer = whole(asked)
        return replace(answer, silent_after=int(len(answer.body) * 0.6))

    subject.server.script.append(stalled)
    async with asyncio.timeout(5), aclosing(subject.model.stream(HELLO)) as deltas:
        first = await anext(deltas)
    assert isinstance(first, TextDelta)
    async with asyncio.timeout(5):
        await subject.server.client_left.wait()


@each_way
async def test_a_budget_is_charged_and_never_passed(subject: Subject, streamed: bool) -> None:
    budget = Budget(max_cost_usd=Decimal("0.05"))
    request = replace(HELLO, budget=budget, max_output_tokens=4000)
    subject.server.script.append(say("Dear.", tokens=(1000, 4000)))
    await subject.ask(request, streamed=streamed)
    assert budget.spent == Usage(1000, 4000, cost_usd=Decimal("0.042"))
    with pytest.raises(BudgetExhausted) as caught:
        await subject.ask(request, streamed=streamed)
    assert isinstance(caught.value, LimitReached)
    assert len(subject.server.asked) == 1


@each_way
async def test_a_failed_call_costs_nothing(subject: Subject, streamed: bool) -> None:
    budget = Budget(max_tokens=5000)
    subject.server.script.append(fail(400, "invalid_request_error"))
    with pytest.raises(InvalidInput):
        await subject.ask(replace(HELLO, budget=budget), streamed=streamed)
    assert budget.spent == Usage()
    subject.server.script.append(say("Fits."))
    await subject.ask(replace(HELLO, budget=budget), streamed=streamed)


async def test_a_stream_left_early_is_charged_for_what_was_written(subject: Subject) -> None:
    budget = Budget(max_tokens=10_000)
    subject.server.script.append(say("A long enough answer, with many a piece."))
    async with aclosing(subject.model.stream(replace(HELLO, budget=budget))) as deltas:
        await anext(deltas)
    assert 0 < budget.spent.total_tokens < 200
    assert budget.spent.cost_usd


@pytest.mark.parametrize("name", PROVIDERS)
async def test_nothing_leaves_this_machine_when_requests_are_not_allowed(name: str) -> None:
    async with LlmServer() as server:
        local = connect(f"{name}:m", settings_for(server, allow_model_requests=False))
        server.script.append(say("from here"))
        assert (await local.complete(HELLO)).text == "from here"
        await local.close()
    vendor = connect(
        f"{name}:m",
        LlmSettings(
            openai_api_key=SecretStr(KEY),
            anthropic_api_key=SecretStr(KEY),
            openai_base_url="https://api.openai.com/v1",
            anthropic_base_url="https://api.anthropic.com",
            allow_model_requests=False,
        ),
    )
    with pytest.raises(RequestsNotAllowed):
        await vendor.complete(HELLO)
    with pytest.raises(RequestsNotAllowed):
        await anext(vendor.stream(HELLO))
    await vendor.close()
