"""Outgoing requests in traces: each is a span, and names it to whoever answers.

An author who writes a traceparent means that one. Paths and queries are in no span: they hold what
people send, and secrets.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from engine_service.sdk.node import HttpRequest, HttpResponse, NodeError
from engine_service.web.addresses import Target
from shared.tracing import spans
from shared.tracing.context import TRACEPARENT, TRACESTATE
from shared.tracing.spans import Span, Value

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FAILS = 400


async def exchanged(
    request: HttpRequest, target: Target, send: Callable[[HttpRequest], Awaitable[HttpResponse]]
) -> HttpResponse:
    """Send a request in a span of its own."""
    method = bounded_method(request.method)
    with spans.span(method, "client", place_of(method, target.host, target.port)) as span:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if TRACEPARENT not in headers:
            request = replace(request, headers={**headers, **named(span)})
        try:
            response = await send(request)
        except NodeError as error:
            span.fail(error.failure.code)
            raise
        tell_status(span, response.status)
        return response


def bounded_method(method: str) -> str:
    """A method as spans call it."""
    upper = method.upper()
    return upper if upper in _METHODS else "other"


def place_of(method: str, host: str, port: int) -> dict[str, Value]:
    """What a span says of a request: how, and to whom."""
    return {"http.request.method": method, "server.address": host, "server.port": port}


def named(span: Span) -> dict[str, str]:
    """The headers that name a span to whoever answers."""
    state = {TRACESTATE: span.tracestate} if span.tracestate else {}
    return {TRACEPARENT: span.traceparent, **state}


def tell_status(span: Span, status: int) -> None:
    """How a request was answered."""
    span.set("http.response.status_code", status)
    if status >= _FAILS:
        span.fail(str(status))
