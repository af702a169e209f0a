"""The application: the doors in their order, and behind them the routes.

CORS → Door (id, body limit, headers, last resort) → hooks | FastAPI → gate of the route → route
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.clients import Clients
from gateway.docs_page import router as docs_router
from gateway.door import Door
from gateway.errors import respond
from gateway.gate import Gate
from gateway.issuer.issuer import Issuer
from gateway.openapi import describe
from gateway.routes import (
    answers,
    approvals,
    auth,
    chats,
    credentials,
    forms,
    health,
    hooks,
    mcp,
    node_types,
    runs,
    sessions,
    triggers,
    usage,
    variables,
    versions,
    workflows,
)
from gateway.sse import EventStreams
from shared.errors import AppError

_ROUTERS = (
    health.router,
    auth.router,
    sessions.router,
    sessions.chat,
    workflows.router,
    versions.router,
    runs.router,
    runs.starting,
    approvals.router,
    answers.router,
    forms.router,
    chats.router,
    chats.speaking,
    triggers.router,
    node_types.router,
    credentials.router,
    credentials.callback,
    variables.router,
    usage.router,
    mcp.router,
    docs_router,
)
_ALLOWED_HEADERS = (
    "Accept",
    "Apikey",
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "Last-Event-ID",
    "Traceparent",
    "X-Client-Info",
    "X-Request-Id",
    "X-Supabase-Api-Version",
)
_EXPOSED_HEADERS = (
    "ETag",
    "Idempotent-Replayed",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Traceparent",
    "X-Request-Id",
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is built from."""

    clients: Clients
    gate: Gate
    issuer: Issuer
    streams: EventStreams
    readiness: health.ReadinessChecks
    public_url: str
    cors_origins: Sequence[str]
    max_body_bytes: int
    request_seconds: float


def build_app(parts: Parts) -> ASGIApp:
    """Put the application together."""
    rest = build_rest(parts)
    branches = _Branches(hooks.Hooks(parts.clients, parts.gate.limits), rest)
    door = Door(branches, parts.max_body_bytes, parts.request_seconds)
    if not parts.cors_origins:
        return door
    return CORSMiddleware(
        door,
        allow_origins=parts.cors_origins,
        allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=_ALLOWED_HEADERS,
        expose_headers=_EXPOSED_HEADERS,
        max_age=600,
    )


def build_rest(parts: Parts | None = None) -> FastAPI:
    """The REST routes; without parts they can be described, but not called."""
    app = FastAPI(
        routes=[route for router in _ROUTERS for route in router.routes],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers={
            AppError: _on_error,
            HTTPException: _on_error,
            RequestValidationError: _on_error,
            Exception: _on_error,
        },
    )

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = openapi
    if parts:
        app.state.clients = parts.clients
        app.state.gate = parts.gate
        app.state.issuer = parts.issuer
        app.state.streams = parts.streams
        app.state.readiness = parts.readiness
        app.state.public_url = parts.public_url
    return app


async def _on_error(request: Request, error: Exception) -> Response:
    return respond(error, request)


class _Branches:
    """Hooks are too busy for a router; everything else has one."""

    def __init__(self, hooks_app: ASGIApp, rest: ASGIApp) -> None:
        self._hooks = hooks_app
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_hook = scope["path"].startswith(hooks.PREFIX)
        await (self._hooks if is_hook else self._rest)(scope, receive, send)
