"""The models that are attached to a node, as one; or else what the node names itself."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast

from engine_service.ai.asking import ModelParameters, open_model
from engine_service.sdk.node import Services
from shared.llm import Model
from shared.llms.chain import Chain


@asynccontextmanager
async def attached_models(
    index: int, services: Services
) -> AsyncGenerator[tuple[Model, ModelParameters] | None]:
    """What is attached, filled for an item; None where nothing is. Several are a chain.

    Raises:
        NodeError: Parameters cannot be filled, or a credential cannot be opened.
        AppError: A name is no model's, or its key is missing.
    """
    attached = services.attached("model")
    if not attached:
        yield None
        return
    terms = [cast("ModelParameters", await one.fill(index)) for one in attached]
    async with AsyncExitStack() as stack:
        models = [
            await stack.enter_async_context(open_model(term.model, one.services))
            for term, one in zip(terms, attached, strict=True)
        ]
        yield models[0] if len(models) == 1 else Chain(models), terms[0]
