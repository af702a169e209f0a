"""Language models for nodes: the operator's, or on the account of a tenant's own credentials."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from engine_service.sdk.node import Credential
from shared.errors import InvalidInput
from shared.llm import Embedder, Model
from shared.llms import PROVIDERS, LlmSettings, Models, connect, connect_embedder

VENDORS: Mapping[str, str] = {"openai.key": "openai", "anthropic.key": "anthropic"}
"""Types of credentials, and the vendors whose keys they are."""


class TenantModels:
    """Models by name.

    Args:
        settings: The operator's accounts.
        transport: Makes the network for an SDK that uses credentials.
    """

    def __init__(
        self, settings: LlmSettings, transport: Callable[[Sequence[Credential]], Any]
    ) -> None:
        self._settings = settings
        self._models = Models(settings)
        self._transport = transport

    async def get(self, names: str) -> Model:
        """The model, or chain, of this name, on the operator's accounts."""
        return await self._models.get(names)

    @asynccontextmanager
    async def borrow(self, names: str, credentials: Sequence[Credential]) -> AsyncGenerator[Model]:
        """The model on a tenant's own accounts; closed when the block ends.

        Raises:
            InvalidInput: A vendor is named that no credential is for: the operator's account is
                not mixed in.
        """
        accounts = {VENDORS[one.type] for one in credentials}
        for name in names.split(","):
            provider = PROVIDERS.get(name.strip().partition(":")[0])
            if provider is not None and provider.vendor not in accounts:
                message = f"{name.strip()} needs a credential of {provider.vendor} as well."
                raise InvalidInput(message, reason="MODEL_KEY_MISSING")
        settings = self._settings_of(credentials)
        model = await asyncio.to_thread(
            connect, names, settings, transport=self._transport(credentials)
        )
        try:
            yield model
        finally:
            await model.close()

    async def get_embedder(self, name: str) -> Embedder:
        """The embedder of this name, on the operator's account."""
        return await self._models.get_embedder(name)

    @asynccontextmanager
    async def borrow_embedder(
        self, name: str, credentials: Sequence[Credential]
    ) -> AsyncGenerator[Embedder]:
        """The embedder on a tenant's own account; closed when the block ends."""
        settings = self._settings_of(credentials)
        embedder = await asyncio.to_thread(
            connect_embedder, name, settings, transport=self._transport(credentials)
        )
        try:
            yield embedder
        finally:
            await embedder.close()

    def _settings_of(self, credentials: Sequence[Credential]) -> LlmSettings:
        """The operator's settings with a tenant's accounts in the place of his."""
        changes: dict[str, Any] = {}
        for one in credentials:
            vendor, fields = VENDORS[one.type], one.reveal()
            changes[f"{vendor}_api_key"] = SecretStr(fields["api_key"])
            changes[f"{vendor}_base_url"] = fields["base_url"]
        return self._settings.model_copy(update=changes)

    async def close(self) -> None:
        """Close the operator's models."""
        await self._models.close()
