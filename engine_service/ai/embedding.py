"""Has texts made into vectors for a node, on the right account, paid from the node's purse."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Protocol

from pydantic import AfterValidator, Field

from engine_service.sdk.node import Credential, Failed, NodeError, NodeParameters, Services
from shared.llm import Budget, Embedder, Embeddings
from shared.llms import LOCAL

EMBEDDING_KEYS = ("openai.key",)
DEFAULT_EMBEDDINGS = "local:wordllama-256"


def _whole_name(name: str) -> str:
    return DEFAULT_EMBEDDINGS if name == LOCAL else name


class EmbeddingParameters(NodeParameters):
    """Which model makes the vectors."""

    model: Annotated[str, AfterValidator(_whole_name)] = Field(
        default=DEFAULT_EMBEDDINGS,
        min_length=1,
        max_length=200,
        description="`provider:model`, such as `openai:text-embedding-3-small`; the one that is "
        "built in needs no key and costs nothing, and knows English best",
    )


class EmbedderSource(Protocol):
    """Where embedders come from; engine_service/vault/tenant_models.py is the real one."""

    async def get_embedder(self, name: str) -> Embedder:
        """The embedder of this name, on the operator's account."""
        ...

    def borrow_embedder(
        self, name: str, credentials: Sequence[Credential]
    ) -> AbstractAsyncContextManager[Embedder]:
        """The embedder of this name, on the account of credentials."""
        ...


async def embed(texts: Sequence[str], name: str, services: Services, budget: Budget) -> Embeddings:
    """Vectors of texts, in their order.

    Raises:
        NodeError: No models are configured, or a credential cannot be opened.
        AppError: The name is no model's, its key is missing, or it failed.
    """
    async with _opened(name, services) as embedder:
        return await embedder.embed(texts, budget=budget)


@asynccontextmanager
async def _opened(name: str, services: Services) -> AsyncGenerator[Embedder]:
    source: EmbedderSource | None = services.models
    if source is None:
        raise NodeError(Failed("model_not_configured", "No language model is configured."))
    found = [await services.credentials.find(kind) for kind in EMBEDDING_KEYS]
    own = [one for one in found if one is not None]
    if own and name.partition(":")[0] != LOCAL:
        async with source.borrow_embedder(name, own) as embedder:
            yield embedder
    else:
        yield await source.get_embedder(name)
