"""Models of many vendors, and what they are asked to do with a text: n8n's nodes become ours."""

from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.definitions.checks import parameters as checks
from engine_service.n8n.fields import CannotMap, Fields
from engine_service.n8n.mapping import Mapped, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from shared.workflow import JsonObject

BY_TYPE = {name: mapping for mapping in MAPPINGS for name in mapping.types}
LANGCHAIN = "@n8n/n8n-nodes-langchain."


def source(name: str, kind: str, given: JsonObject, version: float = 1, **attached: Any) -> Any:
    raw: JsonObject = {"name": name, "type": LANGCHAIN + kind}
    return SourceNode(name, LANGCHAIN + kind, version, Fields(given), raw, attached=attached)


def model(kind: str = "lmChatOpenAi", **given: Any) -> SourceNode:
    return source("Model", kind, given or {"model": "gpt-4o"})


def mapped(
    kind: str, given: JsonObject, version: float = 1, *models: SourceNode
) -> tuple[Mapped, list[str]]:
    """What a node becomes with a model attached, and what was not carried over."""
    node = source("Node", kind, given, version, ai_languageModel=list(models or [model()]))
    made = BY_TYPE[node.type].translate(node)
    assert not checks.check(type(builtin().get(made.type)), made.parameters), made
    ports = {*builtin().get(made.type).ports(made.parameters)}
    assert {*made.outputs} <= ports
    assert node.fields.differences
    return made, list(node.fields.unread())


@pytest.mark.parametrize(
    ("kind", "version", "given", "ours", "parameters"),
    [
        ("informationExtractor", 1,
         {"text": "={{ $json.mail }}", "attributes": {"attributes": [
             {"name": "total", "type": "number", "description": "What it costs", "required": True},
             {"name": "day", "type": "date"}]},
          "options": {"systemPromptTemplate": "Be exact."}},
         "ai.extract",
         {"text": "{{ $json.mail }}", "instructions": "Be exact.",
          "output_schema": {
              "type": "object",
              "properties": {
                  "total": {"type": "number", "description": "What it costs"},
                  "day": {"type": "string", "description": "A date, in ISO 8601"}},
              "required": ["total"]}}),
        ("informationExtractor", 1.2,
         {"text": "x", "schemaType": "fromJson", "jsonSchemaExample": '{"a": "b"}'}, "ai.extract",
         {"text": "x", "output_schema": {"type": "object",
                                         "properties": {"a": {"type": "string"}}}}),
        ("textClassifier", 1.1,
         {"inputText": "={{ $json.text }}", "options": {"fallback": "other"},
          "categories": {"categories": [
              {"category": "bug", "description": "It broke"}, {"category": "praise"}]}},
         "ai.classify",
         {"text": "{{ $json.text }}",
          "categories": [{"name": "bug", "description": "It broke"}, {"name": "praise"}]}),
        ("sentimentAnalysis", 1,
         {"inputText": "x", "options": {"categories": "Good, Bad",
                                        "systemPromptTemplate": "One of {categories}."}},
         "ai.classify",
         {"text": "x", "categories": [{"name": "Good"}, {"name": "Bad"}], "other": False,
          "instructions": "One of the categories."}),
        ("chainSummarization", 2,
         {"chunkSize": 4000, "chunkOverlap": 100,
          "options": {"summarizationMethodAndPrompts": {"values": {"prompt": "Short."}}}},
         "ai.summarize", {"text": "{{ JSON.stringify($json) }}", "chunk_characters": 4000}),
    ],
)  # fmt: skip
def test_a_task_for_a_model_is_the_same_here(
    kind: str, version: float, given: JsonObject, ours: str, parameters: JsonObject
) -> None:
    made, unread = mapped(kind, given, version)
    expected = {**parameters, "model": "openai:gpt-4o"}
    assert (made.type, made.parameters, made.absorbs) == (ours, expected, ("Model",))
    assert unread == []


def test_each_category_keeps_its_way_out() -> None:
    made, _ = mapped(
        "textClassifier",
        {"inputText": "x", "categories": {"categories": [{"category": "a"}, {"category": "b"}]}},
    )
    assert made.outputs == ("case:a", "case:b", "other")
    made, _ = mapped("sentimentAnalysis", {"inputText": "x"})
    assert made.outputs == ("case:Positive", "case:Neutral", "case:Negative")


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        ("informationExtractor", {"text": "x"}, "no field"),
        ("informationExtractor",
         {"schemaType": "manual", "inputSchema": '{"type": "array"}'}, "no object"),
        ("textClassifier",
         {"categories": {"categories": [{"category": "a"}]}, "options": {"multiClass": True}},
         "several categories"),
        ("textClassifier", {"categories": {"categories": [{"category": "a"}] * 2}}, "different"),
        ("sentimentAnalysis", {"options": {"categories": "={{ $json.x }}"}}, "fixed value"),
        ("chainSummarization", {"operationMode": "documentLoader"}, "files or documents"),
    ],
)  # fmt: skip
def test_what_is_done_otherwise_is_said(kind: str, given: JsonObject, why: str) -> None:
    with pytest.raises(CannotMap, match=why):
        mapped(kind, given)


@pytest.mark.parametrize(
    ("kind", "given", "name", "place"),
    [
        ("lmChatGoogleGemini", {"modelName": "models/gemini-2.0-flash"}, "gemini-2.0-flash",
         "generativelanguage.googleapis.com"),
        ("lmChatGroq", {"model": "m"}, "m", "api.groq.com"),
        ("lmChatOllama", {"model": "m", "options": {"numPredict": 50}}, "m", "localhost:11434"),
        ("lmChatOpenRouter", {"model": "a/b"}, "a/b", "openrouter.ai"),
        ("lmChatDeepSeek", {"options": {}}, "deepseek-chat", "api.deepseek.com"),
        ("lmChatAzureOpenAi", {"model": "ours"}, "ours", "YOUR-RESOURCE"),
    ],
)  # fmt: skip
def test_other_vendors_are_asked_by_openais_wire(
    kind: str, given: JsonObject, name: str, place: str
) -> None:
    asked = model(kind, **given)
    made, _ = mapped("chainLlm", {"promptType": "define", "text": "Hi"}, 1.4, asked)
    assert made.parameters["model"] == f"openai:{name}"
    assert [place in one for one in asked.fields.differences] == [True]
    assert made.parameters.get("max_tokens") == (50 if kind == "lmChatOllama" else None)


def test_a_node_has_one_key_of_a_kind() -> None:
    chain: JsonObject = {"promptType": "define", "text": "Hi"}
    made, _ = mapped("chainLlm", chain, 1.4, model(), model("lmChatAnthropic", model="c"))
    assert made.parameters["model"] == "openai:gpt-4o,anthropic:c"
    with pytest.raises(CannotMap, match="several vendors"):
        mapped("chainLlm", chain, 1.4, model(), model("lmChatGroq"))
    with pytest.raises(CannotMap, match="lmChatAwsBedrock"):
        mapped("chainLlm", chain, 1.4, model("lmChatAwsBedrock"))
    with pytest.raises(CannotMap, match="No language model"):
        BY_TYPE[f"{LANGCHAIN}sentimentAnalysis"].translate(
            source("Node", "sentimentAnalysis", {"inputText": "x"})
        )
