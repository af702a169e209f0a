"""What every request passes, whatever it is for: pure ASGI, no more than it costs.

In comes a request without a name; it gets an id and a trace, its body is held to the limit, its
answer carries the headers that belong to every answer, and a failure that nobody answered becomes a
problem. One line is logged and one duration is measured.
"""

import asyncio
import re
import secrets
import time
from collections.abc import MutableSequence

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import BodyTooLarge, BodyTooSlow, respond, shown_path
from gateway.metrics import REQUESTS
from shared.errors import NotFound
from shared.ids import new_id
from shared.rpc import call
from shared.tracing import context, spans
from shared.tracing.spans import SILENCE, Span, within

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNTRACED_PATHS = ("/health", "/ready", "/metrics")
_QUIET_PATHS = (*_UNTRACED_PATHS, "/v1/hooks/")
_EXTRA_HEADERS = "flowloom.headers"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_TRANSPORT_SECURITY = "max-age=31536000; includeSubDomains"


def extra_headers(scope: Scope) -> MutableSequence[tuple[bytes, bytes]]:
    """What the answer to a request will carry besides; whoever learns of something adds it."""
    return scope.setdefault(_EXTRA_HEADERS, [])


class Door:
    """The outermost of our own layers.

    Args:
        app: What answers.
        max_body_bytes: Larger bodies are refused, whether or not they say how large they are.
        body_seconds: In which a body must have arrived.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, body_seconds: float) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"The gateway speaks HTTP, not {scope['type']}")
        headers = Headers(scope=scope)
        passage = _Passage(scope, headers, send)
        with call.use(passage.call), within(passage.begin_span()):
            try:
                if _CONTROL.search(scope["path"]):
                    raise NotFound("There is nothing at this path.", reason="PATH_NOT_FOUND")
                limited = self._limit(headers, receive)
                await self._app(scope, limited, passage.send)
            except ClientDisconnect:
                log.debug("client_left", path=shown_path(scope["path"]))
            except Exception as error:  # the last place where a failure can still be answered
                await passage.fail(error, receive)
            passage.close()

    def _limit(self, headers: Headers, receive: Receive) -> Receive:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_body_bytes:
            raise self._too_large()
        deadline, read, complete = 0.0, 0, False

        async def limited() -> Message:
            nonlocal deadline, read, complete
            if complete:  # whoever asks now waits for the client to leave
                return await receive()
            deadline = deadline or asyncio.get_running_loop().time() + self._body_seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTooSlow("The body took too long to arrive.") from error
            read += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if read > self._max_body_bytes:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"A body may have {self._max_body_bytes} bytes at most.")


class _Passage:
    """One request on its way through the door."""

    def __init__(self, scope: Scope, headers: Headers, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._started_at = time.perf_counter()
        self._status = 0
        self._streams = False
        self._answered = False
        self._span = SILENCE
        self.call = _call(headers)

    def begin_span(self) -> Span:
        """Begin the span of this request, within its call; silence where nobody listens."""
        if spans.is_on() and self._scope["path"] not in _UNTRACED_PATHS:
            attributes = {"http.request.method": self._method()}
            self._span = spans.begin(self._method(), "server", attributes)
        return self._span

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on, the first one with its headers completed."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._complete(MutableHeaders(raw=message.setdefault("headers", [])))
        else:
            self._answered = not message.get("more_body", False)
        await self._send(message)

    def _complete(self, headers: MutableHeaders) -> None:
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        if self._scope["scheme"] == "https":
            headers.setdefault("Strict-Transport-Security", _TRANSPORT_SECURITY)
        headers["X-Request-Id"] = self.call.request_id
        headers["Traceparent"] = self._span.traceparent or self.call.traceparent
        headers.raw.extend(self._scope.get(_EXTRA_HEADERS, ()))
        self._streams = headers.get("content-type", "").startswith("text/event-stream")

    async def fail(self, error: Exception, receive: Receive) -> None:
        """Answer a request that failed; one that has begun to be answered can only be cut off."""
        request = Request(self._scope, receive)
        if self._answered:
            return
        if self._status:
            log.error("answer_cut_off", path=shown_path(request.url.path), exc_info=error)
            raise error
        await respond(error, request)(self._scope, receive, self.send)

    def close(self) -> None:
        """Measure and log."""
        seconds = time.perf_counter() - self._started_at
        method, path = self._scope["method"], shown_path(self._scope["path"])
        if not self._streams:
            status = f"{self._status // 100}xx"
            REQUESTS.labels(self._method(), self._route(), status).observe(seconds)
        self._end_span()
        write = log.debug if path.startswith(_QUIET_PATHS) else log.info
        write(
            "request",
            method=method,
            path=path,
            status=self._status,
            milliseconds=round(seconds * 1000, 1),
        )

    def _end_span(self) -> None:
        if self._span is SILENCE:
            return
        route = self._route()
        self._span.rename(f"{self._method()} {route}")
        self._span.set("http.route", route)
        self._span.set("http.response.status_code", self._status)
        if self._status >= 500 or not self._status:
            self._span.fail(str(self._status))
        self._span.end()

    def _method(self) -> str:
        method = self._scope["method"]
        return method if method in _METHODS else "other"

    def _route(self) -> str:
        route = self._scope.get("route")
        return getattr(route, "path_format", "unmatched")


def _call(headers: Headers) -> call.Call:
    """The call that a request is: with the caller's names for it, or with new ones."""
    request_id = headers.get("x-request-id", "")
    traceparent, tracestate = context.read(
        headers.getlist(context.TRACEPARENT), headers.getlist(context.TRACESTATE)
    )
    if not traceparent and not spans.is_on():
        traceparent = context.compose(secrets.token_hex(16), secrets.token_hex(8), 1)
    return call.Call(
        request_id=request_id if _REQUEST_ID.fullmatch(request_id) else new_id("req"),
        traceparent=traceparent,
        tracestate=tracestate,
    )
