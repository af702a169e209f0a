"""MCP: servers of tools and their clients, and workflows as tools of agents."""

import json
import re
from typing import Any

from engine_service.expressions.asking import arguments_of
from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_LANGCHAIN = "@n8n/n8n-nodes-langchain."
_QUERY = "{{ $fromAI('query', 'What to ask, in words') }}"
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_TYPES = {"integer": "number", "number": "number", "boolean": "boolean", "array": "array",
          "object": "object"}  # fmt: skip
_SHOWN_ONLY = ("mappingMode", "matchingColumns", "schema", "attemptToConvertTypes",
               "convertFieldsToString")  # fmt: skip


def _server(fields: Fields) -> JsonObject:
    """Where the server is, and how long it may take."""
    fields.ignore("authentication")
    url = fields.take("endpointUrl")
    if not url:
        url = fields.take("sseEndpoint", "")
        fields.differ("It is spoken to over streamable HTTP; see that the address is for that.")
    if fields.fixed("serverTransport", "httpStreamable") != "httpStreamable":
        fields.differ("It is spoken to over streamable HTTP; see that the address is for that.")
    options = fields.section("options")
    options.ignore("convertToBinary", "binaryPropertyName")
    made: JsonObject = {"url": url}
    if options.has("timeout"):
        made["timeout"] = max(1.0, min(600.0, options.number("timeout", 60_000) / 1_000))
    return made


def _tools(node: SourceNode) -> Mapped:
    """MCP Client Tool: all tools of a server, or some."""
    fields = node.fields
    made = _server(fields)
    chosen = fields.fixed("include", "all")
    included, excluded = fields.take("includeTools"), fields.take("excludeTools")
    if chosen == "selected" and included:
        made["include"] = included
    if chosen == "except" and excluded:
        made["exclude"] = excluded
    return Mapped("mcp.tools", made)


def _call(node: SourceNode) -> Mapped:
    """MCP Client: one tool as a step."""
    fields = node.fields
    made = {**_server(fields), "tool": fields.located("tool", "")}
    if fields.fixed("inputMode", "manual") == "json":
        given: Any = fields.take("jsonInput", "{}")
    else:
        given = _values(fields.section("parameters"))
    fields.ignore("jsonInput", "parameters")
    if isinstance(given, str) and "{{" not in given:
        given = _parsed(given)
    return Mapped("mcp.call", {**made, "arguments": given} if given else made)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CannotMap("Its arguments are not JSON.") from error


def _values(inputs: Fields) -> Any:
    """What is written for each input."""
    inputs.ignore(*_SHOWN_ONLY)
    return inputs.take("value")


def _workflow(node: SourceNode) -> Mapped:
    """Call n8n Workflow Tool: what the model gives goes into the workflow."""
    fields = node.fields
    if fields.fixed("source", "database") != "database":
        raise CannotMap("Import the workflow that stands in it by itself, and call that.")
    wanted = fields.located("workflowId", "")
    fields.differ("It names the workflow by its id in n8n; name it by its id or name here.")
    fields.ignore("name", "responsePropertyName")
    made: JsonObject = {"workflow": wanted if isinstance(wanted, str) else str(wanted)}
    values = _values(fields.section("workflowInputs"))
    fixed = {row.text("name"): row.take("stringValue") for row in fields.rows("fields", "values")}
    asks_by_schema = fields.flag("specifyInputSchema")
    fields.ignore("schemaType", "jsonSchemaExample", "inputSchema")
    if values:
        made["input"] = values
    elif asks_by_schema or node.version >= 2:
        fields.differ("The model is asked for what the form of the called workflow says.")
    else:
        made["input"] = {"query": _QUERY, **fixed}
    return Mapped("flow.call", made, notes=fields.text("description"))


def _trigger(node: SourceNode) -> Mapped:
    """MCP Server Trigger: the one tool that is attached to it is what the workflow does."""
    fields = node.fields
    fields.ignore("path", "authentication")
    tools = node.attached.get("ai_tool", ())
    if len(tools) != 1 or tools[0].type.endswith((".mcpClientTool", ".agentTool")):
        raise CannotMap(
            "Here each tool is a workflow of its own that begins with a trigger.mcp: import what "
            f"its {len(tools)} tools do one by one."
        )
    fields.differ("Its address is the MCP server of all your workflows; clients sign in as you do.")
    [tool] = tools
    named = str(tool.fields.raw.get("name") or tool.name)
    told = tool.fields.raw.get("description") or tool.fields.raw.get("toolDescription")
    return Mapped(
        "trigger.mcp",
        {
            "name": _NO_NAME.sub("_", named).strip("_")[:64] or "tool",
            "description": told if isinstance(told, str) and told else f"Does: {tool.name}.",
            "fields": _arguments(tool),
        },
    )


def _arguments(tool: SourceNode) -> list[JsonObject]:
    """What a tool takes: what its parameters ask a model for, which look for it in the item."""
    asked = arguments_of(tool.fields.raw)
    if not asked and tool.type.endswith(".toolWorkflow") and tool.version < 2:
        return [{"name": "query", "description": "What to ask, in words"}]
    if odd := [one.name for one in asked if not _FIELD.fullmatch(one.name)]:
        raise CannotMap(f"Its tool asks for {odd[0]!r}, which no field can be called.")
    return [
        {
            "name": one.name,
            "type": _TYPES.get(one.type, "string"),
            "description": one.description,
            "required": not one.has_default,
        }
        for one in asked
    ]


MAPPINGS = (
    NodeMapping((f"{_LANGCHAIN}mcpTrigger",), _trigger),
    NodeMapping((f"{_LANGCHAIN}mcpClientTool",), _tools),
    NodeMapping((f"{_LANGCHAIN}mcpClient",), _call),
    NodeMapping((f"{_LANGCHAIN}toolWorkflow",), _workflow),
)
