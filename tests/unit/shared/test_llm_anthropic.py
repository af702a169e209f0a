"""What is special about Anthropic's wire: turns, thinking, and its dialect of schemas."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from shared.llm import Message, OutputSchema, ReasoningDelta, Reply, Request, ToolCall, ToolSpec
from shared.llms import LlmSettings, connect
from tests.support.llm_server import Asked, LlmServer, Script, recorded, reply_in, say
from tests.support.llm_wires import message_events

ASK = Request([Message.user("Go on.")])


async def complete(scripts: Sequence[Script], request: Request) -> tuple[Reply, list[Asked]]:
    async with LlmServer() as server:
        server.script.extend(scripts)
        settings = LlmSettings(anthropic_base_url=server.url, anthropic_api_key=SecretStr("key"))
        model = connect("anthropic:m", settings)
        reply = await model.complete(request)
        await model.close()
    return reply, server.asked


async def test_answers_of_tools_stand_in_one_turn() -> None:
    calls = [ToolCall("1", "look", '{"a": 1}'), ToolCall("2", "look", "")]
    request = Request(
        [
            Message.system("Be brief."),
            Message.user("Look twice."),
            Message.assistant("", calls),
            Message.tool("1", "one"),
            Message.tool("2", "none", is_error=True),
            Message.user("And?"),
            Message.system("In French."),
        ]
    )
    _, asked = await complete([say("Rien.")], request)
    body = asked[0].body
    assert body["system"] == "Be brief.\n\nIn French."
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Look twice."}]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "1", "name": "look", "input": {"a": 1}},
                {"type": "tool_use", "id": "2", "name": "look", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "one", "is_error": False},
                {"type": "tool_result", "tool_use_id": "2", "content": "none", "is_error": True},
                {"type": "text", "text": "And?"},
            ],
        },
    ]


THINKING: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "signed"},
    {"type": "text", "text": "Looking."},
    {"type": "tool_use", "id": "1", "name": "look", "input": {}},
    {"type": "text", "text": ""},
]


async def test_thinking_goes_back_signed() -> None:
    async with LlmServer() as server:
        settings = LlmSettings(anthropic_base_url=server.url, anthropic_api_key=SecretStr("key"))
        model = connect("anthropic:m", settings)
        server.script += [recorded(message_events(THINKING, "tool_use")), say("Done.")]
        deltas = [delta async for delta in model.stream(ASK)]
        reply = reply_in(deltas)
        assert [d.text for d in deltas if isinstance(d, ReasoningDelta)] == ["Hm."]
        messages = [*ASK.messages, reply.message, Message.tool("1", "seen")]
        await model.complete(Request(messages))
        await model.close()
    # As it was written, save for the empty text, which the vendor does not take back.
    assert server.asked[1].body["messages"][1]["content"] == THINKING[:3]


async def test_another_vendors_message_is_retold() -> None:
    async with LlmServer() as server:
        settings = LlmSettings(
            openai_base_url=server.url,
            openai_api_key=SecretStr("key"),
            anthropic_base_url=server.url,
            anthropic_api_key=SecretStr("key"),
        )
        one, other = connect("anthropic:m", settings), connect("openai:m", settings)
        server.script += [recorded(message_events(THINKING, "tool_use")), say("Done.")]
        deltas = [delta async for delta in one.stream(ASK)]
        reply = reply_in(deltas)
        await other.complete(Request([*ASK.messages, reply.message, Message.tool("1", "seen")]))
        await one.close()
        await other.close()
    retold = server.asked[1].body["messages"][1]
    assert retold["content"] == "Looking."
    assert retold["tool_calls"][0]["function"]["name"] == "look"


FREE: dict[str, Any] = {"type": "object", "properties": {"values": {"type": "object"}}}
UNTYPED: dict[str, Any] = {"type": "object", "properties": {"value": {}}}


@pytest.mark.parametrize("schema", [FREE, UNTYPED], ids=["free", "untyped"])
async def test_what_the_dialect_cannot_say_is_asked_for_by_tool(schema: dict[str, Any]) -> None:
    request = replace(ASK, output=OutputSchema("answer", schema))
    reply, asked = await complete([say(calls=(("1", "answer", '{"values": {"a": 1}}'),))], request)
    assert reply.data == {"values": {"a": 1}}
    assert asked[0].body["tool_choice"] == {"type": "tool", "name": "answer"}
    assert "output_config" not in asked[0].body


async def test_limits_that_the_dialect_lacks_are_checked_here() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "maximum": 5}},
        "required": ["n"],
    }
    request = replace(ASK, output=OutputSchema("number", schema))
    reply, asked = await complete([say('{"n": 5}')], request)
    sent = asked[0].body["output_config"]["format"]["schema"]
    assert sent["additionalProperties"] is False
    assert "maximum" not in sent["properties"]["n"]
    assert reply.data == {"n": 5}


async def test_with_tools_of_its_own_a_request_leaves_the_choice() -> None:
    tool = ToolSpec("look", "Looks.", {"type": "object", "properties": {}})
    request = replace(ASK, tools=[tool], output=OutputSchema("answer", FREE))
    reply, asked = await complete([say("So:", calls=(("1", "answer", "{}"),))], request)
    assert (reply.data, reply.text) == ({}, "{}")
    assert asked[0].body["tool_choice"] == {"type": "any"}


async def test_cached_input_is_part_of_the_input() -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 20}
    async with LlmServer() as server:
        settings = LlmSettings(anthropic_base_url=server.url, anthropic_api_key=SecretStr("key"))
        model = connect("anthropic:m", settings)
        server.script.append(recorded(message_events(THINKING[1:2], "end_turn", usage)))
        deltas = [delta async for delta in model.stream(ASK)]
        await model.close()
    used = reply_in(deltas).usage
    assert (used.input_tokens, used.cached_tokens, used.cache_write_tokens) == (33, 10, 20)
