"""`ai.extract`: takes facts out of a text, as fields."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from engine_service.ai.asking import (
    KEYS,
    EachItemParameters,
    ask_for_object,
    each_item,
    outcome_of,
    sample_usage,
    shown,
)
from engine_service.sdk.node import MAIN, ActionNode, Done, Effect, NodeInput, Outcome, Services
from engine_service.values.samples import sample_of
from shared.llm import Message, OutputSchema
from shared.workflow import Item, JsonObject

_SYSTEM = (
    "Take out of the text what the schema asks for. Use only what the text says; leave a field out "
    "that it says nothing about, unless the schema requires it."
)


class ExtractParameters(EachItemParameters):
    """What is taken out of which text."""

    text: str = Field(min_length=1, max_length=500_000, description="The text")
    output_schema: dict[str, Any] = Field(
        description="JSON Schema of an object: the fields that are taken out, each described"
    )
    instructions: str = Field(
        default="", max_length=20_000, description="What else is to be considered"
    )


class AiExtract(ActionNode[ExtractParameters]):
    """Takes facts out of a text and gives them as fields.

    The output item holds them in `data`, an object that satisfies `output_schema`, beside the
    `model` that found them and `usage`. An answer that does not satisfy the schema is sent back
    once; if the next one does not either, the item fails with `model_output_invalid`.
    """

    Parameters = ExtractParameters
    type = "ai.extract"
    title = "Take out facts"
    effect = Effect.READ
    credential_types = KEYS
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "text": "{{ $json.text }}",
            "output_schema": {
                "type": "object",
                "properties": {
                    "category": {"type": "string", "description": "What it is about"},
                    "urgent": {"type": "boolean", "description": "Whether it cannot wait"},
                },
                "required": ["category"],
            },
        },
    )
    keywords = (
        "information extractor", "extract fields", "parse text", "entities", "structured data",
        "invoice data", "信息提取", "抽取", "实体识别",
    )  # fmt: skip

    async def run(self, given: NodeInput[ExtractParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})

        async def answer(index: int) -> Item:
            return await _extracted(index, given.parameters_for(index), services)

        return outcome_of(await each_item(given, answer, given.parameters_for(0).concurrency))

    def plan(self, parameters: ExtractParameters) -> str:
        fields = ", ".join(list(parameters.output_schema.get("properties", {}))[:10])
        return f"Ask {parameters.model} for: {fields}"

    def sample(self, given: NodeInput[ExtractParameters]) -> Done:
        made: list[Item] = []
        for index in range(len(given.items)):
            parameters = given.parameters_for(index)
            told = {"data": sample_of(parameters.output_schema), "model": parameters.model}
            told["usage"] = sample_usage(parameters.text)
            made.append({"json": told, "paired_item": index})
        return Done({MAIN: made})

    @classmethod
    def check(cls, parameters: ExtractParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.output_schema.get("type") != "object":
            return [("/output_schema/type", "wrong_type", "The schema must be that of an object.")]
        return []


async def _extracted(index: int, parameters: ExtractParameters, services: Services) -> Item:
    system = f"{_SYSTEM}\n{parameters.instructions}" if parameters.instructions else _SYSTEM
    messages = [Message.system(system), Message.user(parameters.text)]
    output = OutputSchema("facts", parameters.output_schema)
    reply, used = await ask_for_object(parameters, messages, output, (index, services))
    told = {"data": reply.data, "model": reply.model, "usage": shown(used)}
    return {"json": told, "paired_item": index}
