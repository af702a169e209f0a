"""`ai.chat`: asks a language model."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from pydantic import Field

from engine_service.ai.asking import (
    KEYS,
    EachItemParameters,
    ask,
    each_item,
    open_model,
    outcome_of,
    sample_usage,
    shown,
)
from engine_service.sdk.node import MAIN, ActionNode, Done, Effect, NodeInput, Outcome, Services
from engine_service.values.samples import sample_of
from shared.llm import Message, OutputSchema, Reply, Request, Usage
from shared.workflow import Item, JsonObject


class ChatParameters(EachItemParameters):
    """What to ask which model."""

    prompt: str = Field(min_length=1, max_length=500_000, description="What the model is asked")
    system: str = Field(
        default="", max_length=100_000, description="How it should behave, for the whole answer"
    )
    output_schema: dict[str, Any] | None = Field(
        default=None,
        description="JSON Schema of an object that the answer must be; a text when not given",
    )

    budget_tokens: int | None = Field(
        default=None, ge=1, description="Tokens that one answer may take, its question included"
    )
    budget_usd: Decimal | None = Field(
        default=None, gt=0, description="US dollars that one answer may cost"
    )


class AiChat(ActionNode[ChatParameters]):
    """Asks a language model about each item, and gives its answer.

    The output item holds `text`, the `model` that answered, the `finish` reason and `usage`
    (tokens and cost in dollars, null when the price is not known). With `output_schema` the
    answer is an object that satisfies the schema, in `data`; one that does not is sent back once,
    with what is wrong about it. Whoever watches the run sees the
    text while it is written.

    The model is `provider:model`, such as `openai:gpt-4o-mini` or `anthropic:claude-sonnet-4-5`;
    several separated by commas are a chain, each tried when the one before it is not available.
    A credential of the vendor (`openai.key`, `anthropic.key`) pays for the call; without one it is
    the operator's account, and without that the node fails with `model_not_configured`.
    """

    Parameters = ChatParameters
    type = "ai.chat"
    title = "Ask a language model"
    effect = Effect.READ
    credential_types = KEYS
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"prompt": "Summarise in three sentences:\n\n{{ $json.text }}"},
        {
            "system": "You sort support requests.",
            "prompt": "{{ $json.message }}",
            "output_schema": {
                "type": "object",
                "properties": {
                    "category": {"type": "string", "enum": ["bug", "billing", "other"]},
                    "urgent": {"type": "boolean"},
                },
                "required": ["category", "urgent"],
                "additionalProperties": False,
            },
            "temperature": 0,
        },
    )
    keywords = (
        "ai", "llm", "gpt", "claude", "openai", "anthropic", "chat", "summarise", "summarize",
        "classify", "translate", "extract", "write", "generate", "answer", "prompt", "sentiment",
        "人工智能", "大模型", "总结", "摘要", "分类", "翻译", "提取", "生成", "写",
    )  # fmt: skip

    async def run(self, given: NodeInput[ChatParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})

        async def answer(index: int) -> Item:
            return await _answer(index, given, services)

        return outcome_of(await each_item(given, answer, given.parameters_for(0).concurrency))

    def plan(self, parameters: ChatParameters) -> str:
        first_line = parameters.prompt.strip().partition("\n")[0]
        shown = first_line if len(first_line) <= 80 else f"{first_line[:79]}…"
        return f"Ask {parameters.model}: {shown}"

    def sample(self, given: NodeInput[ChatParameters]) -> Done:
        return Done({MAIN: [_sample(given.parameters_for(i), i) for i in range(len(given.items))]})

    @classmethod
    def check(cls, parameters: ChatParameters) -> Sequence[tuple[str, str, str]]:
        schema = parameters.output_schema
        if schema is not None and schema.get("type") != "object":
            return [("/output_schema/type", "wrong_type", "The schema must be that of an object.")]
        return []


async def _answer(index: int, given: NodeInput[ChatParameters], services: Services) -> Item:
    parameters = given.parameters_for(index)

    async def emit(data: JsonObject) -> None:
        await services.emit({"item": index, **data})

    budget = await services.purse.open(
        max_tokens=parameters.budget_tokens, max_cost_usd=parameters.budget_usd
    )
    request = replace(_request(parameters, index, services), budget=budget)
    async with open_model(parameters.model, services) as model:
        reply, used = await ask(model, request, emit)
    return {"json": _shown(reply, used, parameters), "paired_item": index}


def _request(parameters: ChatParameters, index: int, services: Services) -> Request:
    messages = [Message.user(parameters.prompt)]
    if parameters.system:
        messages.insert(0, Message.system(parameters.system))
    schema = parameters.output_schema
    return Request(
        messages,
        output=None if schema is None else OutputSchema("answer", schema),
        max_output_tokens=parameters.max_tokens,
        temperature=parameters.temperature,
        timeout_seconds=parameters.timeout,
        idempotency_key=f"{services.idempotency_key}:{index}",
    )


def _shown(reply: Reply, used: Usage, parameters: ChatParameters) -> JsonObject:
    told: JsonObject = {
        "text": reply.text,
        "model": reply.model,
        "finish": reply.finish.value,
        "usage": shown(used),
    }
    if parameters.output_schema is not None:
        told["data"] = reply.data
    return told


def _sample(parameters: ChatParameters, index: int) -> Item:
    told: JsonObject = {
        "text": "A sample answer.",
        "model": parameters.model,
        "finish": "stop",
        "usage": sample_usage(parameters.prompt),
    }
    if parameters.output_schema is not None:
        told["data"] = sample_of(parameters.output_schema)
    return {"json": told, "paired_item": index}
