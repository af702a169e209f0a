"""What the agent is told by its environment: AGENT_* and what several services share."""

from decimal import Decimal
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.llms import LlmSettings
from shared.settings import CommonSettings


class Settings(CommonSettings, LlmSettings):
    """The agent's settings."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    engine_address: str = Field(
        default="127.0.0.1:50052", description="host:port at which the engine answers"
    )
    agent_host: str = Field(default="127.0.0.1", description="Address the agent listens on")
    agent_port: int = Field(
        default=50051, ge=0, le=65_535, description="Port the agent listens on; 0 chooses one"
    )
    agent_metrics_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="Port of `/metrics` for Prometheus, inside the network only; 0 for none",
    )
    agent_author: Literal["auto", "offline", "llm"] = Field(
        default="auto",
        description="Who writes: `offline` needs no key; `auto` is `llm` when AGENT_MODELS names "
        "a model, else `offline`",
    )
    agent_models: str = Field(
        default="",
        description="The author's model as provider:model; several with commas are a fallback "
        "chain",
    )
    agent_step_models: dict[str, str] = Field(
        default_factory=dict[str, str],
        description='JSON, other models for single steps: {"draft": "openai:…"}; steps are '
        "understand, plan, draft, patch, repair, say",
    )
    agent_session_max_tokens: int | None = Field(
        default=None, ge=1, description="Tokens a session may use in all; unlimited when not set"
    )
    agent_session_max_cost_usd: Decimal | None = Field(
        default=None, gt=0, description="What a session may cost in all; unlimited when not set"
    )
    agent_max_repairs: int = Field(
        default=3, ge=0, le=10, description="How often a refused definition is mended"
    )
    agent_max_turns: int = Field(
        default=32, ge=1, le=1_000, description="Turns one process works on at the same time"
    )
    agent_lease_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="A turn whose process has not been heard of for so long is taken over",
    )
    embedding_model: str = Field(
        default="",
        description="Embeddings as provider:model, or a bare OpenAI name; when not set, "
        "text-embedding-ada-002 with a key of OpenAI and the built-in model without",
    )
    rag_similarity_threshold: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Passages less similar than this count only if their words fit",
    )
