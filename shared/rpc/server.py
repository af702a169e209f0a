"""Serving: one gRPC server with health, reflection, keepalive, and the interceptor at its door.

The interceptor checks the caller's signed identity, makes the call at hand available, and turns
whatever a use case raises into a status. A server drains: health says NOT_SERVING first, then what
has begun is finished.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from shared import identity
from shared.errors import AppError, Internal, Unauthenticated
from shared.ids import new_id
from shared.rpc import call
from shared.rpc.spans import rpc_span
from shared.rpc.status import to_status
from shared.tracing import context as trace_context
from shared.tracing import spans

log = structlog.get_logger()

_OPEN_PREFIXES = ("/grpc.health.v1.Health/", "/grpc.reflection.")
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_ANSWER_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),
)

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """A gRPC service to serve: its full name, its implementation, and protoc's add function."""

    name: str
    servicer: Any
    add: Callable[[Any, Any], None]


class RpcServer:
    """A gRPC server of the mesh.

    Args:
        services: What it offers, besides health and reflection.
        mesh_secret: Checks the callers' identity.
        address: `host:port`, or `unix:path`; port 0 chooses a free one.
    """

    def __init__(self, services: Iterable[Service], mesh_secret: str, address: str) -> None:
        self._services = tuple(services)
        self._health = HealthServicer()
        self._server = grpc.aio.server(interceptors=[_Door(mesh_secret)], options=_OPTIONS)
        for service in self._services:
            service.add(service.servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(  # pyright: ignore[reportUnknownMemberType] (untyped)
            self._health, self._server
        )
        names = [service.name for service in self._services]
        reflection.enable_server_reflection(
            [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server
        )
        self.port = self._server.add_insecure_port(address)

    async def start(self) -> None:
        """Begin to serve; every service reports SERVING."""
        await self._server.start()
        for name in ("", *(service.name for service in self._services)):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def drain(self) -> None:
        """Report NOT_SERVING everywhere, for good; calls are still answered."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Take no new calls, and give those under way `grace` seconds."""
        await self.drain()
        await self._server.stop(grace)


class _Door(grpc.aio.ServerInterceptor):
    """Checks who calls, remembers it for the call, and translates what goes wrong."""

    def __init__(self, mesh_secret: str) -> None:
        self._mesh_secret = mesh_secret

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method or ""
        if handler is None or method.startswith(_OPEN_PREFIXES):
            return handler
        metadata = {
            key: value
            for key, value in handler_call_details.invocation_metadata or ()
            if isinstance(value, str)
        }
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(handler.unary_unary, method, metadata),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(handler.unary_stream, method, metadata),
                handler.request_deserializer,
                handler.response_serializer,
            )
        raise TypeError(f"{method} streams its requests, which this mesh does not do")

    def _unary(self, use_case: Any, method: str, metadata: dict[str, str]) -> Any:
        async def answer(request: Any, context: Context) -> Any:
            try:
                with call.use(self._call(metadata, context)), rpc_span(method, "server"):
                    return await use_case(request, context)
            except AppError as error:
                await context.abort_with_status(to_status(error))
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await context.abort_with_status(_internal(error, method))

        return answer

    def _stream(self, use_case: Any, method: str, metadata: dict[str, str]) -> Any:
        async def answer(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                with call.use(self._call(metadata, context)), rpc_span(method, "server"):
                    async for message in use_case(request, context):
                        yield message
            except AppError as error:
                await context.abort_with_status(to_status(error))
            except grpc.aio.AbortError:
                raise
            except Exception as error:
                await context.abort_with_status(_internal(error, method))

        return answer

    def _call(self, metadata: dict[str, str], context: Context) -> call.Call:
        token = metadata.get(identity.METADATA_KEY)
        if token is None:
            raise Unauthenticated("This call needs a caller's identity.", reason="IDENTITY_MISSING")
        remaining = cast("float | None", context.time_remaining())
        traceparent = metadata.get(call.TRACEPARENT_KEY, "")
        tracestate = metadata.get(call.TRACESTATE_KEY, "")
        if spans.is_on():  # callers besides our own may write what they like
            traceparent, tracestate = trace_context.read([traceparent], [tracestate])
        return call.Call(
            principal=identity.verify(token, self._mesh_secret),
            request_id=metadata.get(call.REQUEST_ID_KEY) or new_id("req"),
            traceparent=traceparent,
            deadline=None if remaining is None else time.monotonic() + remaining,
            tracestate=tracestate,
        )


def _internal(error: Exception, method: str) -> grpc.Status:
    log.error("rpc_failed", method=method, exc_info=error)
    return to_status(Internal("Something went wrong on our side."))
