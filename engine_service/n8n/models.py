"""Language models that are attached to n8n's nodes, as `provider:model` and how they write.

Many vendors speak OpenAI's wire. Their models are asked by it, with a key whose base URL is theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from engine_service.n8n.mapping import CannotMap, Fields, SourceNode
from shared.workflow import JsonObject

MODEL = "ai_languageModel"
_CHATS = "@n8n/n8n-nodes-langchain.lm"
_LENGTHS = ("maxTokens", "maxTokensToSample", "maxOutputTokens", "numPredict")


@dataclass(frozen=True, slots=True)
class _Vendor:
    """Whose models they are; `base_url` where OpenAI's wire is spoken by somebody else."""

    provider: str
    default: str
    base_url: str = ""
    parameter: str = "model"


_VENDORS = {
    "ChatOpenAi": _Vendor("openai", "gpt-4o-mini"),
    "OpenAi": _Vendor("openai", "gpt-3.5-turbo-instruct"),
    "ChatAnthropic": _Vendor("anthropic", "claude-sonnet-4-5"),
    "ChatGoogleGemini": _Vendor(
        "openai", "gemini-2.5-flash", "https://generativelanguage.googleapis.com/v1beta/openai",
        "modelName",
    ),
    "ChatGroq": _Vendor("openai", "llama3-8b-8192", "https://api.groq.com/openai/v1"),
    "ChatOllama": _Vendor("openai", "llama3.2", "http://localhost:11434/v1"),
    "ChatOpenRouter": _Vendor("openai", "openai/gpt-4.1-mini", "https://openrouter.ai/api/v1"),
    "ChatDeepSeek": _Vendor("openai", "deepseek-chat", "https://api.deepseek.com/v1"),
    "ChatMistralCloud": _Vendor("openai", "mistral-small", "https://api.mistral.ai/v1"),
    "ChatXAiGrok": _Vendor("openai", "grok-2-vision-1212", "https://api.x.ai/v1"),
    "ChatAzureOpenAi": _Vendor(
        "openai", "gpt-4o-mini", "https://YOUR-RESOURCE.openai.azure.com/openai/v1"
    ),
}  # fmt: skip


def read_models(models: Sequence[SourceNode]) -> JsonObject:
    """The models, each tried when the one before it is not available; and how the last one writes.

    Raises:
        CannotMap: There is none, one has no counterpart, or they need several keys of one kind.
    """
    if not models:
        raise CannotMap("No language model is attached to it.")
    made: JsonObject = {}
    names: list[str] = []
    places: set[str] = set()
    for model in models:
        vendor = _VENDORS.get(model.type.removeprefix(_CHATS))
        if vendor is None or not model.type.startswith(_CHATS):
            raise CannotMap(f"There is no counterpart of {model.type}.")
        name = str(model.fields.located(vendor.parameter, vendor.default))
        names.append(f"{vendor.provider}:{name.removeprefix('models/')}")
        made.update(sampling(model.fields.section("options")))
        if vendor.provider == "openai":
            places.add(vendor.base_url)
        if vendor.base_url:
            model.fields.differ(
                f"It is asked by OpenAI's wire: connect an openai.key whose base_url is "
                f"{vendor.base_url}."
            )
    if len(places) > 1:
        raise CannotMap("Its models are at several vendors, and a node has one key of a kind.")
    return {**made, "model": ",".join(names)}


def sampling(options: Fields) -> JsonObject:
    """How a model writes."""
    made: JsonObject = {}
    if options.has("temperature"):
        made["temperature"] = options.take("temperature")
    for name in _LENGTHS:
        if options.has(name) and options.number(name, -1) > 0:
            made["max_tokens"] = int(options.number(name, 0))
        options.ignore(name)
    return made
