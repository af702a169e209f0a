"""Calling: one channel per service, with deadline, identity, retries and errors taken care of.

`connect` returns a channel whose calls carry the call at hand (caller, request id, trace), end in
time, are retried by gRPC itself when the method has no side effects, and raise AppError.
"""

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc
from google.protobuf import descriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from shared import identity
from shared.errors import AppError
from shared.identity import Principal
from shared.rpc import call
from shared.rpc.spans import begin_rpc_span, failed_with, rpc_span
from shared.rpc.status import from_rpc_error
from shared.tracing.spans import Span, within

DEFAULT_DEADLINE_SECONDS = 30.0
# gRPC's own names for addresses; anything else is a name to look up.
_SCHEMES = ("unix:", "ipv4:", "ipv6:", "dns:")
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_METADATA_BYTES = 64 * 1024


def connect(
    address: str,
    services: Iterable[descriptor.ServiceDescriptor],
    mesh_secret: str,
    fallback: Principal | None = None,
) -> grpc.aio.Channel:
    """Open a channel to a service of the mesh; it connects lazily and again.

    Args:
        address: `host:port`, `unix:path` or `ipv4:a:p,b:p`; all of its addresses take turns.
        services: The descriptors of the services behind it: their methods without side effects
            are retried while the other side is UNAVAILABLE.
        mesh_secret: Signs the caller's identity.
        fallback: Who calls when no call is at hand, such as a service on its own account.
    """
    target = address if address.startswith(_SCHEMES) else f"dns:///{address}"
    options = (
        ("grpc.service_config", json.dumps(_service_config(services))),
        ("grpc.enable_retries", 1),
        ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        # Errors travel as metadata, and say all that is wrong with a definition.
        ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    )
    outgoing = _Outgoing(mesh_secret, fallback)
    return grpc.aio.insecure_channel(
        target, options=options, interceptors=[_Unary(outgoing), _Stream(outgoing)]
    )


def _service_config(services: Iterable[descriptor.ServiceDescriptor]) -> dict[str, Any]:
    safe = [
        {"service": service.full_name, "method": method.name}
        for service in services
        for method in service.methods
        if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    ]
    retry = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [{"name": safe, "retryPolicy": retry}] if safe else [],
    }


class _Outgoing:
    """What every outgoing call is given."""

    def __init__(self, mesh_secret: str, fallback: Principal | None) -> None:
        self._mesh_secret = mesh_secret
        self._fallback = fallback

    def details(
        self, details: grpc.aio.ClientCallDetails, default_seconds: float | None
    ) -> grpc.aio.ClientCallDetails:
        at_hand = call.current()
        metadata = grpc.aio.Metadata(*(details.metadata or ()))
        principal = at_hand.principal or self._fallback
        if principal is not None:
            metadata.add(identity.METADATA_KEY, identity.sign(principal, self._mesh_secret))
        metadata.add(call.REQUEST_ID_KEY, at_hand.request_id or f"req_{uuid.uuid4().hex}")
        if at_hand.traceparent:
            metadata.add(call.TRACEPARENT_KEY, at_hand.traceparent)
        if at_hand.tracestate:
            metadata.add(call.TRACESTATE_KEY, at_hand.tracestate)
        bounds = [
            seconds
            for seconds in (details.timeout or default_seconds, call.remaining_seconds())
            if seconds is not None
        ]
        return grpc.aio.ClientCallDetails(
            method=details.method,
            timeout=min(bounds) if bounds else None,
            metadata=metadata,
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, outgoing: _Outgoing) -> None:
        self._outgoing = outgoing

    async def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        with rpc_span(client_call_details.method, "client"):
            details = self._outgoing.details(client_call_details, DEFAULT_DEADLINE_SECONDS)
            try:
                answer = await continuation(details, request)
                return await answer
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from error


class _Stream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, outgoing: _Outgoing) -> None:
        self._outgoing = outgoing

    async def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.aio.ClientCallDetails, Any], Any],
        client_call_details: grpc.aio.ClientCallDetails,
        request: Any,
    ) -> Any:
        span = begin_rpc_span(client_call_details.method, "client")
        with within(span):
            details = self._outgoing.details(client_call_details, None)
        return _revive(await continuation(details, request), span)


async def _revive(answers: AsyncIterator[Any], span: Span) -> AsyncIterator[Any]:
    try:
        async for answer in answers:
            yield answer
    except grpc.aio.AioRpcError as error:
        revived = from_rpc_error(error)
        failed_with(span, revived, "client")
        raise revived from error
    finally:
        span.end()


__all__ = ["DEFAULT_DEADLINE_SECONDS", "AppError", "connect"]
