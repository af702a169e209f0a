"""The dialects of OpenAI's wires: what other servers do differently, and what they are sent."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from shared.errors import AppError
from shared.llm import (
    Delta,
    Finish,
    Message,
    OutputSchema,
    Reply,
    Request,
    ToolCallDelta,
    ToolSpec,
)
from shared.llm_errors import Overloaded, RateLimited, StreamBroken
from shared.llms import LlmSettings, connect
from tests.support.llm_server import Answer, LlmServer, Script, fail, recorded, reply_in, say

ASK = Request([Message.user("Go on.")])
VERDICT = OutputSchema("verdict", {"type": "object", "required": ["good"]})


def chunks(*deltas: dict[str, Any] | None, **end: Any) -> Script:
    """A stream of these deltas; `end` is put into the last chunk."""
    events: list[dict[str, Any]] = [
        {"id": "c", "choices": [{"index": 0, "delta": delta}]} for delta in deltas
    ]
    events.append(
        {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], **end}
    )
    return recorded(b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events))


def call(name: str = "", arguments: str | None = None, **rest: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"tool_calls": [{"function": function, **rest}]}


async def stream(script: Script, name: str = "openai:m", request: Request = ASK) -> list[Delta]:
    async with LlmServer() as server:
        server.script.append(script)
        settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))
        model = connect(name, settings)
        try:
            return [delta async for delta in model.stream(request)]
        finally:
            await model.close()


async def reply_of(script: Script, name: str = "openai:m") -> Reply:
    return reply_in(await stream(script, name))


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param(
            [
                call("look", '{"a":', id="1", index=0),
                call(arguments="1}", index=0),
                call("see", '{"b":', id="2", index=1),
                call(arguments="2}", index=1),
            ],
            id="by-index",
        ),
        pytest.param(
            [
                call("look", '{"a":', id="1"),
                call(arguments="1}"),
                call("see", '{"b":', id="2"),
                call(arguments="2}"),
            ],
            id="no-index",
        ),
        pytest.param(
            [
                call("look", '{"a":1}', id="1", index=0),
                call("see", '{"b":2}', id="2", index=0),
            ],
            id="index-always-0",
        ),
        pytest.param(
            [
                call("look", '{"a":', id="1", index=0),
                call("look", "1}", id="1", index=0),
                call("see", '{"b":', id="2", index=1),
                call("see", "2}", id="2", index=1),
            ],
            id="name-and-id-repeated",
        ),
        pytest.param(
            [
                call("look", None, id="1", index=0),
                call("see", None, id="2", index=1),
                call(arguments='{"b":2}', index=1),
                call(arguments='{"a":1}', index=0),
            ],
            id="interleaved",
        ),
    ],
)
async def test_tool_calls_are_put_together(deltas: Sequence[dict[str, Any]]) -> None:
    seen = await stream(chunks(*deltas))
    reply = reply_in(seen)
    calls = [(one.call_id, one.name, one.parse()) for one in reply.tool_calls]
    assert calls == [("1", "look", {"a": 1}), ("2", "see", {"b": 2})]
    # The server said "stop".
    assert reply.finish is Finish.TOOL_CALLS
    named = [delta.name for delta in seen if isinstance(delta, ToolCallDelta) and delta.name]
    assert named == ["look", "see"]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_has_two_names(field: str) -> None:
    reply = await reply_of(chunks({field: "Hm, "}, {field: "yes."}, {"content": "Yes."}))
    assert (reply.reasoning, reply.text) == ("Hm, yes.", "Yes.")


async def test_reasoning_that_is_counted_apart_is_output() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 303}
    reply = await reply_of(chunks({"content": "Hi"}, usage=usage))
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (12, 291)


async def test_empty_chunks_do_no_harm() -> None:
    odd = b'data: {"id":"c","choices":null}\n\ndata: {"id":"c","choices":[]}\n\n: comment\n\n'
    good = chunks(None, {"content": None}, {"content": "Hi"})

    def script(asked: Any) -> Answer:
        answer = good(asked)
        return replace(answer, body=odd + answer.body)

    assert (await reply_of(script)).text == "Hi"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("insufficient_system_resource", Overloaded), ("error", StreamBroken)],
)
async def test_a_failure_may_hide_in_the_finish_reason(reason: str, kind: type[AppError]) -> None:
    choices = [{"index": 0, "delta": dict[str, Any](), "finish_reason": reason}]
    with pytest.raises(kind):
        await stream(chunks({"content": "Hi"}, choices=choices))


async def test_an_error_inside_a_stream_may_have_a_number_for_a_code() -> None:
    body = b'data: {"error": {"code": 429, "message": "slow down"}}\n\n'
    with pytest.raises(RateLimited, match="slow down"):
        await stream(recorded(body))


async def test_json_is_asked_for_in_words_where_nothing_else_is_known() -> None:
    async with LlmServer() as server:
        server.script += [
            fail(400, message="This response_format type is unavailable now"),
            fail(400, message="model does not support tools"),
            say('{"good": true}'),
        ]
        settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))
        model = connect("openai:m", settings)
        reply = await model.complete(replace(ASK, output=VERDICT))
        await model.close()
    assert reply.data == {"good": True}
    asked = server.asked[2].body
    assert asked["response_format"] == {"type": "json_object"}
    assert '"required":["good"]' in asked["messages"][0]["content"]
    assert "tools" not in asked


async def test_other_complaints_are_no_reason_to_ask_differently() -> None:
    with pytest.raises(AppError, match="bad weather"):
        await stream(fail(400, message="bad weather"), request=replace(ASK, output=VERDICT))


class Detour(httpx2.AsyncHTTPTransport):
    """A way out that ends at a server of ours, whatever the address."""

    def __init__(self, server: LlmServer) -> None:
        super().__init__()
        self._port = httpx2.URL(server.url).port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return await super().handle_async_request(request)


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://llm.example.org/v1", "max_tokens"),
    ],
)
async def test_the_output_limit_has_two_names(base_url: str, field: str) -> None:
    async with LlmServer() as server:
        server.script.append(say("Hi"))
        settings = LlmSettings(
            openai_base_url=base_url,
            openai_api_key=SecretStr("key"),
            allow_model_requests=True,
        )
        model = connect("openai:m", settings, transport=Detour(server))
        await model.complete(ASK)
        await model.close()
    names = {"max_tokens", "max_completion_tokens"}
    assert names & set(server.asked[0].body) == {field}
    assert server.asked[0].path == "/v1/chat/completions"


async def test_a_responses_server_may_leave_its_output_out_of_the_end() -> None:
    item = {"type": "message", "id": "1", "role": "assistant", "status": "completed"}
    part = {"type": "output_text", "text": "Hi", "annotations": list[Any]()}
    events: list[dict[str, Any]] = [
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": item | {"content": [part]},
        },
        {
            "type": "response.completed",
            "response": {"id": "r", "status": "completed", "output": []},
        },
    ]
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    reply = await reply_of(recorded(body), "openai-responses:m")
    assert (reply.text, reply.usage.total_tokens) == ("Hi", 0)


async def test_a_response_that_failed_after_all_is_an_error() -> None:
    response: dict[str, Any] = {
        "id": "r",
        "status": "failed",
        "output": [],
        "error": {"code": "rate_limit_exceeded", "message": "slow down"},
    }
    whole = json.dumps({"type": "response.failed", "response": response}).encode()
    with pytest.raises(RateLimited, match="slow down"):
        await stream(recorded(b"data: " + whole + b"\n\n"), "openai-responses:m")
    async with LlmServer() as server:
        page = Answer(json.dumps(response).encode(), headers={"content-type": "application/json"})
        server.script.append(lambda _: page)
        settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))
        model = connect("openai-responses:m", settings)
        with pytest.raises(RateLimited, match="slow down"):
            await model.complete(ASK)
        await model.close()


async def test_the_conversation_is_not_kept_by_the_vendor() -> None:
    async with LlmServer() as server:
        server.script.append(say("Hi"))
        settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))
        model = connect("openai-responses:m", settings)
        tool = ToolSpec("look", "Looks.", {"type": "object", "properties": {"a": {}}})
        await model.complete(replace(ASK, tools=[tool], tool_choice="required"))
        await model.close()
    asked = server.asked[0].body
    assert asked["store"] is False
    assert asked["tool_choice"] == "required"
    assert asked["tools"][0]["strict"] is False
