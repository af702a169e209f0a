"""What routes ask for, by type; `server.py` puts it into the application's state."""

from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from gateway.clients import Clients
from gateway.issuer.issuer import Issuer
from gateway.sse import EventStreams


async def _clients(request: Request) -> Clients:
    return cast("Clients", request.app.state.clients)


async def _issuer(request: Request) -> Issuer:
    return cast("Issuer", request.app.state.issuer)


async def _streams(request: Request) -> EventStreams:
    return cast("EventStreams", request.app.state.streams)


async def _public_url(request: Request) -> str:
    return cast("str", request.app.state.public_url)


ClientsPart = Annotated[Clients, Depends(_clients)]
IssuerPart = Annotated[Issuer, Depends(_issuer)]
PublicUrlPart = Annotated[str, Depends(_public_url)]
StreamsPart = Annotated[EventStreams, Depends(_streams)]
