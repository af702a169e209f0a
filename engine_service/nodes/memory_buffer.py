"""`memory.buffer`: the last turns of a conversation, for an agent to be attached to."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from engine_service.ai.memory import MemoryNode, Recollection, SessionParameters, Talk
from engine_service.sdk.memory import Exchange
from engine_service.sdk.node import Services
from shared.workflow import JsonObject


class BufferParameters(SessionParameters):
    """Whose conversation, and how much of it."""

    turns: int = Field(
        default=10, ge=1, le=200, description="How many questions with their answers are told"
    )
    keep_days: int = Field(
        default=30,
        ge=1,
        le=3_650,
        description="How long a conversation is kept after its last turn",
    )


class MemoryBuffer(MemoryNode[BufferParameters]):
    """Has an agent know the last turns of its conversation, kept in PostgreSQL.

    A turn is a question and its answer. What the agent was asked and what it answered is kept for
    each session; the last `turns` come before the next question. A turn is kept once, even when the
    engine dies in the middle. A conversation is deleted when nobody has gone on with it for
    `keep_days`; of a very long one the last 1,000 turns are kept.
    """

    Parameters = BufferParameters
    type = "memory.buffer"
    title = "Last turns"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {},
        {"session": "{{ $json.email }}", "turns": 20, "scope": "tenant"},
    )
    keywords = (
        "memory", "chat memory", "conversation history", "window buffer", "remember the chat",
        "记忆", "对话记忆", "聊天记录", "上下文",
    )  # fmt: skip

    async def recall(
        self, parameters: BufferParameters, talk: Talk, services: Services
    ) -> Recollection:
        session = parameters.session_of(talk, self.type)
        known = await services.memory.conversations.recall(session, parameters.turns)
        return Recollection([(turn.question, turn.answer) for turn in known.turns])

    async def remember(
        self, parameters: BufferParameters, talk: Talk, answer: str, services: Services
    ) -> None:
        session = parameters.session_of(talk, self.type)
        turn = Exchange(talk.question, answer, talk.now)
        keep = timedelta(days=parameters.keep_days)
        await services.memory.conversations.add(session, turn, talk.key, keep)
