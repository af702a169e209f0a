"""`ai.summarize`: makes long texts short."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

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
from engine_service.ai.pieces import pieces
from engine_service.sdk.node import MAIN, ActionNode, Done, Effect, NodeInput, Outcome, Services
from shared.llm import Budget, Message, Model, Request, Usage
from shared.workflow import Item, JsonObject

_MOST_ROUNDS = 8


class SummarizeParameters(EachItemParameters):
    """What is summarised, and how."""

    text: str = Field(min_length=1, max_length=5_000_000, description="The text, of any length")
    instructions: str = Field(
        default="Summarise in a few sentences.",
        min_length=1,
        max_length=20_000,
        description="How long and in which form, and what matters",
    )
    chunk_characters: int = Field(
        default=20_000,
        ge=500,
        le=500_000,
        description="Longer texts are summarised in parts of this length, and the parts together",
    )
    budget_usd: Decimal | None = Field(
        default=None, gt=0, description="US dollars that one summary may cost"
    )


class AiSummarize(ActionNode[SummarizeParameters]):
    """Summarises a text, however long it is.

    A text that is too long for one question is cut where paragraphs or sentences end; each part is
    summarised, and the summaries together, as often as it takes. The output item holds the summary
    in `text`, the number of `parts`, the `model` and `usage`.
    """

    Parameters = SummarizeParameters
    type = "ai.summarize"
    title = "Summarise a text"
    effect = Effect.READ
    credential_types = KEYS
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"text": "{{ $json.text }}"},
        {"text": "{{ $json.text }}", "instructions": "Three bullet points, in German."},
    )
    keywords = (
        "summary", "summarization", "tl;dr", "condense", "long text", "meeting notes", "digest",
        "摘要", "概括", "缩写",
    )  # fmt: skip

    async def run(self, given: NodeInput[SummarizeParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})

        async def answer(index: int) -> Item:
            return await _summary(index, given.parameters_for(index), services)

        return outcome_of(await each_item(given, answer, given.parameters_for(0).concurrency))

    def plan(self, parameters: SummarizeParameters) -> str:
        parts = len(pieces(parameters.text, parameters.chunk_characters))
        return f"Ask {parameters.model} for a summary of {parts} part{'s' if parts != 1 else ''}"

    def sample(self, given: NodeInput[SummarizeParameters]) -> Done:
        made: list[Item] = []
        for index in range(len(given.items)):
            parameters = given.parameters_for(index)
            told: JsonObject = {"text": "A sample summary.", "parts": 1}
            told |= {"model": parameters.model, "usage": sample_usage(parameters.text)}
            made.append({"json": told, "paired_item": index})
        return Done({MAIN: made})


@dataclass(slots=True)
class _Summing:
    """One summary on its way; parts are asked for one after another."""

    model: Model
    parameters: SummarizeParameters
    services: Services
    budget: Budget
    index: int
    used: Usage
    asked: int = 0
    named: str = ""

    async def shorten(self, text: str) -> str:
        """A summary of a text that fits into one question."""
        parameters, services = self.parameters, self.services
        request = Request(
            [Message.system(parameters.instructions), Message.user(text)],
            max_output_tokens=parameters.max_tokens,
            temperature=parameters.temperature,
            timeout_seconds=parameters.timeout,
            idempotency_key=f"{services.idempotency_key}:{self.index}.{self.asked}",
            budget=self.budget,
        )
        place, self.asked = self.asked, self.asked + 1

        async def emit(data: JsonObject) -> None:
            await services.emit({"item": self.index, "part": place, **data})

        reply, used = await ask(self.model, request, emit)
        self.used, self.named = self.used + used, reply.model
        return reply.text


async def _summary(index: int, parameters: SummarizeParameters, services: Services) -> Item:
    budget = await services.purse.open(max_cost_usd=parameters.budget_usd)
    async with open_model(parameters.model, services) as model:
        summing = _Summing(model, parameters, services, budget, index, Usage())
        parts = pieces(parameters.text, parameters.chunk_characters)
        first = len(parts)
        for _ in range(_MOST_ROUNDS):
            if len(parts) == 1:
                break
            together = "\n\n".join([await summing.shorten(part) for part in parts])
            fewer = pieces(together, parameters.chunk_characters)
            # Summaries that are no shorter than what they sum up would go on for ever.
            parts = fewer if len(fewer) < len(parts) else [together]
        text = await summing.shorten("\n\n".join(parts))
    told: JsonObject = {"text": text, "parts": first, "model": summing.named}
    return {"json": {**told, "usage": shown(summing.used)}, "paired_item": index}
