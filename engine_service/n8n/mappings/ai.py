"""Language models: OpenAI's own node, and chains with the model attached to them."""

from typing import Any

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from engine_service.n8n.models import MODEL, read_models, sampling
from engine_service.n8n.parsers import schema_of
from engine_service.sdk.node import MAIN
from shared.workflow import JsonObject

_TOOL = "ai_tool"
_MEMORY = "ai_memory"
_PARSER = "ai_outputParser"
_CHATS = "@n8n/n8n-nodes-langchain."
_CHATS_PROMPT = "{{ $json.chatInput ?? $json.message }}"
_OBJECT = "The answer is in 'data', with its text and 'usage' beside it, not in {0!r}."
_ANSWER = "The answer is in 'text', with 'model', 'finish' and 'usage' beside it, not in {0!r}."


def _chain(node: SourceNode) -> Mapped:
    """A prompt and a model; an agent without tools and memory is no more than that."""
    fields = node.fields
    agent = node.type.endswith(".agent")
    takes = {MODEL, _PARSER, _TOOL, _MEMORY} if agent else {MODEL, _PARSER}
    others = [kind for kind, attached in node.attached.items() if attached and kind not in takes]
    if others:
        raise CannotMap(f"It has {', '.join(sorted(others))} attached, which ai.chat cannot use.")
    models = node.attached.get(MODEL, ())
    made: JsonObject = {"prompt": _prompt(fields), **read_models(models)}
    system = _system(fields)
    if system:
        made["system"] = system
    fields.ignore("agent", "hasOutputParser", "needsFallback", "promptType")
    absorbed = tuple(model.name for model in models)
    name = "output" if agent else "text"
    if parsers := node.attached.get(_PARSER):
        made["output_schema"], names = schema_of(parsers[0])
        absorbed += names
        fields.differ(_OBJECT.format(name))
    else:
        fields.differ(_ANSWER.format(name))
    own = tuple(kind for kind in (_TOOL, _MEMORY) if node.attached.get(kind))
    if not own:
        return Mapped("ai.chat", made, absorbs=absorbed)
    turns = fields.section("options").number("maxIterations", 10)
    made["max_iterations"] = max(1, min(100, int(turns)))
    return Mapped("ai.agent", made, inputs=(MAIN, *own), absorbs=absorbed)


def _prompt(fields: Fields) -> Any:
    chosen = fields.fixed("promptType", "auto")
    written = fields.take("text") or fields.take("prompt")
    return written if written and chosen != "auto" else written or _CHATS_PROMPT


def _system(fields: Fields) -> Any:
    found = fields.section("options").take("systemMessage", "")
    texts = [found] if found else []
    for row in fields.rows("messages", "messageValues"):
        kind = str(row.fixed("type", "SystemMessagePromptTemplate"))
        if not kind.startswith("System"):
            raise CannotMap("It shows the model a conversation, which ai.chat cannot.")
        texts.append(row.take("message", ""))
    return "\n\n".join(str(text) for text in texts)


def _openai(node: SourceNode) -> Mapped:
    """OpenAI's node: messages to a model."""
    fields = node.fields
    resource = fields.fixed("resource", "text")
    if resource not in ("text", "chat"):
        raise CannotMap(f"There is no counterpart of OpenAI's {resource!r}.")
    operations = {"message": True, "complete": True, "response": True}
    fields.choice("operation", operations, "message")
    rows = fields.rows("messages", "values") or fields.rows("responses", "values")
    rows = rows or fields.rows("prompt", "messages")
    system = [row.take("content", "") for row in rows if row.fixed("role", "user") != "user"]
    asked = [row.take("content", "") for row in rows if row.fixed("role", "user") == "user"]
    if not asked:
        raise CannotMap("It asks nothing.")
    model = fields.located("modelId") or fields.located("model", "gpt-4o-mini")
    made: JsonObject = {
        "prompt": asked[0] if len(asked) == 1 else "\n\n".join(map(str, asked)),
        "model": f"openai:{model or 'gpt-4o-mini'}",
        **sampling(fields.section("options")),
    }
    if system:
        made["system"] = "\n\n".join(map(str, system))
    fields.ignore("simplify")
    fields.differ(_ANSWER.format("message.content"))
    return Mapped("ai.chat", made)


MAPPINGS = (
    NodeMapping((f"{_CHATS}chainLlm", f"{_CHATS}agent"), _chain),
    NodeMapping((f"{_CHATS}openAi", "n8n-nodes-base.openAi"), _openai),
)
