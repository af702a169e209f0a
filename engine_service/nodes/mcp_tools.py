"""`mcp.tools`: the tools of a server that speaks MCP, for an agent."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from engine_service.credentials import HTTP_TYPES
from engine_service.protocols.tool_server import ServerParameters, ToolServer, items_of_answer
from engine_service.sdk.node import (
    MAIN,
    Done,
    Failed,
    NodeInput,
    Offer,
    Outcome,
    Services,
    ToolSource,
)
from shared.workflow import JsonObject


class ToolsParameters(ServerParameters):
    """Which tools of which server."""

    include: list[str] = Field(
        default_factory=list[str],
        max_length=200,
        description="The names of the tools to bring; all that there are when none is named",
    )
    exclude: list[str] = Field(
        default_factory=list[str], max_length=200, description="The names of tools to leave out"
    )


class McpTools(ToolSource[ToolsParameters]):
    """Brings the tools of an MCP server to the agent that it is attached to.

    The agent asks the server what it offers, and its model sees those tools with their own names,
    descriptions and arguments. `include` and `exclude` choose among them. What a model says goes to
    the server as it is, once it fits the tool's schema; the node's own parameters and its
    credential are out of the model's reach.

    A tool that its server calls read-only or idempotent is used again after a crash; of others a
    person is asked first. To use one tool as a step of a workflow there is `mcp.call`.
    """

    Parameters = ToolsParameters
    type = "mcp.tools"
    title = "Tools of an MCP server"
    credential_types = HTTP_TYPES
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"url": "https://tools.example.com/mcp"},
        {"url": "https://tools.example.com/mcp", "include": ["search", "read"], "timeout": 30},
    )
    keywords = (
        "mcp tools", "mcp toolbox", "tools of agent", "tool server", "remote tools for agent",
        "智能体工具", "工具服务器",
    )  # fmt: skip

    async def offers(self, parameters: ToolsParameters, services: Services) -> Sequence[Offer]:
        server = await ToolServer.of(parameters, services, HTTP_TYPES)
        chosen, left_out = set(parameters.include), set(parameters.exclude)
        return [
            Offer(tool.name, tool.description, tool.arguments, tool.repeatable)
            for tool in await server.tools()
            if (not chosen or tool.name in chosen) and tool.name not in left_out
        ]

    async def run(self, given: NodeInput[ToolsParameters], services: Services) -> Outcome:
        if given.asked is None:
            return Failed(
                "not_attached", "It brings tools to an agent, and does nothing by itself."
            )
        server = await ToolServer.of(given.parameters_for(0), services, HTTP_TYPES)
        answer = await server.call(given.asked.name, given.asked.arguments)
        return Done({MAIN: await items_of_answer(answer, services.blobs)})
