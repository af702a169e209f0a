"""`ai.classify`: sends each item to the category that a language model finds for it."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

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
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from shared.llm import Message, OutputSchema
from shared.workflow import Item, JsonObject

_CASE = "case:"
_OTHER = "other"
_NAME = r"^[^\x00-\x1f]{1,60}$"


class Category(NodeParameters):
    """One category."""

    name: str = Field(
        pattern=_NAME, description="Its name; its items leave by the port `case:NAME`"
    )
    description: str = Field(default="", max_length=2_000, description="What belongs into it")


class ClassifyParameters(EachItemParameters):
    """What is sorted into which categories."""

    text: str = Field(min_length=1, max_length=200_000, description="What is to be sorted")
    categories: list[Category] = Field(
        min_length=1, max_length=50, description="The categories, each with a port of its own"
    )
    other: bool = Field(
        default=True, description="What fits no category leaves by the port `other`"
    )
    instructions: str = Field(
        default="", max_length=20_000, description="What else is to be considered"
    )


class AiClassify(ActionNode[ClassifyParameters]):
    """Sorts each item into one of several categories, by what a language model makes of it.

    Items leave unchanged by the port of their category, `case:NAME`, with `classification` added:
    the `category`, how sure the model is (0 to 1), and what it took. With `other`, what fits none
    of the categories leaves by the port `other`.
    """

    Parameters = ClassifyParameters
    type = "ai.classify"
    title = "Sort by category"
    effect = Effect.READ
    outputs = (_OTHER,)
    credential_types = KEYS
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "text": "{{ $json.message }}",
            "categories": [
                {"name": "bug", "description": "Something does not work"},
                {"name": "billing", "description": "About invoices and payments"},
            ],
        },
    )
    keywords = (
        "text classifier", "categorize", "sort into categories", "label", "triage", "intent",
        "sentiment analysis", "文本分类", "归类", "情感分析",
    )  # fmt: skip

    @classmethod
    def ports(cls, parameters: JsonObject) -> tuple[str, ...]:
        names = [f"{_CASE}{name}" for name in _names(parameters.get("categories"))]
        if parameters.get("other") is not False:
            names.append(_OTHER)
        return tuple(dict.fromkeys(names)) or (_OTHER,)

    async def run(self, given: NodeInput[ClassifyParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []} if MAIN in self.outputs else {})

        async def answer(index: int) -> Item:
            return await _classified(index, given, services)

        answers = await each_item(given, answer, given.parameters_for(0).concurrency)
        return outcome_of(answers, _port)

    def plan(self, parameters: ClassifyParameters) -> str:
        names = ", ".join(category.name for category in parameters.categories[:10])
        return f"Ask {parameters.model} which it is: {names}"

    def sample(self, given: NodeInput[ClassifyParameters]) -> Done:
        outputs: dict[str, list[Item]] = {}
        for index, item in enumerate(given.items):
            name = given.parameters_for(index).categories[0].name
            found = {"category": name, "confidence": 1.0}
            made = _with(item, index, {**found, "usage": sample_usage(name)})
            outputs.setdefault(_port(made), []).append(made)
        return Done(outputs)

    @classmethod
    def check(cls, parameters: ClassifyParameters) -> Sequence[tuple[str, str, str]]:
        names = [category.name for category in parameters.categories]
        return [
            (f"/categories/{place}/name", "duplicate", f"There is a category {name!r} already.")
            for place, name in enumerate(names)
            if name in names[:place]
        ]


async def _classified(index: int, given: NodeInput[ClassifyParameters], services: Services) -> Item:
    parameters = given.parameters_for(index)
    names = [category.name for category in parameters.categories]
    if parameters.other:
        names.append(_OTHER)
    listed = "\n".join(f"- {one.name}: {one.description}" for one in parameters.categories)
    none = "\nWhat fits none of them is 'other'." if parameters.other else ""
    system = f"Sort the text into exactly one of these categories:\n{listed}{none}"
    if parameters.instructions:
        system = f"{system}\n{parameters.instructions}"
    schema: JsonObject = {
        "type": "object",
        "properties": {
            "category": {"type": "string", "enum": list(dict.fromkeys(names))},
            "confidence": {"type": "number", "description": "From 0 to 1"},
        },
        "required": ["category", "confidence"],
        "additionalProperties": False,
    }
    messages = [Message.system(system), Message.user(parameters.text)]
    output = OutputSchema("classification", schema)
    reply, used = await ask_for_object(parameters, messages, output, (index, services))
    told = {**cast("JsonObject", reply.data), "model": reply.model, "usage": shown(used)}
    return _with(given.items[index], index, told)


def _with(item: Item, index: int, classification: JsonObject) -> Item:
    told = {**item["json"], "classification": classification}
    return {**item, "json": told, "paired_item": index}


def _port(item: Item) -> str:
    name = item["json"]["classification"]["category"]
    return name if name == _OTHER else f"{_CASE}{name}"


def _names(categories: Any) -> list[str]:
    """Names of categories as they are written, which nobody has checked yet."""
    listed = cast("list[Any]", categories) if isinstance(categories, list) else []
    named = [cast("JsonObject", one).get("name") for one in listed if isinstance(one, dict)]
    return [name for name in named if isinstance(name, str) and name]
