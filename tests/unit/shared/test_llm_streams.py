"""Recorded streams of real vendors become the final messages that the vendors' own clients make."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.llm import (
    Delta,
    Message,
    ReasoningDelta,
    Reply,
    Request,
    TextDelta,
    ToolCallDelta,
)
from shared.llm_errors import QuotaExhausted
from shared.llms import LlmSettings, connect
from tests.support.llm_server import LlmServer, recorded, reply_in

DATA = Path(__file__).parents[4] / "shared" / "data"
if not (DATA / "llm_streams.json").exists():
    pytest.skip("recorded streams are not here (../shared/data)", allow_module_level=True)

ROWS: list[dict[str, Any]] = json.loads((DATA / "llm_streams.json").read_text())
MODELS = {
    "openai.chat": "openai:recorded",
    "openai.responses": "openai-responses:recorded",
    "anthropic.messages": "anthropic:recorded",
}
# Rows that cannot be met, with the reason. None.
UNMET: dict[str, str] = {}
# Sizes in which the bytes arrive: at once, and cutting through lines and characters.
CUTS: dict[str, Sequence[int]] = {
    "whole": (),
    "shreds": [random.Random(7).randint(1, 40) for _ in range(997)],
}

pytestmark = pytest.mark.parametrize(
    ("row", "cut"),
    [
        pytest.param(row, cut, id=f"{row['name']}-{cut}")
        for row in ROWS
        for cut in CUTS
        if row["name"] not in UNMET
    ],
)


async def test_a_recorded_stream_becomes_its_final_message(row: dict[str, Any], cut: str) -> None:
    async with LlmServer() as server:
        server.script.append(recorded((DATA / row["file"]).read_bytes(), CUTS[cut]))
        if row["expect"].get("status") == "failed":
            await expect_failure(server, row)
            return
        deltas = await replay(server, row["api"])
    reply = reply_in(deltas)
    assert final_message(row["api"], reply) == row["expect"]
    assert_deltas_make_the_reply(deltas[:-1], reply)


async def replay(server: LlmServer, api: str) -> list[Delta]:
    settings = LlmSettings(
        openai_base_url=f"{server.url}/v1",
        anthropic_base_url=server.url,
        openai_api_key=SecretStr("key"),
        anthropic_api_key=SecretStr("key"),
    )
    model = connect(MODELS[api], settings)
    try:
        return [delta async for delta in model.stream(Request([Message.user("Go on.")]))]
    finally:
        await model.close()


def final_message(api: str, reply: Reply) -> dict[str, Any]:
    """The reply in the words of the recordings' expectations."""
    if api == "anthropic.messages":
        return dict(reply.raw)
    if api == "openai.responses":
        return {
            "output_text": reply.text,
            "status": reply.raw["status"],
            "usage": reply.raw["usage"],
        }
    fields = ("content", "reasoning", "refusal", "tool_calls", "finish_reason", "usage", "chunks")
    return {name: reply.raw[name] for name in fields}


def assert_deltas_make_the_reply(deltas: Sequence[Delta], reply: Reply) -> None:
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == reply.text
    thoughts = "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
    assert thoughts == reply.reasoning
    calls: list[list[str]] = []
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            if delta.name:
                calls.append([delta.call_id, delta.name, ""])
            calls[delta.position][2] += delta.arguments
    assert calls == [[call.call_id, call.name, call.arguments] for call in reply.tool_calls]


async def expect_failure(server: LlmServer, row: dict[str, Any]) -> None:
    """A response that failed is no reply with an odd status but the error that it reports."""
    with pytest.raises(QuotaExhausted, match="exceeded your current quota") as caught:
        await replay(server, row["api"])
    assert caught.value.metadata["vendor_code"] == "insufficient_quota"
    assert row["expect"] == {"output_text": "", "status": "failed", "usage": None}
