"""A small HTTP/1.1 server on loopback for tests: answers as told, and keeps what it was asked.

It is written on bare asyncio streams so that tests can also break the protocol: close in the
middle, drip a body, or answer nonsense.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Seen:
    """A request that arrived; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What the server sends back; `raw` replaces everything else, byte for byte."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    raw: bytes | None = None
    close: bool = False

    @classmethod
    def of_json(cls, value: Any, status: int = 200, **headers: str) -> "Answer":
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        body = json.dumps(value).encode()
        return cls(status, {"content-type": "application/json", **named}, body)


Handler = Callable[[Seen], Awaitable[Answer] | Answer]
Stream = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A running server: where it is, what it saw, how many connections it took."""

    port: int
    scheme: str
    seen: list[Seen] = field(default_factory=list[Seen])
    connections: int = 0
    closed_by_peer: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"


@asynccontextmanager
async def serve(
    handler: Handler | None = None,
    *,
    stream: Stream | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncGenerator[Server]:
    """Run a server: `handler` gives whole answers, `stream` writes what it likes.

    A stream is cancelled when its client goes away; `closed_by_peer` then says so.
    """
    server = Server(0, "https" if tls else "http")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        try:
            while (seen := await _read_request(reader)) is not None:
                server.seen.append(seen)
                if stream is not None:
                    await _stream_until_left(stream(seen, writer), reader)
                    break
                if not await _answer(seen, handler or (lambda _: Answer()), writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            server.closed_by_peer.set()
        finally:
            server.closed_by_peer.set()
            writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()


async def _stream_until_left(streaming: Awaitable[None], reader: asyncio.StreamReader) -> None:
    """Let the stream be written until it ends or the client goes away."""
    tasks: set[asyncio.Future[Any]] = {
        asyncio.ensure_future(streaming),
        asyncio.ensure_future(reader.read()),
    }
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (li.partition(":") for li in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body)


async def _answer(seen: Seen, handler: Handler, writer: asyncio.StreamWriter) -> bool:
    """Send the answer; whether the connection stays open."""
    result = handler(seen)
    answer = result if isinstance(result, Answer) else await result
    if answer.raw is not None:
        writer.write(answer.raw)
    else:
        headers = {"content-length": str(len(answer.body)), **answer.headers}
        lines = [f"HTTP/1.1 {answer.status} OK", *(f"{k}: {v}" for k, v in headers.items())]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        writer.write(head + (b"" if seen.method == "HEAD" else answer.body))
    await writer.drain()
    return not answer.close
