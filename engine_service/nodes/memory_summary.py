"""`memory.summary`: a conversation whose older turns a model sums up."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from engine_service.ai.asking import ask
from engine_service.ai.memory import MemoryNode, Recollection, SessionParameters, Talk
from engine_service.ai.models import attached_models
from engine_service.sdk.memory import Conversation, Exchange
from engine_service.sdk.node import Services
from shared.llm import Message, Request
from shared.workflow import JsonObject

_MOST_TURNS = 200
_MANY_TURNS = 100


class SummaryParameters(SessionParameters):
    """Whose conversation, and when it is summed up."""

    turns: int = Field(
        default=4, ge=1, le=50, description="How many of the last turns are told word for word"
    )
    max_characters: int = Field(
        default=8_000,
        ge=500,
        le=500_000,
        description="When turns are longer than this together, all but the last are summed up",
    )
    instructions: str = Field(
        default="Sum up this conversation between a user and an assistant for the assistant, who "
        "will go on with it. Keep names, numbers, decisions, wishes and what is still open.",
        min_length=1,
        max_length=20_000,
        description="What matters in a summary",
    )
    keep_days: int = Field(
        default=30,
        ge=1,
        le=3_650,
        description="How long a conversation is kept after its last turn",
    )


class MemorySummary(MemoryNode[SummaryParameters]):
    """Has an agent know a long conversation: a summary of its older turns, and the last ones.

    When the turns become longer than `max_characters`, a model sums up all but the last: the one
    that is attached to this memory as its `model`, or else the agent's. That happens before the
    next question is asked, once for all; its tokens count with the agent's. Turns and summaries are
    kept in PostgreSQL, and deleted when nobody has gone on with the conversation for `keep_days`.
    """

    Parameters = SummaryParameters
    type = "memory.summary"
    title = "Summed-up conversation"
    attachments: ClassVar[Mapping[str, int]] = {"model": 5}
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {},
        {"session": "{{ $json.customer }}", "turns": 6, "max_characters": 20_000},
    )
    keywords = (
        "summary memory", "conversation summary", "long conversation", "compress history",
        "memory of agent", "对话摘要", "长对话", "记忆摘要",
    )  # fmt: skip

    async def recall(
        self, parameters: SummaryParameters, talk: Talk, services: Services
    ) -> Recollection:
        conversations = services.memory.conversations
        session = parameters.session_of(talk, self.type)
        known = await conversations.recall(session, _MOST_TURNS)
        older = _to_sum_up(known, parameters)
        summary = known.summary
        if older:
            summary = await _summary(known.summary, older, (parameters, talk, services))
            await conversations.sum_up(session, known, summary, older[-1].place)
        told = known.turns[len(older) :]
        notes = f"The conversation so far, summed up:\n{summary}" if summary else ""
        return Recollection([(turn.question, turn.answer) for turn in told], notes)

    async def remember(
        self, parameters: SummaryParameters, talk: Talk, answer: str, services: Services
    ) -> None:
        session = parameters.session_of(talk, self.type)
        turn = Exchange(talk.question, answer, talk.now)
        keep = timedelta(days=parameters.keep_days)
        await services.memory.conversations.add(session, turn, talk.key, keep)


def _to_sum_up(known: Conversation, parameters: SummaryParameters) -> Sequence[Exchange]:
    """The turns that are to go into the summary now."""
    length = sum(len(turn.question) + len(turn.answer) for turn in known.turns)
    if length <= parameters.max_characters and len(known.turns) <= _MANY_TURNS:
        return ()
    return known.turns[: -parameters.turns]


async def _summary(
    before: str, turns: Sequence[Exchange], at: tuple[SummaryParameters, Talk, Services]
) -> str:
    """A summary of an older one and the turns behind it."""
    parameters, talk, services = at
    said = [f"User: {turn.question}\nAssistant: {turn.answer}" for turn in turns]
    known = [f"Summed up so far:\n{before}"] if before else []
    async with attached_models(talk.index, services) as own:
        model, terms = own or (talk.model, talk.terms)
        request = Request(
            [Message.system(parameters.instructions), Message.user("\n\n".join([*known, *said]))],
            max_output_tokens=terms.max_tokens,
            temperature=terms.temperature,
            timeout_seconds=terms.timeout,
            idempotency_key=f"{talk.key}:summary",
            budget=talk.budget,
        )
        reply, _ = await ask(model, request, _silently)
    return reply.text.strip()


async def _silently(data: JsonObject) -> None:
    """A summary is for the agent: who watches its answer must not read it."""
    del data
