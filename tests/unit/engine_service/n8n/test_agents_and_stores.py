"""What is attached to n8n's agents, chains and vector stores: memories, parsers, embeddings."""

from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.definitions.checks import parameters as checks
from engine_service.definitions.validate import validate
from engine_service.n8n.fields import Fields
from engine_service.n8n.importer import Imported, import_document
from engine_service.n8n.mapping import CannotMap, SourceNode
from engine_service.n8n.mappings import MAPPINGS
from engine_service.n8n.report import Verdict
from shared.workflow import JsonObject

BY_TYPE = {name: mapping for mapping in MAPPINGS for name in mapping.types}
LANGCHAIN = "@n8n/n8n-nodes-langchain."
START: JsonObject = {"name": "Go", "type": "n8n-nodes-base.manualTrigger", "parameters": {}}
Wire = tuple[str, str, str]
"""What is attached, as what, and to whom."""


def node(name: str, kind: str, parameters: JsonObject | None = None, **more: Any) -> JsonObject:
    return {"name": name, "type": LANGCHAIN + kind, "parameters": parameters or {}, **more}


def imported(*nodes: JsonObject, flow: str, attached: list[Wire]) -> Imported:
    """A workflow in which a trigger leads to one node, to which others are attached."""
    ways: JsonObject = {"Go": {"main": [[{"node": flow, "type": "main", "index": 0}]]}}
    for source, kind, target in attached:
        outputs = ways.setdefault(source, {}).setdefault(kind, [[]])
        outputs[0].append({"node": target, "type": kind, "index": 0})
    return import_document({"nodes": [START, *nodes], "connections": ways})


def made(result: Imported) -> dict[str, tuple[str, JsonObject]]:
    return {one.id: (one.type, one.parameters) for one in result.workflow.nodes}


def told(result: Imported) -> dict[str, list[str]]:
    return {one.name: list(one.differences) for one in result.report.nodes}


def codes(result: Imported) -> set[str]:
    return {one.code for one in validate(result.workflow, builtin())}


MODEL = node("Model", "lmChatOpenAi", {"model": {"__rl": True, "value": "gpt-4o"}})
AGENT = node("Agent", "agent", {"promptType": "define", "text": "Hi"})


# --- memories


@pytest.mark.parametrize(
    ("kind", "given", "ours", "parameters"),
    [
        ("memoryBufferWindow", {}, "memory.buffer", {"turns": 5}),
        ("memoryBufferWindow",
         {"sessionIdType": "customKey", "sessionKey": "={{ $json.user }}",
          "contextWindowLength": 20},
         "memory.buffer", {"turns": 20, "session": "{{ $json.user }}"}),
        ("memoryBufferWindow", {"sessionIdType": "customKey", "sessionKey": "={{$json.sessionId}}"},
         "memory.buffer", {"turns": 5}),
        ("memoryBufferWindow", {"sessionKey": "chat_history"}, "memory.buffer",
         {"turns": 5, "session": "chat_history"}),
        ("memoryRedisChat", {"sessionTTL": 3600, "contextWindowLength": 500}, "memory.kv",
         {"turns": 100, "ttl": 3600, "scope": "tenant"}),
        ("memoryRedisChat", {}, "memory.kv", {"turns": 5, "ttl": 31_536_000, "scope": "tenant"}),
        ("memoryPostgresChat", {"tableName": "chats"}, "memory.buffer",
         {"turns": 5, "scope": "tenant"}),
    ],
)  # fmt: skip
def test_a_memory_is_kept_here(
    kind: str, given: JsonObject, ours: str, parameters: JsonObject
) -> None:
    fields = Fields(given)
    source = SourceNode("Memory", LANGCHAIN + kind, 1.3, fields, {"name": "Memory"})
    became = BY_TYPE[source.type].translate(source)
    assert (became.type, became.parameters) == (ours, parameters)
    assert not checks.check(type(builtin().get(ours)), became.parameters)
    assert fields.differences
    assert list(fields.unread()) == []


def test_an_agents_memory_stays_attached_to_it() -> None:
    secret = {"postgres": {"id": "1", "name": "Ours"}}
    result = imported(
        AGENT, MODEL, node("Memory", "memoryPostgresChat", credentials=secret),
        flow="Agent",
        attached=[("Model", "ai_languageModel", "Agent"), ("Memory", "ai_memory", "Agent")],
    )  # fmt: skip
    assert {name: kind for name, (kind, _) in made(result).items()} == {
        "go": "trigger.manual", "agent": "ai.agent", "memory": "memory.buffer",
    }  # fmt: skip
    assert {("memory", "agent", "memory")} <= {
        (edge.source, edge.target, edge.input) for edge in result.workflow.connections
    }
    assert codes(result) == set()
    assert not any("credential 'Ours'" in one for one in told(result)["Memory"])


def test_a_memory_without_counterpart_keeps_its_place() -> None:
    result = imported(
        AGENT, MODEL, node("Memory", "memoryMotorhead"),
        flow="Agent",
        attached=[("Model", "ai_languageModel", "Agent"), ("Memory", "ai_memory", "Agent")],
    )  # fmt: skip
    assert made(result)["memory"][0] == "flow.placeholder"
    assert codes(result) == {"placeholder"}


