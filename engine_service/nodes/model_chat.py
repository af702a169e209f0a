"""`model.chat`: a language model, for an agent to be attached to."""

from typing import ClassVar

from engine_service.ai.asking import KEYS, ModelParameters
from engine_service.sdk.node import AttachedNode
from shared.workflow import JsonObject


class ModelChat(AttachedNode[ModelParameters]):
    """Is the language model of the agent that it is attached to.

    The model is `provider:model`, such as `openai:gpt-4o-mini` or `anthropic:claude-sonnet-4-5`.
    A credential of the vendor (`openai.key`, `anthropic.key`) pays for its calls; without one it is
    the operator's account. Several of them attached to one agent are a chain: each is asked when
    the one before it is not available.
    """

    Parameters = ModelParameters
    type = "model.chat"
    title = "Language model"
    kind = "model"
    credential_types = KEYS
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"model": "openai:gpt-4o-mini"},
        {"model": "anthropic:claude-sonnet-4-5", "temperature": 0, "max_tokens": 2000},
    )
    keywords = (
        "language model", "chat model", "llm", "openai model", "anthropic model", "model of agent",
        "语言模型", "聊天模型",
    )  # fmt: skip
