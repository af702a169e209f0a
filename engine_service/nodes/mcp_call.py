"""`mcp.call`: uses a tool of a server that speaks MCP, or lists its tools."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from engine_service.connectors.connector import each_item
from engine_service.credentials import HTTP_TYPES
from engine_service.protocols.tool_server import (
    ServerParameters,
    ToolServer,
    items_of_answer,
    shown_url,
)
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    NodeInput,
    Outcome,
    Services,
)
from shared.workflow import Item, JsonObject


class McpParameters(ServerParameters):
    """Which tool of which server, and with what."""

    operation: Literal["call", "list"] = Field(
        default="call", description="`call` uses a tool, `list` tells which tools there are"
    )
    tool: str = Field(default="", max_length=200, description="The tool's name, for `call`")
    arguments: JsonObject = Field(
        default_factory=dict[str, object], description="What the tool is given, by name"
    )


class McpCall(ActionNode[McpParameters]):
    """Uses a tool of an MCP server for each item and gives back what came.

    The server is spoken to over streamable HTTP, with the node's credential if it has one, which
    goes to the hosts it is bound to. Structured content becomes items (a list one for each member),
    and so does a text that is JSON; any other text is in `text`. Pictures, sounds and files become
    files of the item, `data`, `data_1`, …

    A tool that says it failed fails the item with `tool_failed`; a server that cannot be reached or
    refuses has the codes of `http.request` and of connectors. A call is not repeated by itself,
    for nobody knows what a tool does twice: `settings.retry.on: [outcome_unknown]` allows it.

    For an agent there is `mcp.tools`, which brings all tools of a server. Servers listen at the
    addresses that `http.request` may reach, and no others.
    """

    Parameters = McpParameters
    type = "mcp.call"
    title = "MCP tool"
    effect = Effect.UNSAFE
    credential_types = HTTP_TYPES
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"url": "https://tools.example.com/mcp", "operation": "list"},
        {
            "url": "https://tools.example.com/mcp",
            "tool": "search",
            "arguments": {"query": "{{ $json.subject }}", "limit": 5},
        },
    )
    keywords = (
        "mcp", "model context protocol", "mcp client", "mcp server", "call tool", "remote tool",
        "模型上下文协议", "调用工具",
    )  # fmt: skip

    async def run(self, given: NodeInput[McpParameters], services: Services) -> Outcome:
        async def perform(index: int) -> list[Item]:
            made = await _made(given.parameters_for(index), services)
            return [{**one, "paired_item": index} for one in made]

        return await each_item(len(given.items), 1, perform) if given.items else Done({MAIN: []})

    def plan(self, parameters: McpParameters) -> str:
        what = "List the tools" if parameters.operation == "list" else f"Use {parameters.tool!r}"
        return f"{what} of {shown_url(parameters.url)}"

    def address(self, parameters: McpParameters) -> str:
        return parameters.url

    def sample(self, given: NodeInput[McpParameters]) -> Done:
        return Done({MAIN: [_sample(given.parameters_for(i), i) for i in range(len(given.items))]})

    @classmethod
    def effect_of(cls, parameters: JsonObject) -> Effect:
        return Effect.READ if parameters.get("operation") == "list" else cls.effect

    @classmethod
    def check(cls, parameters: McpParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.operation == "call" and not parameters.tool:
            return [("/tool", "missing", "Say which tool to use.")]
        return []


async def _made(parameters: McpParameters, services: Services) -> list[Item]:
    """What one item's call gives."""
    server = await ToolServer.of(parameters, services, HTTP_TYPES)
    if parameters.operation == "list":
        return [{"json": tool.as_json()} for tool in await server.tools()]
    answer = await server.call(parameters.tool, parameters.arguments)
    return await items_of_answer(answer, services.blobs)


def _sample(parameters: McpParameters, index: int) -> Item:
    if parameters.operation == "call":
        return {"json": {"text": "A sample result."}, "paired_item": index}
    tool: JsonObject = {
        "name": "search", "title": "Search", "description": "Finds documents.",
        "arguments": {"type": "object", "properties": {"query": {"type": "string"}}},
        "result": None,
    }  # fmt: skip
    return {"json": tool, "paired_item": index}
