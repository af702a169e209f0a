"""Outsides for tests of any node: one that answers at once, one that hangs, one that is away."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from engine_service.code.sandbox import SandboxResult
from engine_service.sdk.node import (
    Credential,
    Failed,
    HttpRequest,
    HttpResponse,
    NodeError,
    NodeType,
    Place,
)
from shared.errors import Unavailable
from shared.llm import Budget, Delta, Embedder, Embeddings, Finish, Model, Reply, Request, Usage
from shared.llm import Done as Finished
from shared.workflow import JsonObject
from tests.support.accounts import Accounts
from tests.support.file_store import FileStore
from tests.support.other_workflows import OtherWorkflows
from tests.support.run_node import services
from tests.support.tenant_data import EmptyData
from tests.support.tenant_memory import EmptyMemory

# Families that speak other protocols than HTTP. Nobody answers them here; they have tests of their
# own with real servers.
SPOKEN = {"email", "postgres", "redis"}
FEED = b"<rss version='2.0'><channel><item><title>A</title></item></channel></rss>"
BUCKET = b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>"
_DIRECTORY = TemporaryDirectory()
FILES = FileStore(Path(_DIRECTORY.name))
TABLE = FILES.keep("table", b"a;b\n1;2\n", "table.csv", "text/csv")


class Answering:
    """An outside that answers at once."""

    name = "test:model"

    async def send(self, request: HttpRequest) -> HttpResponse:
        if "rss" in request.headers.get("accept", ""):
            return HttpResponse(200, {"content-type": "application/rss+xml"}, FEED, request.url)
        if "event-stream" in request.headers.get("accept", ""):
            return _as_tool_server(request)
        if "list-type=2" in request.url:
            return HttpResponse(200, {"content-type": "application/xml"}, BUCKET, request.url)
        body = b'{"ok": true, "data": [{"id": 1}], "meta": {"next": null}}'
        return HttpResponse(200, {"content-type": "application/json"}, body, request.url)

    async def get(self, names: str) -> Model:
        assert names
        return self

    async def get_embedder(self, name: str) -> Embedder:
        assert name
        return self

    async def embed(self, texts: Sequence[str], *, budget: Budget | None = None) -> Embeddings:
        assert budget
        return Embeddings(self.name, [[1.0, 0.0]] * len(texts), Usage(1))

    async def complete(self, request: Request) -> Reply:
        raise AssertionError("nodes stream")

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        data = {"category": "bug", "urgent": True} if request.output else None
        yield Finished(Reply("test:model", "Yes.", Finish.STOP, Usage(1, 1), data=data))

    async def close(self) -> None:
        """Nothing is open."""

    async def run(self, *_: Any) -> SandboxResult:
        return SandboxResult([{"json": {}}], [])

    async def reach(self, host: str, port: int) -> Place:
        message = f"Nobody listens on {host}:{port} here."
        raise NodeError(Failed("connect_failed", message, retryable=True))

    async def connect(self, host: str, port: int) -> socket.socket:
        await self.reach(host, port)
        raise AssertionError("nobody is reached")

    def tls(self, *, verify: bool = True) -> ssl.SSLContext:
        raise AssertionError(f"nobody speaks TLS, with {verify=} or not")

    async def before(self) -> None:
        """What happens before a tenant's data answer."""

    async def run_python(self, *given: Any) -> SandboxResult:
        return await self.run(*given)


def _as_tool_server(request: HttpRequest) -> HttpResponse:
    """What a server of tools says that speaks an older MCP."""
    asked: JsonObject = json.loads(cast("bytes", request.body))
    results: JsonObject = {
        "initialize": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "tools", "version": "1"},
        },
        "tools/list": {"tools": []},
        "tools/call": {"content": [{"type": "text", "text": "Found."}]},
    }
    method = asked["method"]
    if "id" not in asked:
        return HttpResponse(202, {}, b"", request.url)
    unknown = {"error": {"code": -32601, "message": "unknown"}}
    told = {"result": results[method]} if method in results else unknown
    body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}).encode()
    return HttpResponse(200, {"content-type": "application/json"}, body, request.url)


class Hanging(Answering):
    """An outside that never answers, and counts who is waiting for it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.inside = 0

    async def _hang(self) -> None:
        self.inside += 1
        self.reached.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.inside -= 1

    async def send(self, request: HttpRequest) -> HttpResponse:
        await self._hang()
        return await super().send(request)

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        await self._hang()
        async for delta in super().stream(request):
            yield delta

    async def embed(self, texts: Sequence[str], *, budget: Budget | None = None) -> Embeddings:
        await self._hang()
        return await super().embed(texts, budget=budget)

    async def run(self, *_: Any) -> SandboxResult:
        await self._hang()
        return await super().run()

    async def reach(self, host: str, port: int) -> Place:
        await self._hang()
        return await super().reach(host, port)

    async def before(self) -> None:
        await self._hang()


class Failing(Answering):
    """An outside that is away."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        failure = Failed("connect_failed", "away", retryable=True, retry_after=0)
        raise NodeError(failure)

    async def get(self, names: str) -> Model:
        raise Unavailable(f"{names} is away")

    async def get_embedder(self, name: str) -> Embedder:
        raise Unavailable(f"{name} is away")

    async def run(self, *_: Any) -> SandboxResult:
        raise Unavailable("The sandbox is away")

    async def before(self) -> None:
        raise NodeError(Failed("tables_away", "away", retryable=True, retry_after=0))


class Ready:
    """A credential of whatever type is wanted, for the worlds above, that proves nothing."""

    def __init__(self, kind: str = "") -> None:
        self.type = kind

    async def find(self, *types: str) -> Credential | None:
        return Ready(types[0])

    def covers(self, scheme: str, host: str, port: int) -> bool:
        del scheme, host, port
        return True

    async def sign(self, request: HttpRequest) -> HttpRequest:
        return request

    async def renew(self) -> bool:
        return False

    def hide(self, text: str) -> str:
        return text

    def open_fields(self) -> JsonObject:
        return {}

    def reveal(self) -> JsonObject:
        return {}


def _world(world: Answering, node_type: type[NodeType[Any]]) -> Any:
    account = Accounts(host="server.example.com", database="1", sender="me@example.com")
    ready = account if node_type.family() in SPOKEN else Ready()
    credentials = ready if node_type.needs_credential else None
    made = services(
        http=world, models=world, sandbox=world, network=world, credentials=credentials, blobs=FILES
    )
    made = replace(made, workflows=OtherWorkflows(world.run), data=EmptyData(world.before))
    return replace(made, memory=EmptyMemory(world.before))


def answering(node_type: type[NodeType[Any]]) -> Any:
    return _world(Answering(), node_type)


def hanging(world: Hanging, node_type: type[NodeType[Any]]) -> Any:
    return _world(world, node_type)


def failing(node_type: type[NodeType[Any]]) -> Any:
    return _world(Failing(), node_type)
