"""The embeddings wire of OpenAI and of every compatible server."""

from collections.abc import Iterator, Sequence
from typing import Any

from openai.types import CreateEmbeddingResponse

from shared.llm import Budget, Embeddings, Usage
from shared.llm_errors import ModelUnavailable
from shared.llm_wire import Endpoint, count_at
from shared.llms.openai.account import Account, parsed_as, request_options

# OpenAI takes 2,048 texts and 300,000 tokens a call; a token is a byte at least.
_MAX_TEXTS = 2048
_MAX_BYTES = 300_000
_TIMEOUT_SECONDS = 60.0


def connect(name: str, model: str, endpoint: Endpoint) -> "OpenAIEmbedder":
    """An embedder of this endpoint; `name` is how errors and results call it."""
    return OpenAIEmbedder(name, model, Account(endpoint))


class OpenAIEmbedder:
    """A model behind an embeddings endpoint."""

    def __init__(self, name: str, model: str, account: Account) -> None:
        self._name = name
        self._model = model
        self._account = account

    @property
    def name(self) -> str:
        return self._name

    async def embed(self, texts: Sequence[str], *, budget: Budget | None = None) -> Embeddings:
        del budget  # what is around it keeps that
        vectors: list[Sequence[float]] = []
        usage = Usage(cost_usd=None)
        for batch in _batches(texts):
            with self._account.errors(self._name):
                answer = await self._account.client.embeddings.create(
                    model=self._model, input=batch, **request_options(_TIMEOUT_SECONDS, "")
                )
            found = parsed_as(CreateEmbeddingResponse, answer, self._name)
            vectors.extend(self._in_order(found, len(batch)))
            report: dict[str, Any] = found.usage.to_dict(mode="json") if found.usage else {}
            usage += Usage(input_tokens=count_at(report, "prompt_tokens"), cost_usd=None)
        return Embeddings(self._name, vectors, usage)

    async def close(self) -> None:
        await self._account.close()

    def _in_order(self, found: CreateEmbeddingResponse, wanted: int) -> Iterator[Sequence[float]]:
        by_index = {row.index: row.embedding for row in found.data}
        if set(by_index) != set(range(wanted)):
            raise ModelUnavailable(
                f"{self._name}: {wanted} texts were sent, {len(by_index)} vectors came back",
                metadata={"model": self._name},
            )
        for index in range(wanted):
            yield by_index[index]


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        length = len(text.encode())
        if batch and (len(batch) == _MAX_TEXTS or size + length > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += length
    if batch:
        yield batch
