"""`ai.embed`: makes vectors of texts."""

from typing import ClassVar

from pydantic import Field

from engine_service.ai.asking import failed
from engine_service.ai.embedding import EMBEDDING_KEYS, EmbeddingParameters, embed
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    NodeInput,
    Outcome,
    Services,
)
from shared.errors import AppError
from shared.workflow import Item, JsonObject

_SAMPLE = (0.6, 0.0, 0.8)


class EmbedParameters(EmbeddingParameters):
    """Which text becomes a vector, and by which model."""

    text: str = Field(min_length=1, max_length=500_000, description="The text")


class AiEmbed(ActionNode[EmbedParameters]):
    """Makes a vector of a text, so that texts can be compared by what they mean.

    The item that comes out holds the `vector`, the number of its `dimensions` and the `model`. All
    items go to the model together, in as few calls as it allows. To keep vectors and find texts by
    them there is `ai.retrieve`, which makes them itself.

    A credential of the type `openai.key` pays for OpenAI's models and for servers that speak like
    it; without one it is the operator's account.
    """

    Parameters = EmbedParameters
    type = "ai.embed"
    title = "Make vectors"
    effect = Effect.READ
    credential_types = EMBEDDING_KEYS
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"text": "{{ $json.text }}"},
        {"text": "{{ $json.text }}", "model": "openai:text-embedding-3-small"},
    )
    keywords = (
        "embedding", "embeddings", "vector", "vectorize", "semantic similarity",
        "嵌入", "向量化", "文本向量", "语义相似",
    )  # fmt: skip

    async def run(self, given: NodeInput[EmbedParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})
        texts = [given.parameters_for(index).text for index in range(len(given.items))]
        try:
            budget = await services.purse.open()
            made = await embed(texts, given.parameters_for(0).model, services, budget)
        except AppError as error:
            return failed(error)
        return Done(
            {MAIN: [_item(v, made.model, at) for at, v in enumerate(map(list, made.vectors))]}
        )

    def plan(self, parameters: EmbedParameters) -> str:
        return f"Have {parameters.model} make a vector of {len(parameters.text)} signs"

    def sample(self, given: NodeInput[EmbedParameters]) -> Done:
        model = given.parameters_for(0).model
        return Done({MAIN: [_item(list(_SAMPLE), model, at) for at in range(len(given.items))]})


def _item(vector: list[float], model: str, index: int) -> Item:
    told: JsonObject = {"vector": vector, "dimensions": len(vector), "model": model}
    return {"json": told, "paired_item": index}
