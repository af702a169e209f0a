"""An agent at work on one item: it asks its model, makes the calls that the model wants, and again.

Everything is written into a transcript on the way (see there what a crash means). A tool may wait,
for a person or a called workflow; then the agent waits with it and goes on with the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine_service.ai.asking import Emit, ModelParameters, ask
from engine_service.ai.tools import Result, Tool, result_of
from engine_service.ai.transcript import Transcript, Turn
from engine_service.sdk.node import Failed, NodeError, Question, Resumption, Services, Waiting
from shared.errors import AppError
from shared.llm import Budget, Message, Model, OutputSchema, Request, ToolCall

_NOT_REPEATED = (
    "A crash left open whether this call had its effect, and a person decided not to repeat it."
)


@dataclass(frozen=True, slots=True)
class Equipment:
    """What an agent works with.

    Attributes:
        messages: What is said to the model at first.
        most_turns: How often the model may be asked.
    """

    model: Model
    tools: Mapping[str, Tool]
    messages: Sequence[Message]
    parameters: ModelParameters
    output: OutputSchema | None
    budget: Budget
    most_turns: int


@dataclass(frozen=True, slots=True)
class Given:
    """For which item an agent works, what became of a wait, and what it may use."""

    index: int
    resumption: Resumption | None
    services: Services

    async def emit(self, data: dict[str, Any]) -> None:
        """Tell watchers of progress with the item."""
        await self.services.emit({"item": self.index, **data})


async def work(equipment: Equipment, transcript: Transcript, given: Given) -> Turn | Waiting:
    """Go on until the model has said its last word, or a tool waits.

    Raises:
        AppError: The model failed.
        NodeError: It wanted calls for ever, or would not answer.
    """
    for number in range(equipment.most_turns):
        if number < len(transcript.turns):
            turn = transcript.turns[number]
        else:
            turn = await _next_turn(equipment, transcript, given)
        if not turn.message.tool_calls:
            return turn
        for place, call in enumerate(turn.message.tool_calls):
            key = call_key(given.index, number, place)
            if key not in transcript.results:
                waits = await _Calling(equipment, transcript, given).make(key, call)
                if waits is not None:
                    return waits
    message = f"The model still wanted calls after {equipment.most_turns} answers."
    raise NodeError(Failed("too_many_iterations", message))


def call_key(item: int, turn: int, place: int) -> str:
    """Which call it is, whoever asks: part of its idempotency key."""
    return f"{item}.{turn}.{place}"


async def _next_turn(equipment: Equipment, transcript: Transcript, given: Given) -> Turn:
    parameters = equipment.parameters
    number = len(transcript.turns)
    request = Request(
        [*equipment.messages, *_said(transcript, given.index)],
        tools=[tool.spec for tool in equipment.tools.values()],
        output=equipment.output,
        max_output_tokens=parameters.max_tokens,
        temperature=parameters.temperature,
        timeout_seconds=parameters.timeout,
        idempotency_key=f"{given.services.idempotency_key}:{given.index}.{number}",
        budget=equipment.budget,
    )
    emit: Emit = given.emit
    reply, _ = await ask(equipment.model, request, emit)
    return await transcript.replied(reply, given.services)


def _said(transcript: Transcript, item: int) -> Sequence[Message]:
    """The conversation so far, calls with what they came to."""
    messages: list[Message] = []
    for number, turn in enumerate(transcript.turns):
        messages.append(turn.message)
        for place, call in enumerate(turn.message.tool_calls):
            result = transcript.results[call_key(item, number, place)]
            messages.append(Message.tool(call.call_id, result.text, is_error=result.is_error))
    return messages


@dataclass(frozen=True, slots=True)
class _Calling:
    """Makes one call, whatever is known of it already."""

    equipment: Equipment
    transcript: Transcript
    given: Given

    async def make(self, key: str, call: ToolCall) -> Waiting | None:
        """Make the call; None when it has a result now."""
        tool = self.equipment.tools.get(call.name)
        if tool is None:
            known = ", ".join(self.equipment.tools) or "none"
            return await self._came_to(
                key, call, Result(f"There is no such tool; there is {known}.", is_error=True)
            )
        state = self.transcript.calls.get(key)
        if state == "started" and not tool.repeatable:
            return await self._ask(key, tool)
        if state == "asked":
            if self._answer() is None:
                return await self._ask(key, tool)
            if self._answer() != "approve":
                return await self._came_to(key, call, Result(_NOT_REPEATED, is_error=True))
        return await self._run(
            key, call, tool, self.given.resumption if state == "waiting" else None
        )

    async def _run(
        self, key: str, call: ToolCall, tool: Tool, resumption: Resumption | None
    ) -> Waiting | None:
        try:
            arguments = call.parse()
        except AppError as error:
            return await self._came_to(key, call, Result(error.message, is_error=True))
        if misfit := tool.misfit(arguments):
            wrong = Result(f"The arguments do not fit: {misfit}", is_error=True)
            return await self._came_to(key, call, wrong)
        services, index = self.given.services, self.given.index
        if resumption is None:
            await self.transcript.calling(key, "started", services)
        outcome = await tool.node.run(index, arguments, key, resumption, tool.offered)
        if isinstance(outcome, Waiting):
            await self.transcript.calling(key, "waiting", services)
            return outcome
        return await self._came_to(key, call, result_of(outcome))

    async def _ask(self, key: str, tool: Tool) -> Waiting:
        """Ask a person whether to repeat a call that may have had its effect."""
        await self.transcript.calling(key, "asked", self.given.services)
        return Waiting(
            question=Question(
                f"Repeat “{tool.node.definition.name}”?",
                "The engine stopped while an agent used this tool, and nobody knows whether it had "
                "its effect. **Approve** to use it again; **reject** to tell the agent so.",
            )
        )

    def _answer(self) -> str | None:
        resumption = self.given.resumption
        answer = resumption.answer if resumption is not None else None
        return None if answer is None else str(answer.get("decision", ""))

    async def _came_to(self, key: str, call: ToolCall, result: Result) -> None:
        await self.transcript.called(key, result, self.given.services)
        told = {"name": call.name, "call": key, "is_error": result.is_error}
        await self.given.emit({"tool_result": told})
