"""Credentials: what nodes prove themselves with. Secrets go in here and never come out."""

from dataclasses import replace
from html import escape
from typing import Annotated

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import HTMLResponse, Response

from gateway.gate import PublicRoute, UserRoute
from gateway.parts import ClientsPart, PublicUrlPart
from gateway.replies import NO_CONTENT, reply, returns
from gateway.shapes import Body, Document, Page, Text
from gateway.wire import to_pb
from shared.errors import InvalidInput, NotFound
from shared.identity import Principal, Role
from shared.pb.flowloom.engine.v1 import credential_pb2
from shared.pb.flowloom.engine.v1 import credential_service_pb2 as pb
from shared.rpc import call

router = APIRouter(tags=["credentials"], route_class=UserRoute)
callback = APIRouter(tags=["credentials"], route_class=PublicRoute)

CALLBACK_PATH = "/oauth2/callback"
# Whoever comes back from consent has no token at hand; the state that they bring says for whom.
_SOMEBODY = Principal(tenant_id="", subject="oauth2", role=Role.VIEWER)

IfMatch = Annotated[
    str, Header(description="The etag the credential must still have; else the answer is 412")
]
Hosts = Annotated[
    list[Text],
    Field(
        max_length=50,
        description="Where it may be shown: `api.example.com`, `*.example.com`, with a port if "
        "need be; `http://…` for what has no TLS. The type's own when empty",
    ),
]


class CreateCredential(Body):
    """A new credential."""

    name: Text = Field(description="No two of a tenant share one")
    type: Text = Field(description="One of /v1/credential-types")
    data: Document = Field(description="The fields of the type, secrets included")
    hosts: Hosts = Field(default_factory=list)


class UpdateCredential(Body):
    """A JSON Merge Patch; who changes where a credential is sent gives its secrets again."""

    name: Text | None = None
    data: Document | None = None
    hosts: Hosts = Field(default_factory=list)
    etag: Text = Field(default="", description="The same as If-Match")


class ListCredentials(Page):
    """Which credentials."""

    type: Text = ""


class TestCredential(Body):
    """What to try a credential at."""

    __test__ = False

    url: Text = Field(default="", description="For types that know no address of their own")


class Returned(BaseModel):
    """What a token server sends a person back with; servers add what they like."""

    model_config = ConfigDict(extra="ignore")

    state: Text = ""
    code: Text = ""
    error: Text = ""


@router.get("/v1/credential-types", **returns(pb.ListCredentialTypesResponse))
async def list_credential_types(clients: ClientsPart) -> Response:
    """What kinds there are, and the schema of each one's fields."""
    return reply(await clients.credentials.ListCredentialTypes(pb.ListCredentialTypesRequest()))


@router.post("/v1/credentials", **returns(credential_pb2.Credential, 201))
async def create_credential(body: CreateCredential, clients: ClientsPart) -> Response:
    request = to_pb(pb.CreateCredentialRequest, body)
    return reply((await clients.credentials.CreateCredential(request)).credential, 201)


@router.get("/v1/credentials", **returns(pb.ListCredentialsResponse))
async def list_credentials(
    query: Annotated[ListCredentials, Query()], clients: ClientsPart
) -> Response:
    request = to_pb(pb.ListCredentialsRequest, query)
    return reply(await clients.credentials.ListCredentials(request))


@router.get("/v1/credentials/{credential_id:id}", **returns(credential_pb2.Credential))
async def get_credential(credential_id: str, clients: ClientsPart) -> Response:
    request = pb.GetCredentialRequest(credential_id=credential_id)
    return reply((await clients.credentials.GetCredential(request)).credential)


@router.patch("/v1/credentials/{credential_id:id}", **returns(credential_pb2.Credential))
async def update_credential(
    credential_id: str, body: UpdateCredential, clients: ClientsPart, if_match: IfMatch = ""
) -> Response:
    request = to_pb(
        pb.UpdateCredentialRequest,
        credential_id=credential_id,
        name=body.name,
        data=body.data,
        hosts=body.hosts,
        etag=_read_etag(if_match) or body.etag,
    )
    return reply((await clients.credentials.UpdateCredential(request)).credential)


@router.delete("/v1/credentials/{credential_id:id}", **NO_CONTENT)
async def delete_credential(
    credential_id: str, clients: ClientsPart, if_match: IfMatch = ""
) -> Response:
    """Delete for good; nodes that refer to it fail from then on."""
    request = pb.DeleteCredentialRequest(credential_id=credential_id, etag=_read_etag(if_match))
    await clients.credentials.DeleteCredential(request)
    return Response(status_code=204)


@router.post("/v1/credentials/{credential_id:id}:test", **returns(pb.TestCredentialResponse))
async def test_credential(
    credential_id: str,
    clients: ClientsPart,
    body: TestCredential | None = None,  # noqa: PT028 - an operation by this name, no test
) -> Response:
    """Send a harmless request with it, and say what came of it."""
    request = to_pb(pb.TestCredentialRequest, body, credential_id=credential_id)
    return reply(await clients.credentials.TestCredential(request))


@router.post("/v1/credentials/{credential_id:id}:connect", **returns(pb.ConnectCredentialResponse))
async def connect_credential(
    credential_id: str, clients: ClientsPart, public_url: PublicUrlPart
) -> Response:
    """Begin to connect an OAuth 2.0 account: open the answer's URL in a browser."""
    request = pb.ConnectCredentialRequest(
        credential_id=credential_id, redirect_uri=f"{public_url}{CALLBACK_PATH}"
    )
    return reply(await clients.credentials.ConnectCredential(request))


@router.post("/v1/credentials/{credential_id:id}:refresh", **returns(credential_pb2.Credential))
async def refresh_credential(credential_id: str, clients: ClientsPart) -> Response:
    """Get a new access token now; by itself that happens when the present one runs out."""
    request = pb.RefreshCredentialRequest(credential_id=credential_id)
    return reply((await clients.credentials.RefreshCredential(request)).credential)


@router.post("/v1/credentials/{credential_id:id}:revoke", **returns(credential_pb2.Credential))
async def revoke_credential(credential_id: str, clients: ClientsPart) -> Response:
    """Give tokens back and forget them; connect again to use it."""
    request = pb.RevokeCredentialRequest(credential_id=credential_id)
    return reply((await clients.credentials.RevokeCredential(request)).credential)


@callback.get(CALLBACK_PATH, response_class=HTMLResponse)
async def finish_connect(query: Annotated[Returned, Query()], clients: ClientsPart) -> Response:
    """Where token servers send people back to after consent; a page for them."""
    request = to_pb(pb.FinishConnectRequest, query)
    try:
        with call.use(replace(call.current(), principal=_SOMEBODY)):
            finished = await clients.credentials.FinishConnect(request)
    except (InvalidInput, NotFound) as error:
        return _page("Not connected", error.message, error.http_status)
    return _page("Connected", f"“{finished.name}” can be used now. You may close this page.", 200)


def _page(title: str, text: str, status: int) -> Response:
    shown = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"</head><body><main><h1>{escape(title)}</h1><p>{escape(text)}</p></main></body></html>"
    )
    return HTMLResponse(shown, status)


def _read_etag(if_match: str) -> str:
    """The etag in an If-Match header; `*` asks for nothing in particular."""
    tag = if_match.strip().removeprefix("W/").strip('"')
    return "" if tag == "*" else tag
