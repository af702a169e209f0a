"""Pages that triggers have: asking the engine what one shows, and handing on what it sends."""

from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.clients import Clients
from gateway.gate import client_address, gate_of
from gateway.pages.render import notice
from shared.errors import NotFound, Unauthenticated
from shared.identity import Principal, Role
from shared.pb.flowloom.engine.v1 import trigger_service_pb2
from shared.pb.flowloom.engine.v1.trigger_service_pb2 import (
    FireWebhookRequest,
    FireWebhookResponse,
    Header,
    OpenPageRequest,
)
from shared.rpc import call

Door = trigger_service_pb2.Door
_DEADLINE_SECONDS = 60.0
_MAX_NAME = 200
_UNAUTHENTICATED = 401
_VISITOR = Principal(tenant_id="", subject="visitor", role=Role.VIEWER)


class Stranger(Unauthenticated):
    """The page wants a user and a password."""

    reason = "PASSWORD_WANTED"


def ask_for_password() -> Response:
    """What makes a browser ask for a user and a password."""
    response = notice("Sign in", "This page needs a user and a password.", status=401)
    response.headers["WWW-Authenticate"] = 'Basic realm="page", charset="UTF-8"'
    return response


async def open_page(
    clients: Clients, request: Request, door: "Door.ValueType", path: str
) -> dict[str, Any]:
    """What a page shows.

    Raises:
        NotFound: There is no such page.
        Stranger: It is not shown to whoever asks like this.
    """
    with call.use(replace(call.current(), principal=_VISITOR)):
        opened = await clients.triggers.OpenPage(
            OpenPageRequest(
                path=path,
                door=door,
                headers=_headers(request),
                remote_address=client_address(request),
            )
        )
    if opened.status == _UNAUTHENTICATED:
        raise Stranger("This page needs a user and a password.")
    if not opened.page.json:
        raise NotFound("There is no page here.", reason="PAGE_NOT_FOUND")
    return orjson.loads(opened.page.json)


async def send(
    clients: Clients, request: Request, door: "Door.ValueType", path: str
) -> FireWebhookResponse:
    """Hand on what came from a page; it is stored when this returns.

    Raises:
        NotFound: Nobody takes it.
        RateLimited: Too much comes in for this page.
    """
    name = trigger_service_pb2.Door.Name(door).lower()
    await gate_of(request).limits.take(("hook",), f"hook:{name}:{path[:_MAX_NAME]}")
    with call.use(replace(call.current(), principal=_VISITOR)):
        return await clients.triggers.FireWebhook(
            FireWebhookRequest(
                path=path,
                method="POST",
                headers=_headers(request),
                body=await request.body(),
                remote_address=client_address(request),
                door=door,
            ),
            timeout=_DEADLINE_SECONDS,
        )


def _headers(request: Request) -> list[Header]:
    return [Header(name=name, value=value) for name, value in request.headers.items()]
