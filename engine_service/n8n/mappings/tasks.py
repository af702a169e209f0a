"""What models are asked to do with a text: take facts out, sort, sum up."""

from typing import Any

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from engine_service.n8n.models import MODEL, read_models
from engine_service.n8n.parsers import read_schema
from shared.workflow import JsonObject

_LANGCHAIN = "@n8n/n8n-nodes-langchain."
_TYPES: dict[str, JsonObject] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "description": "A date, in ISO 8601"},
}
_MOST_CATEGORIES = 50


def _extractor(node: SourceNode) -> Mapped:
    """Information Extractor: fields of a text."""
    fields = node.fields
    made: JsonObject = {"text": fields.take("text", "")}
    if fields.fixed("schemaType", "fromAttributes") == "fromAttributes":
        made["output_schema"] = _of_attributes(fields)
    else:
        made["output_schema"] = read_schema(fields, node.version)
    fields.ignore("attributes", "jsonSchemaExample", "inputSchema")
    if system := fields.section("options").take("systemPromptTemplate", ""):
        made["instructions"] = system
    fields.differ("What was found is in 'data', not in 'output'.")
    return _asking("ai.extract", node, made)


def _of_attributes(fields: Fields) -> JsonObject:
    properties: JsonObject = {}
    required: list[str] = []
    for row in fields.rows("attributes", "attributes"):
        name = row.text("name")
        schema = dict(row.choice("type", _TYPES, "string"))
        if told := row.text("description"):
            schema["description"] = told
        properties[name] = schema
        if row.flag("required"):
            required.append(name)
    if not properties:
        raise CannotMap("It says of no field that it is to be taken out.")
    schema: JsonObject = {"type": "object", "properties": properties}
    return {**schema, "required": required} if required else schema


def _classifier(node: SourceNode) -> Mapped:
    """Text Classifier: a way out for each category."""
    fields = node.fields
    options = fields.section("options")
    if options.flag("multiClass"):
        raise CannotMap("It may sort an item into several categories, ai.classify into one.")
    categories: list[JsonObject] = []
    for row in fields.rows("categories", "categories"):
        told = row.text("description")
        name = row.text("category")
        categories.append({"name": name, "description": told} if told else {"name": name})
    made: JsonObject = {"text": fields.take("inputText", ""), "categories": categories}
    _instruct(options, made)
    options.ignore("fallback", "enableAutoFixing")
    fields.differ("Items leave with 'classification' added.")
    return _sorting(node, made, ("other",))


def _sentiment(node: SourceNode) -> Mapped:
    """Sentiment Analysis: a way out for each sentiment."""
    fields = node.fields
    options = fields.section("options")
    written = str(options.fixed("categories", "Positive, Neutral, Negative"))
    names = [name.strip() for name in written.split(",") if name.strip()]
    made: JsonObject = {
        "text": fields.take("inputText", ""),
        "categories": [{"name": name} for name in names],
        "other": False,
    }
    _instruct(options, made)
    options.ignore("includeDetailedResults", "enableAutoFixing")
    fields.differ("The sentiment is in 'classification.category', not in 'sentimentAnalysis'.")
    return _sorting(node, made, ())


def _instruct(options: Fields, made: JsonObject) -> None:
    written = str(options.take("systemPromptTemplate", ""))
    if written:
        # Where n8n puts its own list of categories there is nothing to put here.
        made["instructions"] = written.replace("{categories}", "the categories")


def _sorting(node: SourceNode, made: JsonObject, more: tuple[str, ...]) -> Mapped:
    categories: list[JsonObject] = made["categories"]
    names = [str(category["name"]) for category in categories]
    if not 0 < len(set(names)) == len(names) <= _MOST_CATEGORIES:
        raise CannotMap("Its categories are none, too many, or not all different.")
    ports: tuple[str | tuple[str, ...], ...] = (*(f"case:{name}" for name in names), *more)
    return _asking("ai.classify", node, made, ports)


def _summary(node: SourceNode) -> Mapped:
    """Summarization Chain, of the fields of each item."""
    fields = node.fields
    if fields.fixed("operationMode", "nodeInputJson") != "nodeInputJson":
        raise CannotMap("It reads files or documents: make a text of them before an ai.summarize.")
    options = fields.section("options")
    made: JsonObject = {"text": "{{ JSON.stringify($json) }}"}
    size = fields.number("chunkSize", 1_000) if fields.has("chunkSize") else 0.0
    fields.ignore("chunkingMode", "chunkOverlap")
    if size:
        made["chunk_characters"] = max(500, min(500_000, int(size)))
    values = options.section("summarizationMethodAndPrompts", "values")
    values.ignore("summarizationMethod", "combineMapPrompt", "prompt", "refinePrompt",
                  "refineQuestionPrompt")  # fmt: skip
    if values.raw:
        fields.differ("Its prompts were not carried over: write them into 'instructions'.")
    options.ignore("batching")
    fields.differ("The summary is in 'text', not in 'output.text'; an item is summed up as JSON.")
    return _asking("ai.summarize", node, made)


def _asking(kind: str, node: SourceNode, made: JsonObject, outputs: Any = ("main",)) -> Mapped:
    """A node that asks the models that are attached."""
    others = [name for name, ones in node.attached.items() if ones and name != MODEL]
    if others:
        raise CannotMap(f"It has {', '.join(sorted(others))} attached, which {kind} cannot use.")
    models = node.attached.get(MODEL, ())
    absorbs = tuple(model.name for model in models)
    node.fields.section("options").ignore("batching")
    return Mapped(kind, {**made, **read_models(models)}, outputs=outputs, absorbs=absorbs)


MAPPINGS = (
    NodeMapping((f"{_LANGCHAIN}informationExtractor",), _extractor),
    NodeMapping((f"{_LANGCHAIN}textClassifier",), _classifier),
    NodeMapping((f"{_LANGCHAIN}sentimentAnalysis",), _sentiment),
    NodeMapping((f"{_LANGCHAIN}chainSummarization",), _summary),
)
