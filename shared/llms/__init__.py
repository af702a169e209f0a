"""The providers, and `connect("provider:model", settings)`, the one place where a name becomes one.

A name is `provider:model`; several with commas between them are a fallback chain. To add a
provider, write its module (with a `connect` like the others') and one line in `PROVIDERS`.
"""

import asyncio
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import InvalidInput
from shared.llm import Embedder, Model
from shared.llm_wire import Endpoint
from shared.llms.chain import Chain
from shared.llms.metering.metered import MeteredEmbedder, MeteredModel, Terms
from shared.llms.metering.prices import PRICES, Price, price_of
from shared.llms.traced import TracedModel
from shared.tracing import spans

# With another model waiting, a vendor that asks to wait for longer than this is passed over.
_CHAIN_PATIENCE_SECONDS = 5.0


class LlmSettings(BaseSettings):
    """What the environment says about model providers; a mixin for services that call them."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    openai_api_key: SecretStr = Field(default=SecretStr(""), description="Key of OpenAI")
    openai_base_url: str = Field(
        default="https://api.openai.com/v1",
        description="OpenAI, or any server that speaks its wire; keyless ones need no key",
    )
    anthropic_api_key: SecretStr = Field(default=SecretStr(""), description="Key of Anthropic")
    anthropic_base_url: str = Field(
        default="https://api.anthropic.com",
        description="Anthropic, or a server that speaks its wire",
    )
    allow_model_requests: bool = Field(
        default=True, description="false: only model servers on this machine may be called (tests)"
    )
    llm_max_retries: int = Field(
        default=2, ge=0, le=10, description="How often a failed model call is repeated"
    )
    llm_max_retry_after_seconds: float = Field(
        default=30.0, ge=0, description="A vendor whose Retry-After asks for more is not waited for"
    )
    model_prices: Mapping[str, Price] = Field(
        default_factory=dict,
        description='JSON, US dollars per million tokens: {"my-model": {"input": 1, "output": 2}}',
    )

    def account(self, vendor: str) -> tuple[SecretStr, str]:
        """Key and base URL of a vendor."""
        if vendor == "anthropic":
            return self.anthropic_api_key, self.anthropic_base_url
        return self.openai_api_key, self.openai_base_url


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider's code is, and whose account it uses."""

    module: str
    vendor: str
    needs_key_at: str


_OPENAI = "https://api.openai.com/v1"
LOCAL = "local"

# Modules by name, loaded when a model of theirs is connected: an SDK takes 27 to 52 MB, and a
# service whose environment names no model, or only one vendor's, must not pay for it.
PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider("shared.llms.openai.chat", "openai", _OPENAI),
    "openai-responses": Provider("shared.llms.openai.responses", "openai", _OPENAI),
    "anthropic": Provider("shared.llms.anthropic", "anthropic", "https://api.anthropic.com"),
}
EMBEDDERS: Mapping[str, Provider] = {
    "openai": Provider("shared.llms.openai.embeddings", "openai", _OPENAI),
}


def connect(names: str, settings: LlmSettings, *, transport: Any = None) -> Model:
    """The model with this name, or the chain of models with these.

    The first call for a vendor imports its SDK, which takes seconds: do it at start-up, or through
    `Models`. `transport` is an httpx2 transport to call through; the caller's guard against
    private addresses, where a base URL comes from a user.

    Raises:
        InvalidInput: There is no such provider, or its key is missing.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    models: list[Model] = []
    for place, name in enumerate(wanted, start=1):
        patience = settings.llm_max_retry_after_seconds
        if place < len(wanted):
            patience = min(patience, _CHAIN_PATIENCE_SECONDS)
        made, terms = _connect(PROVIDERS, name, settings, patience, transport)
        metered = MeteredModel(made, terms)
        models.append(TracedModel(metered) if spans.is_on() else metered)
    if not models:
        raise InvalidInput("No model is named", reason="MODEL_NAME_INVALID")
    return models[0] if len(models) == 1 else Chain(models)


def connect_embedder(name: str, settings: LlmSettings, *, transport: Any = None) -> Embedder:
    """The embedding model with this name; the same holds as for `connect`.

    `local` is the one that needs no key, no network and no money.
    """
    if name.partition(":")[0] == LOCAL:
        module: Any = importlib.import_module("shared.llms.local")
        return module.connect(name)
    patience = settings.llm_max_retry_after_seconds
    made, terms = _connect(EMBEDDERS, name, settings, patience, transport)
    return MeteredEmbedder(made, terms)


class Models:
    """Connected models by name, each made when it is first asked for and then kept."""

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._models: dict[str, Model] = {}
        self._embedders: dict[str, Embedder] = {}
        self._connecting = asyncio.Lock()

    async def get(self, names: str) -> Model:
        """The model, or chain, that `connect` makes of this name; imports happen in a thread."""
        async with self._connecting:
            if names not in self._models:
                self._models[names] = await asyncio.to_thread(connect, names, self._settings)
        return self._models[names]

    async def get_embedder(self, name: str) -> Embedder:
        """The embedder that `connect_embedder` makes of this name, likewise."""
        async with self._connecting:
            if name not in self._embedders:
                made = await asyncio.to_thread(connect_embedder, name, self._settings)
                self._embedders[name] = made
        return self._embedders[name]

    async def close(self) -> None:
        for one in (*self._models.values(), *self._embedders.values()):
            await one.close()
        self._models.clear()
        self._embedders.clear()


def _connect(
    providers: Mapping[str, Provider],
    name: str,
    settings: LlmSettings,
    patience_seconds: float,
    transport: Any,
) -> tuple[Any, Terms]:
    provider_name, _, model = name.partition(":")
    provider = providers.get(provider_name)
    if provider is None or not model:
        raise InvalidInput(
            f"{name!r} names no model; write provider:model with one of {', '.join(providers)}",
            reason="MODEL_NAME_INVALID",
        )
    key, base_url = settings.account(provider.vendor)
    if not key.get_secret_value() and base_url.rstrip("/") == provider.needs_key_at:
        raise InvalidInput(
            f"{name} needs {provider.vendor.upper()}_API_KEY", reason="MODEL_KEY_MISSING"
        )
    module: Any = importlib.import_module(provider.module)
    endpoint = Endpoint(
        api_key=key.get_secret_value(),
        base_url=base_url,
        max_retries=settings.llm_max_retries,
        max_retry_after_seconds=patience_seconds,
        transport=transport,
    )
    price = settings.model_prices.get(model) or price_of(model)
    terms = Terms(price, base_url, local_only=not settings.allow_model_requests)
    return module.connect(name, model, endpoint), terms


__all__ = [
    "EMBEDDERS",
    "LOCAL",
    "PRICES",
    "PROVIDERS",
    "LlmSettings",
    "Models",
    "Price",
    "Provider",
    "connect",
    "connect_embedder",
]
