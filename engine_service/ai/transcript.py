"""What an agent has done for an item, as it stands in the journal: replies, calls and results.

A reply is written down before its calls are made, and a call before it is made and after. So an
attempt after a crash goes on where the one before stopped: it asks the model nothing again that is
written down, and makes no call again whose result is. A call that began and has no result is made
again under the same key if its tool says that this is safe; otherwise a person is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from engine_service.ai.memory import Recollection
from engine_service.ai.tools import Result
from engine_service.sdk.node import Services
from shared.llm import Message, Native, Reply, ToolCall, Usage
from shared.workflow import Item, JsonObject

CallState = Literal["started", "waiting", "asked"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply of the model; `data` is its answer when it was to satisfy a schema."""

    message: Message
    model: str
    usage: Usage
    finish: str
    data: Any = None


@dataclass(slots=True)
class Transcript:
    """What was done for one item.

    Attributes:
        turns: The replies, in order.
        calls: How far a call has come that has no result, by its key.
        results: What calls came to, by key.
        answer: What the agent gave in the end.
        recalled: What its memories knew at first.
    """

    item: int
    turns: list[Turn] = field(default_factory=list[Turn])
    calls: dict[str, CallState] = field(default_factory=dict[str, CallState])
    results: dict[str, Result] = field(default_factory=dict[str, Result])
    answer: Item | None = None
    recalled: Recollection | None = None

    async def recalling(self, recalled: Recollection, services: Services) -> None:
        """Write down what memories knew."""
        self.recalled = recalled
        step = {"turns": [list(turn) for turn in recalled.turns], "notes": recalled.notes}
        await services.progress.note({"item": self.item, "recalled": step})

    async def replied(self, reply: Reply, services: Services) -> Turn:
        """Write a reply down."""
        turn = Turn(reply.message, reply.model, reply.usage, reply.finish.value, reply.data)
        self.turns.append(turn)
        await services.progress.note({"item": self.item, "turn": _turn_to_json(turn)})
        return turn

    async def calling(self, key: str, state: CallState, services: Services) -> None:
        """Write down how far a call has come."""
        self.calls[key] = state
        await services.progress.note({"item": self.item, "call": key, "state": state})

    async def called(self, key: str, result: Result, services: Services) -> None:
        """Write down what a call came to."""
        self.results[key] = result
        step = {"call": key, "result": result.text, "is_error": result.is_error}
        await services.progress.note({"item": self.item, **step})

    async def answered(self, answer: Item, services: Services) -> None:
        """Write down what the agent gave."""
        self.answer = answer
        await services.progress.note({"item": self.item, "answer": answer})


def transcripts_of(steps: Iterable[JsonObject], count: int) -> Sequence[Transcript]:
    """What is written down, for so many items."""
    found: list[Transcript] = [Transcript(item) for item in range(count)]
    for step in steps:
        if "part" not in step and step["item"] < count:
            place: int = step["item"]
            _add(found[place], step)
    return found


def _add(transcript: Transcript, step: JsonObject) -> None:
    if "turn" in step:
        transcript.turns.append(_turn_of(step["turn"]))
    elif "recalled" in step:
        turns = [(question, answer) for question, answer in step["recalled"]["turns"]]
        transcript.recalled = Recollection(turns, step["recalled"]["notes"])
    elif "answer" in step:
        transcript.answer = step["answer"]
    elif "result" in step:
        transcript.results[step["call"]] = Result(step["result"], step["is_error"])
    else:
        transcript.calls[step["call"]] = step["state"]


def _turn_to_json(turn: Turn) -> JsonObject:
    message, usage = turn.message, turn.usage
    native = message.native
    return {
        "text": message.text,
        "calls": [[call.call_id, call.name, call.arguments] for call in message.tool_calls],
        "native": None if native is None else [native.provider, [dict(p) for p in native.content]],
        "model": turn.model,
        "finish": turn.finish,
        "data": turn.data,
        "usage": [usage.input_tokens, usage.output_tokens],
        "cost": None if usage.cost_usd is None else str(usage.cost_usd),
    }


def _turn_of(said: Mapping[str, Any]) -> Turn:
    calls = tuple(ToolCall(*call) for call in said["calls"])
    native = None if said["native"] is None else Native(*said["native"])
    message = Message.assistant(said["text"], calls)
    if native is not None:
        message = Message(message.role, message.text, calls, native=native)
    cost = None if said["cost"] is None else Decimal(said["cost"])
    usage = Usage(*said["usage"], cost_usd=cost)
    return Turn(message, said["model"], usage, said["finish"], said["data"])