def test_an_agent_without_a_prompt_hears_the_chat() -> None:
    result = imported(
        node("Agent", "agent"), MODEL,
        flow="Agent", attached=[("Model", "ai_languageModel", "Agent")],
    )  # fmt: skip
    assert made(result)["agent"][1]["prompt"] == "{{ $json.chatInput ?? $json.message }}"


# --- parsers

SHOWN = '{"name": "Ada", "age": 3, "tags": ["a"], "score": 0.5, "fit": true, "more": null}'
LIKE_SHOWN: JsonObject = {
    "name": {"type": "string"}, "age": {"type": "integer"},
    "tags": {"type": "array", "items": {"type": "string"}}, "score": {"type": "number"},
    "fit": {"type": "boolean"}, "more": {},
}  # fmt: skip
OWN: JsonObject = {"type": "object", "properties": {"wet": {"type": "boolean"}}}


@pytest.mark.parametrize(
    ("version", "given", "schema"),
    [
        (1.2, {"jsonSchemaExample": SHOWN}, {"type": "object", "properties": LIKE_SHOWN}),
        (1.3, {"jsonSchemaExample": SHOWN},
         {"type": "object", "properties": LIKE_SHOWN, "required": list(LIKE_SHOWN)}),
        (1.2, {"schemaType": "manual", "inputSchema": '{"type": "object", "properties": {"wet": '
               '{"type": "boolean"}}}'}, OWN),
        (1, {"jsonSchema": '{"type": "object", "properties": {"wet": {"type": "boolean"}}}'}, OWN),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["agent", "chainLlm"])
def test_a_parser_becomes_the_schema_of_the_answer(
    kind: str, version: float, given: JsonObject, schema: JsonObject
) -> None:
    result = imported(
        node("Ask", kind, {"promptType": "define", "text": "Hi", "hasOutputParser": True}), MODEL,
        node("Form", "outputParserStructured", given, typeVersion=version),
        flow="Ask",
        attached=[("Model", "ai_languageModel", "Ask"), ("Form", "ai_outputParser", "Ask")],
    )  # fmt: skip
    assert made(result)["ask"] == (
        "ai.chat",
        {"prompt": "Hi", "model": "openai:gpt-4o", "output_schema": schema},
    )
    assert set(made(result)) == {"go", "ask"}
    assert any("in 'data'" in one for one in told(result)["Ask"])
    assert told(result)["Form"] == []
    assert codes(result) == set()


def test_a_parser_that_mends_is_part_of_it_with_its_model() -> None:
    result = imported(
        node("Mend", "outputParserAutofixing"),
        node("Form", "outputParserStructured", {"jsonSchemaExample": '{"a": 1}'}),
        node("Other", "lmChatAnthropic"), AGENT, MODEL,
        node("Look", "toolWikipedia"),
        flow="Agent",
        attached=[
            ("Model", "ai_languageModel", "Agent"), ("Mend", "ai_outputParser", "Agent"),
            ("Form", "ai_outputParser", "Mend"), ("Other", "ai_languageModel", "Mend"),
            ("Look", "ai_tool", "Agent"),
        ],
    )  # fmt: skip
    assert set(made(result)) == {"go", "agent", "look"}
    kind, parameters = made(result)["agent"]
    assert kind == "ai.agent"
    assert parameters["output_schema"]["properties"] == {"a": {"type": "integer"}}
    assert [len(told(result)[name]) for name in ("Mend", "Form", "Other")] == [1, 0, 0]


@pytest.mark.parametrize(
    ("kind", "given", "why"),
    [
        ("outputParserItemList", {}, "outputParserItemList"),
        ("outputParserStructured", {"jsonSchemaExample": "[1]"}, "no object"),
        ("outputParserStructured", {"schemaType": "manual", "inputSchema": "{"}, "not JSON"),
    ],
)
def test_other_forms_are_not_guessed(kind: str, given: JsonObject, why: str) -> None:
    result = imported(
        AGENT, MODEL, node("Form", kind, given),
        flow="Agent",
        attached=[("Model", "ai_languageModel", "Agent"), ("Form", "ai_outputParser", "Agent")],
    )  # fmt: skip
    [report] = [one for one in result.report.nodes if one.name == "Agent"]
    assert report.verdict is Verdict.UNMATCHED
    assert why in report.differences[0]


# --- vector stores

EMBEDDINGS = node("Vectors", "embeddingsOpenAi", {"options": {"batchSize": 5}}, typeVersion=1.2)


def test_a_store_that_inserts_is_one_with_what_is_attached_to_it() -> None:
    loader: JsonObject = {
        "jsonMode": "expressionData",
        "jsonData": "={{ $json.text }}",
        "options": {"metadata": {"metadataValues": [{"name": "url", "value": "={{ $json.url }}"}]}},
    }
    result = imported(
        node("Store", "vectorStoreInMemory", {"mode": "insert", "memoryKey": "My notes 1"}),
        EMBEDDINGS,
        node("Loader", "documentDefaultDataLoader", loader),
        node("Cut", "textSplitterTokenSplitter", {"chunkSize": 500, "chunkOverlap": 10}),
        flow="Store",
        attached=[
            ("Vectors", "ai_embedding", "Store"), ("Loader", "ai_document", "Store"),
            ("Cut", "ai_textSplitter", "Loader"),
        ],
    )  # fmt: skip
    assert made(result)["store"] == (
        "ai.retrieve",
        {
            "collection": "My_notes_1",
            "operation": "insert",
            "model": "openai:text-embedding-3-small",
            "text": "{{ $json.text }}",
            "metadata": {"url": "{{ $json.url }}"},
            "piece_characters": 2000,
            "overlap_characters": 40,
        },
    )
    assert set(made(result)) == {"go", "store"}
    assert codes(result) == set()
    assert told(result)["Cut"] == ["A token counts as four characters."]


def test_a_store_in_postgresql_is_asked_here() -> None:
    given: JsonObject = {
        "mode": "load",
        "prompt": "={{ $json.question }}",
        "topK": 7,
        "tableName": "2025-docs",
        "options": {"metadata": {"metadataValues": [{"name": "kind", "value": "rule"}]}},
    }
    secret = {"postgres": {"id": "1", "name": "Ours"}}
    result = imported(
        node("Store", "vectorStorePGVector", given, credentials=secret),
        node("Vectors", "embeddingsCohere", {"modelName": "x"}),
        flow="Store", attached=[("Vectors", "ai_embedding", "Store")],
    )  # fmt: skip
    assert made(result)["store"] == (
        "ai.retrieve",
        {
            "collection": "_2025-docs",
            "query": "{{ $json.question }}",
            "limit": 7,
            "ranking": "cosine",
            "where": [{"field": "kind", "value": "rule"}],
        },
    )
    assert codes(result) == set()
    assert told(result)["Vectors"] == ["The model that is built in makes the vectors instead."]
    assert not any("Ours" in one for one in told(result)["Store"])


@pytest.mark.parametrize("through", [False, True])
def test_a_store_may_be_a_tool_of_an_agent(through: bool) -> None:
    mode: JsonObject = {"mode": "retrieve"}
    if not through:
        mode = {"mode": "retrieve-as-tool", "toolName": "kb", "toolDescription": "The handbook."}
    tool = node("Tool", "toolVectorStore", {"name": "kb", "description": "The handbook."})
    attached: list[Wire] = [
        ("Model", "ai_languageModel", "Agent"), ("Vectors", "ai_embedding", "Store"),
        ("Store", "ai_tool", "Agent"),
    ]  # fmt: skip
    if through:
        attached[2:] = [
            ("Store", "ai_vectorStore", "Tool"), ("Model", "ai_languageModel", "Tool"),
            ("Tool", "ai_tool", "Agent"),
        ]  # fmt: skip
    result = imported(
        AGENT, MODEL, EMBEDDINGS, node("Store", "vectorStoreInMemory", mode),
        *([tool] if through else []),
        flow="Agent", attached=attached,
    )  # fmt: skip
    own = "tool" if through else "store"
    assert set(made(result)) == {"go", "agent", own}
    kind, parameters = made(result)[own]
    assert (kind, parameters["limit"]) == ("ai.retrieve", 4)
    assert "$fromAI('query'" in parameters["query"]
    [notes] = [one.notes for one in result.workflow.nodes if one.id == own]
    assert notes == "The handbook."
    assert codes(result) == set()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"mode": "retrieve"}, "ai.retrieve with `result: list`"),
        ({"mode": "update"}, "update"),
        ({"mode": "insert"}, "loader"),
        ({"mode": "load", "memoryKey": "={{ $json.x }}"}, "expression"),
    ],
)
def test_what_a_store_does_otherwise_is_said(given: JsonObject, why: str) -> None:
    source = SourceNode(
        "Store", f"{LANGCHAIN}vectorStoreInMemory", 1, Fields(given), {"name": "Store"}
    )
    with pytest.raises(CannotMap, match=why):
        BY_TYPE[source.type].translate(source)


def test_files_are_not_read_by_a_loader() -> None:
    result = imported(
        node("Store", "vectorStoreInMemory", {"mode": "insert"}), EMBEDDINGS,
        node("Loader", "documentDefaultDataLoader", {"dataType": "binary"}),
        flow="Store",
        attached=[("Vectors", "ai_embedding", "Store"), ("Loader", "ai_document", "Store")],
    )  # fmt: skip
    assert "data.file" in told(result)["Store"][0]


def test_attachments_that_go_round_in_a_circle_come_to_an_end() -> None:
    result = imported(
        AGENT, MODEL,
        node("One", "outputParserAutofixing"), node("Two", "outputParserAutofixing"),
        flow="Agent",
        attached=[
            ("Model", "ai_languageModel", "Agent"), ("One", "ai_outputParser", "Agent"),
            ("One", "ai_outputParser", "Two"), ("Two", "ai_outputParser", "One"),
        ],
    )  # fmt: skip
    assert {one.name: one.verdict for one in result.report.nodes}["Agent"] is Verdict.UNMATCHED
