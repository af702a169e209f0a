"""Credentials and variables at the front door: secrets go in, a page tells how consent ended."""

from typing import Any

import httpx2
import orjson
import pytest
from google.protobuf.message import Message

from shared.errors import InvalidInput, NotFound
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import (
    credential_pb2,
    variable_pb2,
    variable_service_pb2,
    workflow_pb2,
    workflow_service_pb2,
)
from shared.pb.flowloom.engine.v1 import credential_service_pb2 as pb
from tests.support.gateway import Gateway
from tests.support.scripted_mesh import ScriptedMesh


def document(value: Any) -> Document:
    return Document(json=orjson.dumps(value))


CREDENTIAL = credential_pb2.Credential(
    id="cred_1",
    name="Mine",
    type="http.bearer",
    etag="e1",
    status=credential_pb2.CREDENTIAL_STATUS_READY,
    hosts=["api.example.com"],
)
VARIABLE = variable_pb2.Variable(id="var_1", name="a", value=document([1]), etag="e1")
NEW = {"name": "Mine", "type": "http.bearer", "data": {"token": "t"}, "hosts": ["api.example.com"]}
ONE = "/v1/credentials/cred_1"

# method, path, body → RPC, what it must be asked, what it answers; → status, what REST answers
OPERATIONS: list[tuple[str, str, Any, str, Message, Message, int, dict[str, Any]]] = [
    (
        *("POST", "/v1/credentials", NEW, "CreateCredential"),
        pb.CreateCredentialRequest(
            name="Mine",
            type="http.bearer",
            data=document({"token": "t"}),
            hosts=["api.example.com"],
        ),
        pb.CreateCredentialResponse(credential=CREDENTIAL),
        *(201, {"id": "cred_1", "status": "ready", "hosts": ["api.example.com"], "secrets": []}),
    ),
    (
        *("PATCH", ONE, {"data": {"scheme": None}, "etag": "e1"}, "UpdateCredential"),
        pb.UpdateCredentialRequest(
            credential_id="cred_1", data=document({"scheme": None}), etag="e1"
        ),
        pb.UpdateCredentialResponse(credential=CREDENTIAL),
        *(200, {"id": "cred_1"}),
    ),
    (
        *("GET", "/v1/credentials?type=http.bearer&page_size=2", None, "ListCredentials"),
        pb.ListCredentialsRequest(page_size=2, type="http.bearer"),
        pb.ListCredentialsResponse(credentials=[CREDENTIAL]),
        *(200, {"next_page_token": ""}),
    ),
    (
        *("POST", f"{ONE}:test", {"url": "https://a.example.com"}, "TestCredential"),
        pb.TestCredentialRequest(credential_id="cred_1", url="https://a.example.com"),
        pb.TestCredentialResponse(works=True, status=200),
        *(200, {"works": True, "status": 200, "message": ""}),
    ),
    (
        *("POST", f"{ONE}:refresh", None, "RefreshCredential"),
        pb.RefreshCredentialRequest(credential_id="cred_1"),
        pb.RefreshCredentialResponse(credential=CREDENTIAL),
        *(200, {"id": "cred_1"}),
    ),
    (
        *("POST", f"{ONE}:revoke", None, "RevokeCredential"),
        pb.RevokeCredentialRequest(credential_id="cred_1"),
        pb.RevokeCredentialResponse(credential=CREDENTIAL),
        *(200, {"id": "cred_1"}),
    ),
    (
        *("GET", "/v1/credential-types", None, "ListCredentialTypes"),
        pb.ListCredentialTypesRequest(),
        pb.ListCredentialTypesResponse(),
        *(200, {"credential_types": []}),
    ),
    (
        *("POST", "/v1/variables", {"name": "a", "value": [1]}, "CreateVariable"),
        variable_service_pb2.CreateVariableRequest(name="a", value=document([1])),
        variable_service_pb2.CreateVariableResponse(variable=VARIABLE),
        *(201, {"id": "var_1", "value": [1]}),
    ),
    (
        *("PATCH", "/v1/variables/var_1", {"value": False}, "UpdateVariable"),
        variable_service_pb2.UpdateVariableRequest(variable_id="var_1", value=document(False)),
        variable_service_pb2.UpdateVariableResponse(variable=VARIABLE),
        *(200, {"id": "var_1"}),
    ),
    (
        *("GET", "/v1/workflows/wf_1/readiness?version=2", None, "CheckReadiness"),
        workflow_service_pb2.CheckReadinessRequest(workflow_id="wf_1", version=2),
        workflow_service_pb2.CheckReadinessResponse(
            version=2, credentials=[workflow_pb2.Diagnostic(code="unknown_credential")]
        ),
        *(200, {"ready": False, "version": 2, "parameters": []}),
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "rpc", "asked", "answered", "status", "told"),
    OPERATIONS,
    ids=[one[3] for one in OPERATIONS],
)
async def test_an_operation_asks_its_rpc_and_tells_the_answer(
    ada: httpx2.AsyncClient,
    mesh: ScriptedMesh,
    method: str,
    path: str,
    body: Any,
    rpc: str,
    asked: Message,
    answered: Message,
    status: int,
    told: dict[str, Any],
) -> None:
    mesh.on(rpc, answered)
    answer = await ada.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert mesh.only(rpc).request == asked
    assert {name: answer.json()[name] for name in told} == told


@pytest.mark.parametrize("more", [{"secret": 1}, {"hosts": "api.example.com"}, {"data": "x"}])
async def test_what_is_not_asked_for_is_refused(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, more: dict[str, Any]
) -> None:
    answer = await ada.post("/v1/credentials", json={**NEW, **more})
    assert answer.status_code == 422
    assert mesh.seen == []


async def test_consent_comes_back_to_where_clients_find_us(
    ada: httpx2.AsyncClient, mesh: ScriptedMesh, gateway: Gateway
) -> None:
    mesh.on("ConnectCredential", pb.ConnectCredentialResponse(authorization_url="https://a/b"))
    answer = await ada.post("/v1/credentials/cred_1:connect")
    assert answer.json() == {"authorization_url": "https://a/b"}
    expected = f"{gateway.settings.public_url}/oauth2/callback"
    assert mesh.only("ConnectCredential").request.redirect_uri == expected


async def test_whoever_comes_back_from_consent_gets_a_page(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    mesh.on("FinishConnect", pb.FinishConnectResponse(name="<b>Mine</b>"))
    answer = await anybody.get("/oauth2/callback?state=s&code=c&scope=added+by+the+server")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "&lt;b&gt;Mine&lt;/b&gt;" in answer.text
    seen = mesh.only("FinishConnect")
    assert seen.request == pb.FinishConnectRequest(state="s", code="c")
    assert seen.call.principal is not None
    assert seen.call.principal.tenant_id == ""


@pytest.mark.parametrize(
    ("error", "status"),
    [(NotFound("It is over."), 404), (InvalidInput("The server said: <i>no</i>."), 400)],
)
async def test_a_page_tells_that_it_did_not_work(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh, error: Exception, status: int
) -> None:
    mesh.on("FinishConnect", error)
    answer = await anybody.get("/oauth2/callback?state=s&error=access_denied")
    assert answer.status_code == status
    assert "Not connected" in answer.text
    assert "<i>" not in answer.text
