"""`ai.agent`: lets a language model use tools until it has an answer."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import Field

from engine_service.ai.agent import Equipment, Given, call_key, work
from engine_service.ai.asking import (
    DEFAULT_MODEL,
    KEYS,
    ModelParameters,
    failed,
    open_model,
    outcome_of,
    sample_usage,
    shown,
)
from engine_service.ai.memory import Recollection, Talk, recall_all, remember_all
from engine_service.ai.models import attached_models
from engine_service.ai.tools import tools_of
from engine_service.ai.transcript import Transcript, Turn, transcripts_of
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    NodeError,
    NodeInput,
    Outcome,
    Services,
    Waiting,
)
from engine_service.values.samples import sample_of
from shared.errors import AppError
from shared.llm import Budget, Message, Model, OutputSchema, Usage
from shared.workflow import Item, JsonObject


class AgentParameters(ModelParameters):
    """What the agent is to do, and how far it may go."""

    prompt: str = Field(min_length=1, max_length=500_000, description="What it is asked")
    system: str = Field(
        default="", max_length=100_000, description="Who it is and how it should behave"
    )
    output_schema: dict[str, Any] | None = Field(
        default=None,
        description="JSON Schema of an object that the answer must be; a text when not given",
    )
    max_iterations: int = Field(
        default=10, ge=1, le=100, description="How often the model may be asked for one item"
    )
    budget_tokens: int | None = Field(
        default=None, ge=1, description="Tokens that all items together may take"
    )
    budget_usd: Decimal | None = Field(
        default=None, gt=0, description="US dollars that all items together may cost"
    )


class AiAgent(ActionNode[AgentParameters]):
    r"""Has a language model answer each item, with tools that it uses as it sees fit.

    Other nodes are attached to it, by connections to these inputs; they never run by themselves:

    - `model`: a `model.chat`, or several, each asked when the one before is not available. Without
      one, the parameter `model` names it.
    - `tool`: any node that makes items from items (`http.request`, `code.javascript`, connectors,
      another `ai.agent`, …). Its name for the model is its id, its description its notes. What the
      model is to fill in stands in its parameters: `{{ $fromAI('city', 'Where to look') }}`; such
      arguments are checked before the tool runs, and stand in the tool's `$json` too. A `flow.call`
      that asks for nothing takes what the form of its workflow asks for; `mcp.tools` brings the
      tools of a server.
    - `memory`: a `memory.buffer`, `memory.summary`, `memory.kv` or `memory.vector`, or several.
      What they know of the conversation comes before the question; question and answer are kept.
    - `parser`: a `parser.json`, the form of the answer; or the parameter `output_schema`.

    The answer is in `text` (and `data`, with a schema); `steps` are the calls that were made,
    `usage` is what all took. Whoever watches the run sees text, calls and results as they come.
    Failures of a tool are told to the model. A tool that waits, for a person or for another
    workflow, lets the agent wait with it.

    After a crash the agent goes on where it stopped: answers of the model and results of tools are
    in the journal, and nothing of it is done again. A call that was under way is made again with
    the same idempotency key (`run:node:iteration:item.turn.call`) if its tool says that this is
    safe; otherwise a person is asked first.
    """

    Parameters = AgentParameters
    type = "ai.agent"
    title = "Agent"
    effect = Effect.KEYED
    credential_types = KEYS
    attachments: ClassVar[Mapping[str, int]] = {"model": 5, "tool": 50, "memory": 3, "parser": 1}
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"system": "You help customers of a shop.", "prompt": "{{ $json.message }}"},
        {
            "prompt": "Find out who wrote this: {{ $json.text }}",
            "output_schema": {
                "type": "object",
                "properties": {"category": {"type": "string"}, "urgent": {"type": "boolean"}},
                "required": ["category"],
            },
            "max_iterations": 5,
            "budget_usd": 0.5,
        },
    )
    keywords = (
        "agent", "assistant", "tools", "tool use", "function calling", "autonomous", "bot",
        "智能体", "代理", "助手", "工具调用",
    )  # fmt: skip

    async def run(self, given: NodeInput[AgentParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})
        first = given.parameters_for(0)
        try:
            budget = await services.purse.open(
                max_tokens=first.budget_tokens, max_cost_usd=first.budget_usd
            )
            transcripts = transcripts_of(await services.progress.recall(), len(given.items))
            answers: list[Item | Failed] = []
            for transcript in transcripts:
                answer = await _answer(transcript, given, services, budget)
                if isinstance(answer, Waiting):
                    return answer
                answers.append(answer)
        except AppError as error:
            return failed(error)
        return outcome_of(answers)

    def plan(self, parameters: AgentParameters) -> str:
        line = parameters.prompt.strip().partition("\n")[0]
        return f"Let an agent do: {line if len(line) <= 80 else f'{line[:79]}…'}"

    def sample(self, given: NodeInput[AgentParameters]) -> Done:
        return Done({MAIN: [_sample(given.parameters_for(i), i) for i in range(len(given.items))]})

    @classmethod
    def check(cls, parameters: AgentParameters) -> Sequence[tuple[str, str, str]]:
        schema = parameters.output_schema
        if schema is not None and schema.get("type") != "object":
            return [("/output_schema/type", "wrong_type", "The schema must be that of an object.")]
        return []


async def _answer(
    transcript: Transcript, given: NodeInput[AgentParameters], services: Services, budget: Budget
) -> Item | Failed | Waiting:
    """What the agent gives for one item."""
    if transcript.answer is not None:
        return transcript.answer
    index = transcript.item
    parameters = given.parameters_for(index)
    try:
        async with _model(index, parameters, services) as (model, terms):
            talk = Talk(
                index,
                given.items[index]["json"],
                parameters.prompt,
                given.run,
                given.now,
                f"{services.idempotency_key}:{index}",
                model,
                terms,
                budget,
            )
            recalled = await _recalled(transcript, talk, services)
            equipment = Equipment(
                model,
                await tools_of(services.attached("tool"), index),
                [*recalled.messages(parameters.system), Message.user(parameters.prompt)],
                terms,
                await _output(index, parameters, services),
                budget,
                parameters.max_iterations,
            )
            came_to = await work(equipment, transcript, Given(index, given.resumption, services))
            if isinstance(came_to, Waiting):
                return came_to
            await remember_all(services.attached("memory"), talk, came_to.message.text)
    except AppError as error:
        return failed(error)
    except NodeError as error:
        return error.failure
    answer: Item = {"json": _shown(came_to, transcript, equipment.output), "paired_item": index}
    await transcript.answered(answer, services)
    return answer


async def _recalled(transcript: Transcript, talk: Talk, services: Services) -> Recollection:
    """What memories know; what they knew, after a crash or a wait."""
    memories = services.attached("memory")
    if transcript.recalled is not None or not memories:
        return transcript.recalled or Recollection()
    recalled = await recall_all(memories, talk)
    await transcript.recalling(recalled, services)
    return recalled


@asynccontextmanager
async def _model(
    index: int, parameters: AgentParameters, services: Services
) -> AsyncGenerator[tuple[Model, ModelParameters]]:
    """The models that are attached as one, or else the one that is named; and how it writes."""
    async with attached_models(index, services) as attached:
        if attached is not None:
            yield attached
            return
    async with open_model(parameters.model, services) as model:
        yield model, parameters


async def _output(
    index: int, parameters: AgentParameters, services: Services
) -> OutputSchema | None:
    schema = parameters.output_schema
    for parser in services.attached("parser"):
        form: Any = await parser.fill(index)
        schema = form.output_schema
    return None if schema is None else OutputSchema("answer", schema)


def _shown(turn: Turn, transcript: Transcript, output: OutputSchema | None) -> JsonObject:
    shown_turn: JsonObject = {
        "text": turn.message.text,
        "model": turn.model,
        "finish": turn.finish,
        "steps": list(_steps(transcript)),
        "iterations": len(transcript.turns),
        "usage": shown(sum((one.usage for one in transcript.turns), Usage())),
    }
    if output is not None:
        shown_turn["data"] = turn.data
    return shown_turn


def _steps(transcript: Transcript) -> Sequence[JsonObject]:
    """The calls that were made, with what they came to."""
    return [
        {
            "tool": call.name,
            "arguments": call.arguments,
            "result": result.text,
            "is_error": result.is_error,
        }
        for number, turn in enumerate(transcript.turns)
        for place, call in enumerate(turn.message.tool_calls)
        if (result := transcript.results.get(call_key(transcript.item, number, place)))
    ]


def _sample(parameters: AgentParameters, index: int) -> Item:
    told: JsonObject = {
        "text": "A sample answer.",
        "model": parameters.model or DEFAULT_MODEL,
        "finish": "stop",
        "steps": [],
        "iterations": 1,
        "usage": sample_usage(parameters.prompt),
    }
    if parameters.output_schema is not None:
        told["data"] = sample_of(parameters.output_schema)
    return {"json": told, "paired_item": index}
