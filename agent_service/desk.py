"""What a step works with: the author, the engine, the library, and a way to be heard at once.

`step` makes a node of the graph out of a step. It keeps the order that lets a turn survive a
restart: first what the last step has made known is published (its checkpoint is safe by then),
then the new step is announced, then it works. Every event has a key made of the tick and its place,
so a step that is done again is not heard again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from langgraph.runtime import Runtime

from agent_service.author import Author, Library, Occasion
from agent_service.engine import Engine
from agent_service.metrics import count_usage
from agent_service.state import Change, Outgoing, Spent, State, as_json
from shared.ids import new_id
from shared.llm import Usage
from shared.session_events import MessageCompleted, MessageDelta, SessionEventData, StageChanged
from shared.workflow import JsonObject

Publish = Callable[[Sequence[Outgoing]], Awaitable[None]]
"""Appends events to the session's history; keys that are there already are left out.

Raises:
    LeaseLost: The turn has ended, or is another process's.
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a turn's steps share; made anew for every turn.

    Attributes:
        retried: Someone worked on this turn before and did not come to its end.
        max_repairs: How often a definition is mended before it is given back as it is.
    """

    author: Author
    engine: Engine
    library: Library
    publish: Publish
    retried: bool
    max_repairs: int


class Step(Protocol):
    """One step: looks at the conversation, does its part, says what has changed."""

    async def __call__(self, state: State, desk: Desk) -> Change: ...


class Node(Protocol):
    """A step as the graph calls it; it takes and gives what checkpoints keep."""

    async def __call__(self, state: State, *, runtime: Runtime[Desk]) -> JsonObject: ...


def step(name: str, work: Step) -> Node:
    """A step as a node of the graph."""

    async def run(state: State, *, runtime: Runtime[Desk]) -> JsonObject:
        desk = runtime.context
        visits = {**state.visits, name: state.visits.get(name, 0) + 1}
        announced = StageChanged(turn_id=state.turn.id, stage=name, round=visits[name])
        await desk.publish([*state.outbox, _outgoing(f"{state.ticks}.stage", announced)])
        spent_before = desk.author.spent
        change = await work(state, desk)
        return {
            **as_json(**change.fields),
            **as_json(
                ticks=state.ticks + 1,
                visits=visits,
                outbox=[
                    _outgoing(f"{state.ticks}.{place}", event)
                    for place, event in enumerate(change.events)
                ],
            ),
            **_accounts(state, desk.author, spent_before),
        }

    return run


def _outgoing(key: str, event: SessionEventData) -> Outgoing:
    return Outgoing(key=key, type=event.type, data=event.model_dump(mode="json"))


def _accounts(state: State, author: Author, before: Usage) -> JsonObject:
    """What the step's model calls add to the turn's and the session's accounts."""
    after = author.spent
    if after.total_tokens == before.total_tokens:
        return {}
    used = Usage(
        input_tokens=after.input_tokens - before.input_tokens,
        output_tokens=after.output_tokens - before.output_tokens,
        cost_usd=None
        if after.cost_usd is None or before.cost_usd is None
        else after.cost_usd - before.cost_usd,
    )
    count_usage(used)
    return as_json(
        turn_spent=_add(state.turn_spent, used, author.name),
        spent=_add(state.spent, used, author.name),
    )


def _add(account: Spent, used: Usage, model: str) -> Spent:
    total = to_usage(account) + used
    return Spent(
        model=model,
        input_tokens=total.input_tokens,
        output_tokens=total.output_tokens,
        cost_usd=None if total.cost_usd is None else str(total.cost_usd),
    )


def to_usage(account: Spent) -> Usage:
    """An account as the models' library counts it."""
    return Usage(
        input_tokens=account.input_tokens,
        output_tokens=account.output_tokens,
        cost_usd=None if account.cost_usd is None else Decimal(account.cost_usd),
    )


async def speak(state: State, desk: Desk, occasion: Occasion) -> Sequence[SessionEventData]:
    """Say something: at once, word by word, where the author thinks while it speaks.

    Returns:
        The events that the step makes known when it is done.
    """
    message_id = new_id("msg")
    words = desk.author.say(occasion, state.language)
    if not desk.author.streams:
        text = "".join([piece async for piece in words])
        return [
            MessageDelta(turn_id=state.turn.id, message_id=message_id, text=text),
            MessageCompleted(turn_id=state.turn.id, message_id=message_id, text=text),
        ]
    text = await _speak_live(state, desk, message_id, words)
    return [MessageCompleted(turn_id=state.turn.id, message_id=message_id, text=text)]


async def _speak_live(state: State, desk: Desk, message_id: str, words: AsyncIterator[str]) -> str:
    pieces: list[str] = []
    async for piece in words:
        delta = MessageDelta(turn_id=state.turn.id, message_id=message_id, text=piece)
        await desk.publish([_outgoing(f"{message_id}.{len(pieces)}", delta)])
        pieces.append(piece)
    return "".join(pieces)
