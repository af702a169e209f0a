"""Which model makes the vectors: OpenAI's or a compatible one with a key, else the wheel's."""

from agent_service.settings import Settings
from shared.llm import Embedder
from shared.llms import LOCAL, connect_embedder

_DEFAULT = "openai:text-embedding-ada-002"


def open_embedder(settings: Settings) -> Embedder:
    """The embedder that the settings name.

    Raises:
        InvalidInput: It names no model, or one whose key is missing.
    """
    named = settings.embedding_model
    has_key = bool(settings.openai_api_key.get_secret_value())
    if named.partition(":")[0] == LOCAL or (not named and not has_key):
        return connect_embedder(LOCAL, settings)
    if named and ":" not in named:
        named = f"openai:{named}"
    return connect_embedder(named or _DEFAULT, settings)
