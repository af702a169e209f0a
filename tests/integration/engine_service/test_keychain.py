"""Credentials where they are used: opened in a run, sent to their hosts, shown nowhere."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.running.execute import World
from engine_service.sdk.node import HttpRequest, NodeError
from engine_service.sdk.oauth2 import Tokens
from engine_service.store.credentials import EXPIRED, UNCONNECTED, get_credential, save_credential
from engine_service.vault.keychain import Contents, Keychain
from engine_service.vault.sealing import Vault
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from shared.clock import SystemClock
from shared.database import Database
from tests.support import keychain as support
from tests.support.definitions import definition, node
from tests.support.engine import TENANT, TestEngine, running_engine
from tests.support.http_server import Answer, Seen, Server, serve
from tests.support.oauth_server import OAuthServer, oauth_server

SECRET = "sesame-open-wide-4711"


@dataclass
class Setting:
    """A keychain at work, and the world around it."""

    database: Database
    keychain: Keychain
    http: GuardedHttpClient
    engine: TestEngine

    async def save(self, kind: str, data: dict[str, Any], hosts: list[str], **more: Any) -> str:
        stored = await support.save_credential(
            self.database, self.keychain, TENANT, kind, data, hosts=hosts, **more
        )
        return stored.id

    async def get(self, url: str, kind: str, credential: str, **more: Any) -> Any:
        """Run a workflow with one request; the run."""
        asking = node("ask", "http.request", url=url, retries=0, **more)
        asking["credentials"] = {kind: credential}
        workflow = await self.engine.save(definition([asking], "start > ask"))
        return await self.engine.finish(workflow)

    async def everything(self, *but: str) -> str:
        """Whatever the engine keeps of runs, as text."""
        kept: list[str] = []
        async with self.engine.databases.worker.transaction() as connection:
            found = await connection.execute(
                text(
                    "SELECT c.relname FROM pg_class c WHERE c.relkind = 'r'"
                    " AND c.relnamespace IN ('engine'::regnamespace)"
                )
            )
            for table in found.scalars():
                if table not in ("alembic_version", *but):
                    rows = await connection.execute(text(f"SELECT t::text FROM engine.{table} t"))
                    kept.extend(rows.scalars())
        return "\n".join(kept)


@pytest.fixture(scope="module")
async def setting(engine_url: str, app_database: Database) -> AsyncIterator[Setting]:
    http = GuardedHttpClient(AllowList.parse(["127.0.0.1", "localhost"]))
    keychain = Keychain(app_database, Vault.parse(support.KEYS), http, SystemClock())
    async with running_engine(engine_url, world=World(http, None, None, keychain)) as engine:
        yield Setting(app_database, keychain, http, engine)
    await http.close()


@pytest.fixture
async def echo() -> AsyncIterator[Server]:
    """Repeats what it was sent, as careless servers do."""

    def repeat(seen: Seen) -> Answer:
        told = {"headers": seen.headers, "query": seen.query, "path": seen.path}
        status = int(seen.query.get("status", "200"))
        return Answer.of_json(told, status, x_echo=seen.headers.get("authorization", ""))

    async with serve(repeat) as server:
        yield server


WAYS = [
    ("http.bearer", {"token": SECRET}, "authorization", f"Bearer {SECRET}"),
    ("http.header", {"name": "X-Key", "value": SECRET}, "x-key", SECRET),
    (
        "http.basic",
        {"username": "ada", "password": SECRET},
        "authorization",
        "Basic YWRhOnNlc2FtZS1vcGVuLXdpZGUtNDcxMQ==",
    ),
]


@pytest.mark.parametrize(("kind", "data", "header", "value"), WAYS, ids=lambda way: str(way)[:12])
async def test_a_request_carries_its_credential_and_the_run_does_not(
    setting: Setting, echo: Server, kind: str, data: dict[str, Any], header: str, value: str
) -> None:
    credential = await setting.save(kind, data, [echo.url])
    run = await setting.get(f"{echo.url}/secret", kind, credential, full_response=True)
    assert run.status == "completed", run
    assert echo.seen[-1].headers[header] == value
    assert "[hidden]" in str(run.output)
    kept = await setting.everything()
    assert SECRET not in kept
    assert value not in kept


async def test_a_credential_is_found_by_its_name(setting: Setting, echo: Server) -> None:
    await setting.save("http.bearer", {"token": SECRET}, [echo.url], name="The échoing server")
    run = await setting.get(echo.url, "http.bearer", "The échoing server")
    assert run.status == "completed"


async def test_a_query_field_is_in_no_address_that_is_kept(setting: Setting, echo: Server) -> None:
    data = {"name": "key", "value": SECRET + "/+&"}
    credential = await setting.save("http.query", data, [echo.url])
    run = await setting.get(f"{echo.url}/a?b=c", "http.query", credential, full_response=True)
    assert run.status == "completed"
    assert echo.seen[-1].query == {"b": "c", "key": SECRET + "/+&"}
    assert SECRET not in await setting.everything()


OWN = "an-author-s-own-4712"


@pytest.mark.parametrize("status", [200, 401])
async def test_a_secret_of_an_author_s_own_is_not_told_either(
    setting: Setting, echo: Server, status: int
) -> None:
    parameters: dict[str, Any] = {
        "url": f"{echo.url}/own?status={status}",
        "headers": {
            "Authorization": f"Bearer {OWN}",
            "X-Api-Key": "{{ 'made-in-' + 'a-run-4713' }}",
        },
        "query": {"token": f"{OWN}/+"},
        "retries": 0,
        "full_response": True,
    }
    asking = node("ask", "http.request", **parameters)
    workflow = await setting.engine.save(definition([asking], "start > ask"))
    run = await setting.engine.finish(workflow)
    assert run.status == ("completed" if status == 200 else "failed")
    assert echo.seen[-1].headers["authorization"] == f"Bearer {OWN}"
    assert echo.seen[-1].headers["x-api-key"] == "made-in-a-run-4713"
    kept = await setting.everything("versions")  # where it was written
    assert "/own" in kept
    assert OWN not in kept
    assert "made-in-a-run-4713" not in kept


async def test_a_failure_does_not_tell_the_secret(setting: Setting, echo: Server) -> None:
    credential = await setting.save("http.bearer", {"token": SECRET}, [echo.url])
    run = await setting.get(f"{echo.url}/?status=500", "http.bearer", credential)
    assert run.status == "failed"
    assert "[hidden]" in str(run.error)
    assert SECRET not in await setting.everything()


# --- host binding


async def test_a_credential_goes_nowhere_else(setting: Setting, echo: Server) -> None:
    credential = await setting.save("http.bearer", {"token": SECRET}, ["api.example.com"])
    run = await setting.get(echo.url, "http.bearer", credential)
    assert run.status == "failed"
    assert "credential_host_refused" in str(run.error)
    assert echo.seen == []


@pytest.mark.parametrize("hosts", [["127.0.0.1"], ["127.0.0.1:{port}"], ["https://127.0.0.1"]])
async def test_plain_text_has_to_be_asked_for(
    setting: Setting, echo: Server, hosts: list[str]
) -> None:
    bound = [host.format(port=echo.port) for host in hosts]
    credential = await setting.save("http.bearer", {"token": SECRET}, bound)
    run = await setting.get(echo.url, "http.bearer", credential)
    assert "credential_host_refused" in str(run.error)
    assert echo.seen == []


async def test_a_redirect_elsewhere_goes_without_it(setting: Setting, echo: Server) -> None:
    async with serve(lambda _: Answer(302, {"location": f"{echo.url}/there"})) as first:
        credential = await setting.save("http.bearer", {"token": SECRET}, [first.url])
        run = await setting.get(f"{first.url}/here", "http.bearer", credential)
        assert run.status == "completed"
        assert first.seen[-1].headers["authorization"] == f"Bearer {SECRET}"
        assert "authorization" not in echo.seen[-1].headers


async def test_a_redirect_within_the_binding_keeps_it(setting: Setting, echo: Server) -> None:
    async with serve(lambda _: Answer(307, {"location": f"{echo.url}/there"})) as first:
        credential = await setting.save("http.bearer", {"token": SECRET}, [first.url, echo.url])
        run = await setting.get(f"{first.url}/here", "http.bearer", credential)
        assert run.status == "completed"
        assert echo.seen[-1].headers["authorization"] == f"Bearer {SECRET}"


async def test_a_redirect_that_repeats_a_secret_query_is_not_followed(
    setting: Setting, echo: Server
) -> None:
    def move(seen: Seen) -> Answer:
        return Answer(301, {"location": f"{echo.url}{seen.target}"})

    async with serve(move) as first:
        credential = await setting.save("http.query", {"value": SECRET}, [first.url])
        run = await setting.get(f"{first.url}/here", "http.query", credential)
        assert "credential_host_refused" in str(run.error)
        assert echo.seen == []


# --- what cannot be used


async def test_what_is_not_there_fails_the_node(setting: Setting, echo: Server) -> None:
    run = await setting.get(echo.url, "http.bearer", "nothing of this name")
    assert "credential_missing" in str(run.error)
    basic = await setting.save("http.basic", {"username": "a", "password": SECRET}, [echo.url])
    run = await setting.get(echo.url, "http.bearer", basic)
    assert "credential_wrong_type" in str(run.error)
    assert echo.seen == []


async def test_anothers_credential_is_not_there(setting: Setting, echo: Server) -> None:
    theirs = await support.save_credential(
        *(setting.database, setting.keychain, "ten_other", "http.bearer"),
        {"token": SECRET},
        hosts=[echo.url],
    )
    run = await setting.get(echo.url, "http.bearer", theirs.id)
    assert "credential_missing" in str(run.error)


async def test_a_credential_whose_key_is_gone_says_so(setting: Setting, echo: Server) -> None:
    lost = Keychain(
        setting.database, Vault.parse(support.KEYS.replace("test:", "lost:")), setting.http,
        SystemClock(),
    )  # fmt: skip
    stored = await support.save_credential(
        setting.database, lost, TENANT, "http.bearer", {"token": SECRET}, hosts=[echo.url]
    )
    run = await setting.get(echo.url, "http.bearer", stored.id)
    assert "credential_locked" in str(run.error)
    assert "lost" in str(run.error)


# --- tokens


@pytest.fixture
async def oauth() -> AsyncIterator[OAuthServer]:
    async with oauth_server() as server:
        yield server


async def connected(setting: Setting, oauth: OAuthServer, access: str) -> str:
    """An account whose tokens are what one says; its refresh token is good."""
    identifier = await setting.save(
        "oauth2.authorization", oauth.fields(), [oauth.url], status=UNCONNECTED
    )
    oauth.refresh.add("refresh-0")
    async with setting.database.transaction(TENANT) as connection:
        stored = await get_credential(connection, identifier)
        contents = setting.keychain.contents(stored)
        closed = setting.keychain.close(
            replace(stored, status="ready"),
            Contents(contents.secrets, Tokens(access, "refresh-0", SystemClock().now())),
        )
        await save_credential(connection, closed)
    return identifier


async def test_a_token_that_has_run_out_is_renewed_once_for_all_replicas(
    setting: Setting, oauth: OAuthServer
) -> None:
    identifier = await connected(setting, oauth, "access-old")
    keychains = [
        setting.keychain,
        Keychain(setting.database, Vault.parse(support.KEYS), setting.http, SystemClock()),
    ]
    opened = [await keychain.find(TENANT, identifier) for keychain in keychains for _ in range(4)]
    responses = await asyncio.gather(
        *(
            setting.http.send(HttpRequest("GET", f"{oauth.url}/me", credential=credential))
            for credential in opened
        )
    )
    assert [response.status for response in responses] == [200] * 8
    assert [grant["grant_type"] for grant in oauth.grants] == ["refresh_token"]


async def test_a_token_that_is_refused_is_renewed_and_the_request_sent_again(
    setting: Setting, oauth: OAuthServer
) -> None:
    oauth.access.add("nobody-has-this-one")
    identifier = await connected(setting, oauth, "access-old")
    run = await setting.get(f"{oauth.url}/me", "oauth2.authorization", identifier)
    assert run.status == "completed", run.error
    oauth.access.clear()  # the server forgets what it gave
    run = await setting.get(f"{oauth.url}/me", "oauth2.authorization", identifier)
    assert run.status == "completed", run.error
    assert len(oauth.grants) == 2
    kept = await setting.everything()
    assert not any(token in kept for token in oauth.access | oauth.refresh)


async def test_an_account_whose_consent_ended_has_to_be_connected_again(
    setting: Setting, oauth: OAuthServer
) -> None:
    identifier = await connected(setting, oauth, "access-old")
    oauth.refresh.clear()
    for _ in range(2):
        run = await setting.get(f"{oauth.url}/me", "oauth2.authorization", identifier)
        assert "credential_not_connected" in str(run.error)
    assert len(oauth.grants) == 1, "a dead refresh token is not shown twice"
    async with setting.database.transaction(TENANT) as connection:
        assert (await get_credential(connection, identifier)).status == EXPIRED


async def test_a_token_server_that_is_away_changes_nothing(
    setting: Setting, oauth: OAuthServer
) -> None:
    identifier = await connected(setting, oauth, "access-old")
    oauth.broken = 503
    run = await setting.get(f"{oauth.url}/me", "oauth2.authorization", identifier)
    assert "token_failed" in str(run.error)
    oauth.broken = 0
    run = await setting.get(f"{oauth.url}/me", "oauth2.authorization", identifier)
    assert run.status == "completed"


async def test_a_client_gets_its_tokens_by_itself(setting: Setting, oauth: OAuthServer) -> None:
    fields = {
        name: oauth.fields()[name] for name in ("token_url", "client_id", "client_secret", "scope")
    }
    identifier = await setting.save("oauth2.client", fields, [oauth.url])
    for _ in range(2):
        run = await setting.get(f"{oauth.url}/me", "oauth2.client", identifier)
        assert run.status == "completed", run.error
    assert oauth.grants == [{"grant_type": "client_credentials", "scope": "read write"}]


async def test_nothing_shows_when_an_open_credential_is_printed(
    setting: Setting, oauth: OAuthServer
) -> None:
    identifier = await connected(setting, oauth, "access-old")
    opened = await setting.keychain.find(TENANT, identifier)
    assert opened is not None
    async with setting.database.transaction(TENANT) as connection:
        stored = await get_credential(connection, identifier)
    request = HttpRequest("GET", oauth.url, credential=opened)
    contents = setting.keychain.contents(stored)
    shown = repr([opened, opened.fields, request, stored, contents, contents.tokens])
    for secret in (oauth.fields()["client_secret"], "access-old", "refresh-0"):
        assert secret not in shown
        assert secret not in json.dumps(opened.hide(f"a {secret} b"))


async def test_a_node_whose_credential_cannot_be_used_does_not_ask(
    setting: Setting, oauth: OAuthServer
) -> None:
    identifier = await setting.save(
        "oauth2.authorization", oauth.fields(), [oauth.url], status=UNCONNECTED
    )
    opened = await setting.keychain.find(TENANT, identifier)
    with pytest.raises(NodeError) as caught:
        await setting.http.send(HttpRequest("GET", oauth.url, credential=opened))
    assert caught.value.failure.code == "credential_not_connected"
    assert oauth.server.seen == []
