"""gRPC streams as server-sent events, and nothing else speaks that format.

`id:` is the resource's own sequence, `event:` the type, `data:` the event as one line of JSON. All
events of one gRPC message leave as one chunk. A silent stream beats like a heart; one that has
lived long enough, or whose gateway drains, ends so that the client comes back with Last-Event-ID;
one whose service restarts goes on where it was. Whoever leaves takes only the stream away, never
the work behind it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, cast

import grpc
import orjson
import structlog
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.errors import problem
from gateway.metrics import EVENTS, STREAMS
from gateway.wire import to_json
from shared.errors import AppError, InvalidInput, Unavailable, Violation
from shared.rpc import call

log = structlog.get_logger()

MEDIA_TYPE = "text/event-stream"
_HEARTBEAT = b": heartbeat\n\n"
_RETRY = b"retry: 1000\n\n"
_LATER = b"retry: 5000\n\n"
_MAX_SEQUENCE = 2**63 - 1
_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
# gRPC itself tries again for about a second before it gives a service up.
_SETTLED_SECONDS = 3.0


class Batch(Protocol):
    """One gRPC message: whatever has happened since the last, never nothing."""

    @property
    def events(self) -> Sequence[Message]: ...


Open = Callable[[int], "grpc.aio.UnaryStreamCall[Any, Any]"]
"""Follows a history behind a sequence."""


Tell = Callable[[Sequence[Message]], bytes]
"""Events as one chunk; empty where none of them is for whoever listens."""


def read_after(request: Request, after: int) -> int:
    """Behind which event a stream starts: Last-Event-ID says it on a reconnection, else `after`.

    Raises:
        InvalidInput: Last-Event-ID is none of ours.
    """
    last = request.headers.get("last-event-id", "").strip()
    if not last:
        return after
    if not (last.isascii() and last.isdecimal()) or int(last) > _MAX_SEQUENCE:
        violation = Violation("", "invalid_event_id", "Last-Event-ID is the number of an event.")
        raise InvalidInput("The Last-Event-ID is not one of ours.", violations=[violation])
    return int(last)


def encode(events: Sequence[Message]) -> bytes:
    """Events as one chunk."""
    return b"".join([_encode(cast("Any", event)) for event in events])


def _encode(event: Any) -> bytes:
    data = to_json(event)
    if b"\n" in data or b"\r" in data:  # only as white space between the tokens of a document
        data = data.replace(b"\n", b" ").replace(b"\r", b" ")
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.sequence, event.type.encode(), data)


async def collect(open_stream: Open, after: int) -> list[Any]:
    """All events of a stream that ends."""
    async with aclosing(_resuming(open_stream, after)) as batches:
        return [event async for batch in batches for event in batch.events]


@dataclass
class EventStreams:
    """The streams of this gateway.

    Attributes:
        heartbeat_seconds: No stream is silent for longer.
        life_seconds: No stream lives longer.
    """

    heartbeat_seconds: float
    life_seconds: float

    def __post_init__(self) -> None:
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """End every stream, now and from now on; clients come back and find another gateway."""
        self._draining.set()

    async def respond(
        self,
        request: Request,
        open_stream: Open,
        after: int,
        patience: float,
        tell: Tell = encode,
    ) -> Response:
        """Follow a history to its end; `tell` makes a chunk of events, or nothing.

        The answer waits for the first event, for `patience` seconds at most: until then a failure
        is still an ordinary error, and an end without events is 204, upon which a browser stops to
        reconnect.
        """
        batches = _resuming(open_stream, after)
        first = asyncio.ensure_future(anext(batches, None))
        try:
            await asyncio.wait({first}, timeout=patience)
            if first.done() and first.result() is None:
                return Response(status_code=204)
        except BaseException:
            await _abandon(first, batches)
            raise
        return StreamingResponse(
            self._chunks(batches, first, request.url.path, tell), media_type=MEDIA_TYPE
        )

    async def _chunks(
        self,
        batches: AsyncGenerator[Batch],
        waiting: "asyncio.Future[Batch | None]",
        instance: str,
        tell: Tell,
    ) -> AsyncIterator[bytes]:
        ends_at = time.monotonic() + self.life_seconds
        draining = asyncio.ensure_future(self._draining.wait())
        STREAMS.inc()
        try:
            yield _RETRY
            while (left := ends_at - time.monotonic()) > 0 and not draining.done():
                quiet = min(self.heartbeat_seconds, left)
                await asyncio.wait(
                    {waiting, draining}, timeout=quiet, return_when=asyncio.FIRST_COMPLETED
                )
                if not waiting.done():
                    yield _HEARTBEAT
                    continue
                batch = waiting.result()
                if batch is None:
                    return
                waiting = asyncio.ensure_future(anext(batches, None))
                EVENTS.inc(len(batch.events))
                if chunk := tell(batch.events):
                    yield chunk
            yield _RETRY
        except Unavailable as error:
            log.warning("stream_lost", error=error.message)
            yield _LATER
        except AppError as error:
            yield b"event: error\ndata: %s\n\n" % orjson.dumps(problem(error, instance))
        finally:
            STREAMS.dec()
            draining.cancel()
            await _abandon(waiting, batches)


async def _abandon(waiting: "asyncio.Future[Batch | None]", batches: AsyncGenerator[Batch]) -> None:
    """Stop following; the generator ends its call when the read it is in has been cancelled."""
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await batches.aclose()


async def _resuming(open_stream: Open, after: int) -> AsyncGenerator[Batch]:
    """The batches of a history, across restarts of the service that tells it.

    Raises:
        Unavailable: The service was away from the start, or has been for too long.
    """
    caller = call.current()  # the request's, which is over when a stream is opened again
    began_at = told_at = time.monotonic()
    told = False
    while True:
        with call.use(caller):
            stream = open_stream(after)
        try:
            async for batch in stream:
                after, told, told_at = batch.events[-1].sequence, True, time.monotonic()
                yield batch
            return
        except Unavailable:
            now = time.monotonic()
            settled = told or now - began_at > _SETTLED_SECONDS
            if not settled or now - told_at > _PATIENCE_SECONDS:
                raise
        finally:
            stream.cancel()
        await asyncio.sleep(_PAUSE_SECONDS)
