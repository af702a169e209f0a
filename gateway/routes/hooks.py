"""Hooks: whatever arrives below /v1/hooks goes to the engine as it came, and back.

The busiest door of all: pure ASGI, no models, one Redis round trip, one call. The path names the
tenant, the engine verifies the sender; the gateway vouches only for having taken it in.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from gateway.clients import Clients
from gateway.door import extra_headers
from gateway.limits import Limits
from shared.errors import Internal
from shared.identity import Principal, Role
from shared.pb.flowloom.engine.v1.trigger_service_pb2 import FireWebhookRequest, Header
from shared.rpc import call

PREFIX = "/v1/hooks/"
_SENDER = Principal(tenant_id="", subject="hook", role=Role.VIEWER)
# A hook may answer with what its run says at the end.
_DEADLINE_SECONDS = 60.0
# Longer paths are nobody's, and share a limit.
_MAX_NAME = 200
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
# What belongs to the connection, to us, or to everything below our origin.
_OURS = frozenset(
    {
        "alt-svc",
        "clear-site-data",
        "connection",
        "content-length",
        "content-security-policy",
        "date",
        "keep-alive",
        "nel",
        "proxy-authenticate",
        "report-to",
        "reporting-endpoints",
        "server",
        "strict-transport-security",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-request-id",
    }
)
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED)
# A workflow may answer with any page, so pages get an origin of their own, away from ours.
_SANDBOX = (b"content-security-policy", b"sandbox allow-forms allow-scripts")


class Hooks:
    """The ASGI application below /v1/hooks."""

    def __init__(self, clients: Clients, limits: Limits) -> None:
        self._clients = clients
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        path: str = scope["path"].removeprefix(PREFIX)
        verdict = await self._limits.take(("hook",), f"hook:{path[:_MAX_NAME]}")
        if verdict:
            extra_headers(scope).extend(verdict.headers())
        request = FireWebhookRequest(
            path=path,
            method=scope["method"],
            headers=[
                Header(name=name.decode("latin-1"), value=value.decode("latin-1"))
                for name, value in scope["headers"]
            ],
            query=scope["query_string"].decode("latin-1"),
            body=await _read(receive),
            remote_address=scope["client"][0] if scope["client"] else "",
        )
        with call.use(replace(call.current(), principal=_SENDER)):
            answer = await self._clients.triggers.FireWebhook(request, timeout=_DEADLINE_SECONDS)
        headers = [*_allowed(answer.headers), _SANDBOX]
        if answer.run_id:
            headers.append((b"flowloom-run-id", answer.run_id.encode()))
        status = answer.status or 200
        if status < HTTPStatus.OK:
            raise Internal("A workflow answered with a status that ends no request.")
        # A body where the client expects none would be read as the connection's next answer.
        body = b"" if status in _BODILESS else answer.body
        if status != HTTPStatus.NO_CONTENT:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    @property
    def path_format(self) -> str:
        """What metrics call this route."""
        return f"{PREFIX}{{path}}"


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


def _allowed(headers: Iterable[Header]) -> list[tuple[bytes, bytes]]:
    """What a workflow may say in the header: no field of ours, and nothing that ends a line."""
    return [
        (header.name.lower().encode("latin-1"), header.value.encode("utf-8"))
        for header in headers
        if _NAME.fullmatch(header.name)
        and header.name.lower() not in _OURS
        and _VALUE.fullmatch(header.value)
    ]
