"""Speaks MCP by the protocol's own SDK, over the guarded client. Loaded by `tool_server.py`.

Every conversation is one connection: the versions are settled, the one thing is asked, and it ends.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, Implementation, Tool

from engine_service.protocols.tool_server import Answer, OfferedTool, ToolServer, shown_url
from engine_service.sdk.node import Failed, NodeError
from engine_service.web.library_transport import LibraryTransport

# What it would log is what a server said, and that is told by the node.
logging.getLogger("mcp").setLevel(logging.CRITICAL)
_MOST_TOOLS = 500
_US = Implementation(name="flowloom", version="0.1.0")
_REFUSALS = {401: "not_authenticated", 403: "forbidden", 404: "not_found", 429: "rate_limited"}


class Talk:
    """What one server can be asked."""

    def __init__(self, server: ToolServer) -> None:
        self._server = server

    async def tools(self) -> Sequence[OfferedTool]:
        """All its tools, page after page."""
        async with self._connected(repeatable=True) as client:
            tools: list[OfferedTool] = []
            cursor: str | None = None
            while len(tools) < _MOST_TOOLS:
                page = await client.list_tools(cursor=cursor)
                tools += map(_offered, page.tools)
                cursor = page.next_cursor
                if cursor is None:
                    break
            return tools[:_MOST_TOOLS]

    async def call(self, tool: str, arguments: dict[str, Any]) -> Answer:
        """What a tool gives."""
        async with self._connected(repeatable=False) as client:
            result = await client.call_tool(tool, arguments)
            content = [
                block.model_dump(mode="json", by_alias=True, exclude_none=True)
                for block in result.content
            ]
            return Answer(content, result.structured_content, result.is_error)

    @asynccontextmanager
    async def _connected(self, *, repeatable: bool) -> AsyncGenerator[Client]:
        """A client whose troubles are told as nodes tell theirs."""
        server = self._server
        transport = _Transport(server.http, server.credential, server.seconds, server.most_bytes)
        try:
            async with (
                asyncio.timeout(server.seconds),
                httpx2.AsyncClient(transport=transport, headers=dict(server.headers)) as http,
                Client(
                    streamable_http_client(server.url, http_client=http),
                    client_info=_US,
                    read_timeout_seconds=server.seconds,
                    cache=None,
                ) as client,
            ):
                yield client
        except TimeoutError as error:
            message = f"{shown_url(server.url)} did not answer within {server.seconds:g} seconds."
            failed = Failed("timeout", message, retryable=True, outcome_known=repeatable)
            raise NodeError(failed) from error
        except NodeError:
            raise
        except Exception as error:  # the SDK lets anything out, in groups
            failed = _failure(error, transport, shown_url(server.url))
            known = failed.outcome_known or repeatable
            raise NodeError(replace(failed, outcome_known=known)) from error


class _Transport(LibraryTransport):
    """Listens to nothing that a server says unasked: nobody stays long enough."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(405)
        return await LibraryTransport.handle_async_request(self, request)


def _offered(tool: Tool) -> OfferedTool:
    hints = tool.annotations
    harmless = hints is not None and bool(hints.read_only_hint or hints.idempotent_hint)
    title = tool.title or (hints.title if hints is not None else None) or ""
    return OfferedTool(
        tool.name,
        title,
        tool.description or title or tool.name,
        tool.input_schema,
        tool.output_schema,
        harmless,
    )


def _failure(error: BaseException, transport: LibraryTransport, url: str) -> Failed:
    """What went wrong, from what the guarded client saw and what the server said."""
    if transport.failure is not None:
        return transport.failure
    said = next((one for one in _leaves(error) if isinstance(one, MCPError)), None)
    words = f"{url}: {said.message}" if said is not None else f"{url} does not answer as MCP says."
    if said is not None and said.code == INVALID_PARAMS:
        return Failed("bad_request", words)
    status = transport.last.status if transport.last is not None else 200
    if status >= 400:
        code = _REFUSALS.get(status) or ("server_unavailable" if status >= 500 else "refused")
        temporary = status == 429 or status >= 500
        message = f"{words} (status {status})"
        return Failed(code, message, retryable=temporary, outcome_known=status < 500)
    if said is not None and said.code == METHOD_NOT_FOUND:
        return Failed("not_supported", words)
    return Failed("bad_response" if said is None else "server_error", words, outcome_known=False)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of errors."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner in group.exceptions:
            yield from _leaves(inner)
    else:
        yield error
