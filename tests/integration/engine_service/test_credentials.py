"""Credentials through the door that callers use: gRPC, PostgreSQL behind it, OAuth beside it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from engine_service.credentials import BY_TYPE
from engine_service.servicers.credentials import CredentialServicer
from engine_service.vault.connecting import Connecting
from engine_service.vault.keychain import Keychain
from engine_service.vault.sealing import Vault
from engine_service.vault.trying import Trying
from engine_service.web.addresses import AllowList
from engine_service.web.network import GuardedNetwork
from engine_service.web.outgoing import GuardedHttpClient
from shared.clock import SystemClock
from shared.database import Database
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from shared.identity import METADATA_KEY, Role
from shared.pb.flowloom.common.v1.document_pb2 import Document
from shared.pb.flowloom.engine.v1 import credential_pb2, credential_service_pb2_grpc
from shared.pb.flowloom.engine.v1 import credential_service_pb2 as pb
from tests.support.http_server import Answer, serve
from tests.support.keychain import KEYS
from tests.support.oauth_server import CLIENT_SECRET, OAuthServer, oauth_server
from tests.support.serving import ADA, SECRET, acting_as, serving
from tests.support.smtp_server import mail_server

TOKEN = "a-token-nobody-may-see"
BACK = "https://flowloom.example.com/oauth2/callback"
READY = credential_pb2.CREDENTIAL_STATUS_READY
UNCONNECTED = credential_pb2.CREDENTIAL_STATUS_UNCONNECTED


@pytest.fixture(scope="module")
async def stub(
    app_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Any]:
    http, clock = GuardedHttpClient(AllowList.parse(["127.0.0.1"])), SystemClock()
    keychain = Keychain(app_database, Vault.parse(KEYS), http, clock)
    connecting = Connecting(app_database, keychain, http, clock, SECRET)
    trying = Trying(http, GuardedNetwork(AllowList.parse(["127.0.0.1"])))
    servicer = CredentialServicer(app_database, keychain, connecting, trying, clock)
    directory: Path = tmp_path_factory.mktemp("engine")
    service = (credential_service_pb2_grpc, "CredentialService", servicer)
    async with serving(directory, [service]) as channel:
        yield credential_service_pb2_grpc.CredentialServiceStub(channel)
    await http.close()


@pytest.fixture(autouse=True)
async def as_ada() -> AsyncIterator[None]:
    with acting_as(ADA):
        yield


@pytest.fixture
async def oauth() -> AsyncIterator[OAuthServer]:
    async with oauth_server() as server:
        yield server


def document(value: object) -> Document:
    return Document(json=json.dumps(value).encode())


async def create(
    stub: Any, name: str, kind: str = "http.bearer", hosts: Any = ("api.example.com",), **data: Any
) -> credential_pb2.Credential:
    request = pb.CreateCredentialRequest(
        name=name, type=kind, data=document(data or {"token": TOKEN}), hosts=hosts
    )
    return (await stub.CreateCredential(request)).credential


async def update(stub: Any, credential_id: str, **fields: Any) -> credential_pb2.Credential:
    request = pb.UpdateCredentialRequest(credential_id=credential_id, **fields)
    return (await stub.UpdateCredential(request)).credential


async def get(stub: Any, credential_id: str) -> credential_pb2.Credential:
    return (
        await stub.GetCredential(pb.GetCredentialRequest(credential_id=credential_id))
    ).credential


async def test_what_is_kept_reads_back_without_its_secret(stub: Any) -> None:
    created = await create(stub, "Mine")
    assert created == await get(stub, created.id)
    assert (created.name, created.type, list(created.hosts)) == (
        "Mine",
        "http.bearer",
        ["api.example.com"],
    )
    assert (list(created.secrets), created.status) == (["token"], READY)
    assert json.loads(created.data.json) == {"scheme": "Bearer"}
    listed = await stub.ListCredentials(pb.ListCredentialsRequest())
    assert TOKEN not in str(created) + str(listed)


async def test_every_type_is_told_with_its_schema(stub: Any) -> None:
    told = (await stub.ListCredentialTypes(pb.ListCredentialTypesRequest())).credential_types
    assert [one.type for one in told] == sorted(BY_TYPE)
    for one in told:
        schema = json.loads(one.schema.json)
        hidden = {name for name, field in schema["properties"].items() if field.get("writeOnly")}
        assert hidden == BY_TYPE[one.type].secret_names()
        assert all(field.get("description") for field in schema["properties"].values())
        assert one.description.endswith(".")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"type": "http.baerer"}, "/type"),
        ({"data": document({})}, "/data/token"),
        ({"data": document({"token": TOKEN, "more": 1})}, "/data/more"),
        ({"data": document({"token": f"{TOKEN}\r\nevil: 1"})}, "/data/token"),
        ({"data": document([TOKEN])}, "/data"),
        ({"data": Document(json=b"{")}, "/data"),
        ({"hosts": []}, "/hosts"),
        ({"hosts": ["*"]}, "/hosts"),
        ({"hosts": ["*.com"]}, "/hosts"),
        ({"hosts": ["ftp://example.com"]}, "/hosts"),
        ({"hosts": ["example.com/path"]}, "/hosts"),
        ({"hosts": ["user@example.com"]}, "/hosts"),
        ({"name": ""}, "/name"),
        ({"name": "a\nb"}, "/name"),
    ],
)
async def test_what_does_not_fit_is_refused_with_its_place_and_without_its_value(
    stub: Any, fields: dict[str, Any], pointer: str
) -> None:
    good: dict[str, Any] = {
        "name": "x",
        "type": "http.bearer",
        "data": document({"token": TOKEN}),
        "hosts": ["a.example.com"],
    }
    with pytest.raises(InvalidInput) as caught:
        await stub.CreateCredential(pb.CreateCredentialRequest(**{**good, **fields}))
    assert [violation.pointer for violation in caught.value.violations] == [pointer]
    assert TOKEN not in str(caught.value) + str(caught.value.violations)


async def test_names_are_taken_once(stub: Any) -> None:
    await create(stub, "Taken")
    other = await create(stub, "Other")
    with pytest.raises(Conflict, match="Taken"):
        await create(stub, "Taken")
    with pytest.raises(Conflict, match="Taken"):
        await update(stub, other.id, name="Taken")


async def test_a_patch_changes_what_it_names(stub: Any) -> None:
    created = await create(stub, "Patched", "http.basic", username="ada", password=TOKEN)
    patched = await update(stub, created.id, data=document({"username": "bob"}), etag=created.etag)
    assert json.loads(patched.data.json) == {"username": "bob"}
    assert list(patched.secrets) == ["password"]
    with pytest.raises(Conflict):
        await update(stub, created.id, name="Late", etag=created.etag)
    with pytest.raises(InvalidInput):
        await update(stub, created.id, data=document({"password": None}))


async def test_whoever_changes_where_it_goes_must_know_it(stub: Any) -> None:
    created = await create(stub, "Bound", "openai.key", hosts=(), api_key=TOKEN)
    assert list(created.hosts) == ["api.openai.com"]
    moves: list[dict[str, Any]] = [
        {"hosts": ["evil.example.com"]},
        {"data": document({"base_url": "https://evil.example.com/v1"})},
    ]
    for fields in moves:
        with pytest.raises(InvalidInput) as caught:
            await update(stub, created.id, **fields)
        assert caught.value.code == "SECRET_NEEDED"
    moved = await update(
        stub,
        created.id,
        data=document({"base_url": "https://eu.example.com/v1", "api_key": "another"}),
    )
    assert list(moved.hosts) == ["eu.example.com"]


async def test_roles_and_absence(stub: Any) -> None:
    created = await create(stub, "Roles")
    with acting_as(ADA.model_copy(update={"role": Role.OPERATOR})), pytest.raises(Forbidden):
        await update(stub, created.id, name="x")
    await stub.DeleteCredential(pb.DeleteCredentialRequest(credential_id=created.id))
    with pytest.raises(NotFound):
        await get(stub, created.id)


async def test_a_test_tells_whether_the_server_takes_it(stub: Any) -> None:
    def check(seen: Any) -> Answer:
        good = seen.headers.get("authorization") == f"Bearer {TOKEN}"
        return Answer.of_json({"ok": good, "error": f"invalid {TOKEN}"}, 200 if good else 401)

    async with serve(check) as server:
        created = await create(stub, "Tried", hosts=[server.url])
        with pytest.raises(InvalidInput) as caught:
            await stub.TestCredential(pb.TestCredentialRequest(credential_id=created.id))
        assert caught.value.violations[0].pointer == "/url"
        tried = await stub.TestCredential(
            pb.TestCredentialRequest(credential_id=created.id, url=f"{server.url}/me")
        )
        assert (tried.works, tried.status) == (True, 200)
        slack = await create(
            stub, "Slack", "slack.token", (), token=TOKEN, base_url=f"{server.url}/api"
        )
        tried = await stub.TestCredential(pb.TestCredentialRequest(credential_id=slack.id))
        assert (tried.works, server.seen[-1].path) == (True, "/api/auth.test")
        await update(stub, slack.id, data=document({"token": "wrong-one"}))
        tried = await stub.TestCredential(pb.TestCredentialRequest(credential_id=slack.id))
        assert (tried.works, tried.status) == (False, 401)
        elsewhere = await stub.TestCredential(
            pb.TestCredentialRequest(credential_id=created.id, url="https://evil.example.com/")
        )
        assert not elsewhere.works
        assert "not meant for" in elsewhere.message


# --- accounts


async def account(stub: Any, oauth: OAuthServer, name: str) -> credential_pb2.Credential:
    return await create(stub, name, "oauth2.authorization", [oauth.url], **oauth.fields())


async def connect(stub: Any, credential_id: str) -> str:
    request = pb.ConnectCredentialRequest(credential_id=credential_id, redirect_uri=BACK)
    return (await stub.ConnectCredential(request)).authorization_url


async def finish(stub: Any, **back: str) -> Any:
    return await stub.FinishConnect(pb.FinishConnectRequest(**back))


async def test_an_account_that_is_not_for_http_is_tried_by_signing_in(stub: Any) -> None:
    async with mail_server(ada=TOKEN) as mail:
        account = {
            "host": "127.0.0.1",
            "port": mail.port,
            "security": "none",
            "username": "ada",
            "password": TOKEN,
        }
        good = await create(stub, "Mail", "smtp.account", (), **account)
        assert list(good.hosts) == [f"http://127.0.0.1:{mail.port}"]
        tried = await stub.TestCredential(pb.TestCredentialRequest(credential_id=good.id))
        assert (tried.works, mail.logins) == (True, ["ada"])
        bad = await create(stub, "Bad", "smtp.account", (), **{**account, "username": "bob"})
        tried = await stub.TestCredential(pb.TestCredentialRequest(credential_id=bad.id))
        assert not tried.works
        assert "does not take the account" in tried.message
    with pytest.raises(InvalidInput, match="must know it"):
        await update(stub, good.id, data=document({"host": "mail.evil.example"}))


async def test_an_account_is_connected_used_refreshed_and_given_back(
    stub: Any, oauth: OAuthServer
) -> None:
    created = await account(stub, oauth, "Account")
    assert created.status == UNCONNECTED
    back = oauth.consent(await connect(stub, created.id))
    with acting_as(ADA.model_copy(update={"tenant_id": "", "role": Role.VIEWER})):
        assert (await finish(stub, **back)).name == "Account"
    connected = await get(stub, created.id)
    assert connected.status == READY
    assert connected.HasField("expire_time")
    tried = await stub.TestCredential(
        pb.TestCredentialRequest(credential_id=created.id, url=f"{oauth.url}/me")
    )
    assert tried.works
    with pytest.raises(NotFound):  # a state works once
        await finish(stub, **back)
    await stub.RefreshCredential(pb.RefreshCredentialRequest(credential_id=created.id))
    assert [grant["grant_type"] for grant in oauth.grants] == [
        "authorization_code",
        "refresh_token",
    ]
    given_back = await stub.RevokeCredential(pb.RevokeCredentialRequest(credential_id=created.id))
    assert given_back.credential.status == UNCONNECTED
    assert oauth.refresh == set()
    shown = str(given_back) + str(connected)
    assert not any(secret in shown for secret in (*oauth.access, CLIENT_SECRET))


async def test_the_way_back_needs_the_way_there(stub: Any, oauth: OAuthServer) -> None:
    created = await account(stub, oauth, "Careful")
    first = oauth.consent(await connect(stub, created.id))
    second = oauth.consent(await connect(stub, created.id))
    with pytest.raises(NotFound):  # voided by the second
        await finish(stub, **first)
    head, payload, signature = second["state"].split(".")
    for state in ("", "x", f"{head}.{payload}.{signature[::-1]}", _forged(second["state"])):
        with pytest.raises(NotFound):
            await finish(stub, state=state, code=second["code"])
    with pytest.raises(InvalidInput, match="access_denied"):
        await finish(stub, state=second["state"], error="access_denied")
    assert (await get(stub, created.id)).status == UNCONNECTED
    assert oauth.grants == []


def _forged(state: str) -> str:
    """The same claims, signed with what signs identities."""
    claims = jwt.decode(state, options={"verify_signature": False})
    return jwt.encode(claims, SECRET, algorithm="HS256")


async def test_a_state_is_no_identity(stub: Any, oauth: OAuthServer) -> None:
    created = await account(stub, oauth, "State")
    back = oauth.consent(await connect(stub, created.id))
    with acting_as(None), pytest.raises(Exception, match="identity"):
        await stub.GetCredential(
            pb.GetCredentialRequest(credential_id=created.id),
            metadata=((METADATA_KEY, back["state"]),),
        )


async def test_a_code_for_another_verifier_is_not_taken(stub: Any, oauth: OAuthServer) -> None:
    created, other = await account(stub, oauth, "One"), await account(stub, oauth, "Two")
    one = oauth.consent(await connect(stub, created.id))
    two = oauth.consent(await connect(stub, other.id))
    with pytest.raises(InvalidInput, match="invalid_grant"):
        await finish(stub, state=two["state"], code=one["code"])


async def test_a_token_server_that_is_away_can_be_tried_again(
    stub: Any, oauth: OAuthServer
) -> None:
    created = await account(stub, oauth, "Again")
    back = oauth.consent(await connect(stub, created.id))
    oauth.broken = 503
    with pytest.raises(Unavailable):
        await finish(stub, **back)
    oauth.broken = 0
    await finish(stub, **back)
    assert (await get(stub, created.id)).status == READY


async def test_new_fields_need_a_new_consent(stub: Any, oauth: OAuthServer) -> None:
    created = await account(stub, oauth, "Changed")
    await finish(stub, **oauth.consent(await connect(stub, created.id)))
    same = await update(stub, created.id, name="Renamed")
    assert same.status == READY
    changed = await update(stub, created.id, data=document({"scope": "everything"}))
    assert changed.status == UNCONNECTED


async def test_what_has_no_tokens_is_not_connected(stub: Any) -> None:
    created = await create(stub, "Plain")
    with pytest.raises(InvalidInput) as caught:
        await connect(stub, created.id)
    assert caught.value.code == "NOT_CONNECTABLE"
