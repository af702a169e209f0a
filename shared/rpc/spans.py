"""The spans of gRPC calls, on both sides; no message and no error's text is in them."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import grpc

from shared.errors import AppError
from shared.tracing import spans
from shared.tracing.spans import Attributes, Span

Side = Literal["client", "server"]
_UNTRACED = "grpc.health."  # asked every few seconds, and nobody's request
_STATUS = "rpc.grpc.status_code"
# What a server has to answer for; the rest is what a caller did.
_SERVERS_FAULT = frozenset(
    {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN}
)


def begin_rpc_span(method: str | bytes, side: Side) -> Span:
    """Begin the span of a call; `/package.Service/Method` names it."""
    if not spans.is_on():
        return spans.SILENCE
    name, attributes = _named(method)
    if name.startswith(_UNTRACED):
        return spans.SILENCE
    return spans.begin(name, side, attributes)


@contextmanager
def rpc_span(method: str | bytes, side: Side) -> Generator[None]:
    """A span around a call, which is the call's place in the trace meanwhile."""
    if not spans.is_on():
        yield
        return
    begun = begin_rpc_span(method, side)
    try:
        with spans.within(begun):
            yield
    except Exception as error:
        failed_with(begun, error, side)
        raise
    else:
        begun.set(_STATUS, 0)
    finally:
        begun.end()


def failed_with(begun: Span, error: Exception, side: Side) -> None:
    """Say how a call has failed."""
    known = isinstance(error, AppError)
    status = error.grpc_status if known else grpc.StatusCode.INTERNAL
    begun.set(_STATUS, status.value[0])
    if side == "client" or status in _SERVERS_FAULT:
        begun.fail(error.code if known else type(error).__name__)


@cache
def _named(method: str | bytes) -> tuple[str, Attributes]:
    name = (method if isinstance(method, str) else method.decode()).removeprefix("/")
    service, _, called = name.partition("/")
    return name, {"rpc.system": "grpc", "rpc.service": service, "rpc.method": called}
