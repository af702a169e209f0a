"""A real MCP server on this machine, made with the protocol's SDK: a few tools, and who called."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from starlette.types import ASGIApp, Receive, Scope, Send

PIXEL = b"\x89PNG-not-really"


@dataclass
class McpServer:
    """A server that serves.

    Attributes:
        headers: Those of every request, in order.
        calls: The tools that were used, with what they were given.
        refuse: A status to answer everything with; 0 to serve.
        deaf_to_new: Answers requests of the newest protocol as older servers do.
    """

    url: str = ""
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    calls: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    refuse: int = 0
    deaf_to_new: bool = False

    @property
    def authority(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://").partition("/")[0]

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, with an eye on who comes."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            seen = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.headers.append(seen)
            new = self.deaf_to_new and seen.get("mcp-method") == "server/discover"
            if not self.refuse and not new:
                await app(scope, receive, send)
                return
            status = self.refuse or 404
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"no"})

        return watched


def _tools(server: McpServer) -> MCPServer:
    made = MCPServer("test tools")

    @made.tool(annotations=ToolAnnotations(read_only_hint=True))
    def look(city: str, days: int = 1) -> dict[str, Any]:
        """Says what the weather is like."""
        server.calls.append(("look", {"city": city, "days": days}))
        return {"weather": f"rain in {city}", "days": days}

    @made.tool()
    def order(what: str) -> list[dict[str, Any]]:
        """Orders something."""
        server.calls.append(("order", {"what": what}))
        return [{"id": 1, "what": what}, {"id": 2, "what": what}]

    @made.tool(structured_output=False)
    def say(text: str) -> str:
        """Says it back."""
        server.calls.append(("say", {"text": text}))
        return text

    @made.tool(structured_output=False)
    def draw() -> list[Any]:
        """Draws a picture."""
        return ["a dot", Image(data=PIXEL, format="png")]

    @made.tool()
    def fail() -> str:
        """Fails."""
        raise ToolError("out of paint")

    @made.tool()
    async def hang() -> str:
        """Never ends."""
        server.calls.append(("hang", {}))
        return await asyncio.get_running_loop().create_future()

    return made


@asynccontextmanager
async def mcp_server(*, json_response: bool = False) -> AsyncGenerator[McpServer]:
    """A server until the block ends; it answers with streams of events, or with JSON."""
    server = McpServer()
    app = _tools(server).streamable_http_app(json_response=json_response)
    config = uvicorn.Config(
        server.around(app),
        "127.0.0.1",
        0,
        lifespan="on",
        log_config=None,
        ws="none",
        timeout_graceful_shutdown=1,
    )
    serving = uvicorn.Server(config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serving.serve())
        while not serving.started:
            await asyncio.sleep(0.01)
        port = serving.servers[0].sockets[0].getsockname()[1]
        server.url = f"http://127.0.0.1:{port}/mcp"
        yield server
        serving.should_exit = True
