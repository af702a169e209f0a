"""What n8n's nodes of MCP and of workflows as tools become."""

import pytest

from engine_service.catalogue import builtin
from engine_service.definitions.validate import validate
from engine_service.n8n.importer import import_document
from engine_service.n8n.mapping import CannotMap
from shared.workflow import JsonObject
from tests.unit.engine_service.n8n.test_mappings import mapped

_KIND = "@n8n/n8n-nodes-langchain."
_URL = "https://tools.example.com/mcp"


@pytest.mark.parametrize(
    ("kind", "version", "given", "type_", "made"),
    [
        ("mcpClientTool", 1.2, {"endpointUrl": _URL, "options": {"timeout": 30000}},
         "mcp.tools", {"url": _URL, "timeout": 30.0}),
        ("mcpClientTool", 1.1,
         {"endpointUrl": _URL, "authentication": "bearerAuth", "include": "selected",
          "includeTools": ["a", "b"]}, "mcp.tools", {"url": _URL, "include": ["a", "b"]}),
        ("mcpClientTool", 1.1,
         {"endpointUrl": _URL, "include": "except", "excludeTools": ["a"]},
         "mcp.tools", {"url": _URL, "exclude": ["a"]}),
        ("mcpClient", 1,
         {"endpointUrl": _URL, "tool": {"__rl": True, "mode": "list", "value": "search"},
          "parameters": {"mappingMode": "defineBelow", "value": {"q": "={{ $json.q }}"}}},
         "mcp.call", {"url": _URL, "tool": "search", "arguments": {"q": "{{ $json.q }}"}}),
        ("mcpClient", 1,
         {"endpointUrl": _URL, "tool": "search", "inputMode": "json", "jsonInput": '{"a": 1}'},
         "mcp.call", {"url": _URL, "tool": "search", "arguments": {"a": 1}}),
        ("toolWorkflow", 2.2,
         {"workflowId": {"__rl": True, "mode": "list", "value": "w1"}, "description": "Looks",
          "workflowInputs": {"mappingMode": "defineBelow",
                             "value": {"city": "={{ $fromAI('city', 'Where', 'string') }}"}}},
         "flow.call",
         {"workflow": "w1", "input": {"city": "{{ $fromAI('city', 'Where', 'string') }}"}}),
        ("toolWorkflow", 1.1, {"name": "look", "workflowId": "w1", "description": "Looks"},
         "flow.call",
         {"workflow": "w1", "input": {"query": "{{ $fromAI('query', 'What to ask, in words') }}"}}),
        ("toolWorkflow", 1.2,
         {"workflowId": "w1", "specifyInputSchema": True, "jsonSchemaExample": "{}"},
         "flow.call", {"workflow": "w1"}),
    ],
)  # fmt: skip
def test_a_node_that_does_the_same_here(
    kind: str, version: float, given: JsonObject, type_: str, made: JsonObject
) -> None:
    node, told = mapped(f"{_KIND}{kind}", given, version)
    assert (node.type, node.parameters) == (type_, made)
    assert not [line for line in told if "id in n8n" not in line and "asked for what" not in line]
    assert node.notes == given.get("description", "")


def test_an_older_transport_is_told() -> None:
    node, told = mapped(f"{_KIND}mcpClientTool", {"sseEndpoint": _URL})
    assert node.parameters == {"url": _URL}
    assert any("streamable HTTP" in line for line in told)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("toolWorkflow", {"source": "parameter", "workflowJson": "{}"}),
        ("mcpClient", {"endpointUrl": _URL, "tool": "a", "inputMode": "json",
                       "jsonInput": "{a: 1}"}),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_says_so(kind: str, given: JsonObject) -> None:
    with pytest.raises(CannotMap):
        mapped(f"{_KIND}{kind}", given)


def server(*tools: JsonObject) -> JsonObject:
    """An n8n workflow that is a server of tools."""
    trigger = {
        "name": "Server", "type": f"{_KIND}mcpTrigger", "typeVersion": 2,
        "parameters": {"path": "x"}, "position": [0, 0], "id": "1",
    }  # fmt: skip
    return {
        "name": "Tools",
        "nodes": [trigger, *tools],
        "connections": {
            one["name"]: {"ai_tool": [[{"node": "Server", "type": "ai_tool", "index": 0}]]}
            for one in tools
        },
    }


def request_tool(name: str) -> JsonObject:
    return {
        "name": name,
        "type": "n8n-nodes-base.httpRequestTool",
        "typeVersion": 4.2,
        "position": [0, 200],
        "id": name,
        "parameters": {
            "url": "=https://api.example.com/{{ $fromAI('city', 'Where', 'string') }}",
            "toolDescription": "Looks up the weather",
        },
    }


def test_a_server_with_one_tool_is_a_workflow_that_is_one() -> None:
    made = import_document(server(request_tool("Look up"))).workflow
    by_type = {node.type: node for node in made.nodes}
    trigger, request = by_type["trigger.mcp"], by_type["http.request"]
    assert trigger.parameters == {
        "name": "Look_up",
        "description": "Looks up the weather",
        "fields": [{"name": "city", "type": "string", "description": "Where", "required": True}],
    }
    assert request.notes == "Looks up the weather"
    [wire] = made.connections
    assert (wire.source, wire.target, wire.input) == (trigger.id, request.id, "main")
    assert not [one.message for one in validate(made, builtin()) if one.severity == "error"]


def test_a_server_with_several_tools_says_what_to_do() -> None:
    made = import_document(server(request_tool("One"), request_tool("Two")))
    assert "flow.placeholder" in {node.type for node in made.workflow.nodes}
    assert any("2 tools" in line for report in made.report.nodes for line in report.differences)
