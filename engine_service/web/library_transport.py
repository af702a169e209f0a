"""The guarded client as libraries see it that bring httpx2: each request goes out by `HttpClient`.

So a library's requests pass the same guard as a node's, carry the node's credential to where that
is bound, and are bounded in time and size. Answers are handed on as they come, for libraries that
read streams of events. What went wrong is kept, for libraries that make their own of it.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx2
from anyio import create_memory_object_stream

from engine_service.sdk.node import (
    Credential,
    Failed,
    HttpClient,
    HttpRequest,
    HttpResponse,
    NodeError,
)

_PIECES_AHEAD = 16
_OUR_OWN = frozenset({"host", "content-length", "connection", "accept-encoding", "user-agent"})


@dataclass(slots=True)
class LibraryTransport(httpx2.AsyncBaseTransport):
    """Sends a library's requests.

    Attributes:
        seconds: How long one exchange may take.
        most_bytes: The largest answer.
        failure: What went wrong last, below HTTP.
        last: The head of the answer that came last.
    """

    http: HttpClient
    credential: Credential | None
    seconds: float
    most_bytes: int
    failure: Failed | None = None
    last: HttpResponse | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.failure = None
        exchange = _Exchange(self.most_bytes)
        sending = asyncio.create_task(self._send(request, await request.aread(), exchange))
        try:
            await asyncio.wait([sending, exchange.head], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _end(sending)
            exchange.exit.close()
            raise
        if exchange.head.done():
            self.last = exchange.head.result()
            stream = _Stream(sending, exchange)
            return httpx2.Response(self.last.status, headers=_headers(self.last), stream=stream)
        exchange.head.cancel()
        exchange.exit.close()
        try:
            self.last = sending.result()
        except NodeError as error:
            raise httpx2.ConnectError(error.failure.message) from error
        return httpx2.Response(
            self.last.status, headers=_headers(self.last), content=self.last.body
        )

    async def _send(
        self, request: httpx2.Request, body: bytes, exchange: "_Exchange"
    ) -> HttpResponse:
        headers = {
            name.lower(): value
            for name, value in request.headers.items()
            if name.lower() not in _OUR_OWN
        }
        outgoing = HttpRequest(
            request.method,
            str(request.url),
            headers,
            body or None,
            timeout=self.seconds,
            follow_redirects=False,
            credential=self.credential,
            take=exchange.take,
        )
        with exchange.entrance:  # whoever reads sees its end, whatever becomes of it
            try:
                return await self.http.send(outgoing)
            except NodeError as error:
                self.failure = error.failure
                raise


class _Exchange:
    """One answer on its way: its head, and what comes behind it."""

    def __init__(self, most_bytes: int) -> None:
        self.head: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self.entrance, self.exit = create_memory_object_stream[bytes](_PIECES_AHEAD)
        self._left = most_bytes

    @asynccontextmanager
    async def take(self, head: HttpResponse) -> AsyncGenerator[Callable[[bytes], Awaitable[None]]]:
        """A place for the bytes behind an answer's head."""
        self.head.set_result(head)
        yield self._take

    async def _take(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise NodeError(Failed("response_too_large", "The answer is too large."))
        await self.entrance.send(data)


class _Stream(httpx2.AsyncByteStream):
    """The body of an answer as it comes; closing it ends the exchange."""

    def __init__(self, sending: "asyncio.Task[HttpResponse]", exchange: _Exchange) -> None:
        self._sending = sending
        self._exit = exchange.exit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._exit:
            yield piece
        try:
            await self._sending
        except NodeError as error:
            raise httpx2.ReadError(error.failure.message) from error

    async def aclose(self) -> None:
        await _end(self._sending)
        self._exit.close()


async def _end(task: "asyncio.Task[HttpResponse]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, NodeError):
        await task


def _headers(head: HttpResponse) -> dict[str, str]:
    """What is said of an answer that has been decoded already."""
    gone = ("content-encoding", "content-length", "transfer-encoding")
    return {name: value for name, value in head.headers.items() if name not in gone}
