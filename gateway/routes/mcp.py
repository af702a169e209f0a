"""The MCP server: a tenant's active workflows as tools, for language models and other clients.

Streamable HTTP without state: a client posts one JSON-RPC message and gets one JSON answer; there
are no sessions and no stream of events, so any gateway answers any message. The few messages that
this takes are written out here, for the protocol's SDK would cost every gateway four megabytes and
tests speak to this door with the SDK's own client (ADR 33).
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, cast

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from gateway.clients import Clients
from gateway.gate import UserRoute, gate_of
from gateway.parts import ClientsPart
from shared.errors import AppError, InvalidInput, NotFound
from shared.pb.flowloom.engine.v1 import run_pb2
from shared.pb.flowloom.engine.v1 import tool_service_pb2 as pb
from shared.rpc import call

JsonObject = dict[str, Any]

_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
_WAIT = timedelta(seconds=55)
_DEADLINE_SECONDS = 60.0
_PAGE = 100
_PARSE_ERROR, _INVALID_REQUEST, _NO_METHOD, _INVALID_PARAMS = -32700, -32600, -32601, -32602
_REFUSED = -32000
_INSTRUCTIONS = (
    "Each tool is a workflow of the team; calling it starts a run. What takes longer than a minute "
    "is answered with the run's id, and goes on."
)


class McpRoute(UserRoute):
    """Speaks MCP; every message is one request, and what it starts has a key of its own."""

    limits = ("mcp",)
    streams = True


router = APIRouter(route_class=McpRoute, include_in_schema=False)


class _Refusal(Exception):
    """A message that is answered with an error of JSON-RPC."""

    def __init__(self, code: int, message: str, data: JsonObject | None = None) -> None:
        super().__init__(message)
        self.error: JsonObject = {"code": code, "message": message}
        if data is not None:
            self.error["data"] = data


@router.post("/mcp")
async def speak(request: Request, clients: ClientsPart) -> Response:
    """Answer one message."""
    try:
        message: Any = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return _answer(None, {"error": {"code": _PARSE_ERROR, "message": "Not JSON."}}, 400)
    if not isinstance(message, dict) or "jsonrpc" not in message:
        wrong = {"code": _INVALID_REQUEST, "message": "Send a single JSON-RPC message."}
        return _answer(None, {"error": wrong}, 400)
    said = cast("JsonObject", message)
    method, message_id = said.get("method"), said.get("id")
    if message_id is None or not isinstance(method, str):
        return Response(status_code=202)  # a notification, or an answer to what nobody asked
    params = said.get("params")
    given = cast("JsonObject", params) if isinstance(params, dict) else {}
    try:
        if method not in _METHODS:
            raise _Refusal(_NO_METHOD, f"There is no method {method[:100]!r} here.")
        return _answer(message_id, {"result": await _METHODS[method](request, clients, given)})
    except _Refusal as refusal:
        return _answer(message_id, {"error": refusal.error})


@router.get("/mcp")
@router.delete("/mcp")
async def keep_nothing() -> Response:
    """There are no sessions, and nothing is said unasked."""
    return Response(status_code=405, headers={"allow": "POST"})


def _answer(message_id: Any, said: Mapping[str, Any], status: int = 200) -> Response:
    body = orjson.dumps({"jsonrpc": "2.0", "id": message_id, **said})
    return Response(body, status, media_type="application/json")


async def _initialize(request: Request, clients: Clients, params: JsonObject) -> JsonObject:
    del request, clients
    wanted = params.get("protocolVersion")
    return {
        "protocolVersion": wanted if wanted in _VERSIONS else _VERSIONS[0],
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": "flowloom", "title": "Flowloom", "version": "0.1.0"},
        "instructions": _INSTRUCTIONS,
    }


async def _ping(request: Request, clients: Clients, params: JsonObject) -> JsonObject:
    del request, clients, params
    return {}


async def _list(request: Request, clients: Clients, params: JsonObject) -> JsonObject:
    del request
    cursor = params.get("cursor")
    asked = pb.ListToolsRequest(page_size=_PAGE, page_token=cursor or "")
    try:
        page = await clients.tools.ListTools(asked)
    except InvalidInput as error:
        raise _Refusal(_INVALID_PARAMS, error.message) from error
    told: JsonObject = {"tools": [_shown(tool) for tool in page.tools]}
    return {**told, "nextCursor": page.next_page_token} if page.next_page_token else told


def _shown(tool: pb.Tool) -> JsonObject:
    return {
        "name": tool.name,
        "description": tool.description,
        "inputSchema": orjson.Fragment(tool.input_schema.json),
        "annotations": {"readOnlyHint": tool.read_only},
    }


async def _call(request: Request, clients: Clients, params: JsonObject) -> JsonObject:
    name, arguments = params.get("name"), cast("Any", params.get("arguments") or {})
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise _Refusal(_INVALID_PARAMS, "A call has a name, and arguments that are an object.")
    await gate_of(request).limits.take(("run",), f"user:{call.caller().subject}")
    asked = pb.CallToolRequest(name=name)
    asked.arguments.json = orjson.dumps(arguments)
    asked.wait.FromTimedelta(_WAIT)
    try:
        return _result(await clients.tools.CallTool(asked, timeout=_DEADLINE_SECONDS))
    except NotFound as error:
        raise _Refusal(_INVALID_PARAMS, f"There is no tool {name[:100]!r}.") from error
    except InvalidInput as error:  # told to the model, which may do better
        places = [f"{one.pointer}: {one.message}" for one in error.violations]
        return _failed("\n".join([error.message, *places]), error.code.lower(), {})
    except AppError as error:
        data = {"code": error.code, "retryable": error.retryable}
        raise _Refusal(_REFUSED, error.message, data) from error


def _result(came: pb.CallToolResponse) -> JsonObject:
    """What a run came to, as the result of a tool."""
    if came.HasField("error") or came.status == run_pb2.RUN_STATUS_CANCELLED:
        code = came.error.code or "cancelled"
        message = came.error.message or "The run was cancelled."
        more = {"run_id": came.run_id, "node_id": came.error.node_id}
        return _failed(f"{code}: {message}", code, more)
    if not came.HasField("result"):
        told: Any = {
            "run_id": came.run_id,
            "status": "running",
            "message": "The run is still going, and will end by itself.",
        }
    else:
        told = orjson.loads(came.result.json)
    text = told if isinstance(told, str) else orjson.dumps(told).decode()
    structured = cast("JsonObject", told) if isinstance(told, dict) else {"result": told}
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": structured,
        "isError": False,
    }


def _failed(text: str, code: str, more: JsonObject) -> JsonObject:
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": {"error": {"code": code, "message": text, **more}},
        "isError": True,
    }


_METHODS: Mapping[str, Callable[[Request, Clients, JsonObject], Awaitable[JsonObject]]] = {
    "initialize": _initialize,
    "ping": _ping,
    "tools/list": _list,
    "tools/call": _call,
}
