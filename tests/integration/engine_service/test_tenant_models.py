"""Language models on a tenant's own account: its key, its hosts, and nobody else's."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from engine_service.nodes.ai_chat import AiChat
from engine_service.nodes.ai_embed import AiEmbed
from engine_service.sdk.node import Done, Failed, Outcome
from engine_service.vault.keychain import Keychain
from engine_service.vault.sealing import Vault
from engine_service.vault.tenant_models import TenantModels
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from shared.clock import SystemClock
from shared.database import Database
from shared.llms import LlmSettings
from tests.support.keychain import KEYS, save_credential
from tests.support.llm_server import LlmServer, say
from tests.support.run_node import given, jsons, run_action, services

OWN, OPERATORS = "sk-the-tenants-own-key", "sk-the-operators-key"


@pytest.fixture
async def server() -> AsyncIterator[LlmServer]:
    async with LlmServer() as server:
        yield server


async def chat(
    database: Database,
    server: LlmServer,
    *,
    kind: str,
    model: str,
    hosts: str,
    allowed: str,
    node_type: Any = AiChat,
) -> Outcome:
    """What a node gives with a credential; the operator has accounts, too."""
    http = GuardedHttpClient(AllowList.parse([allowed]))
    keychain = Keychain(database, Vault.parse(KEYS), http, SystemClock())
    operators = LlmSettings(
        openai_api_key=SecretStr(OPERATORS),
        openai_base_url=f"{server.url}/operators/v1",
        anthropic_api_key=SecretStr(OPERATORS),
        anthropic_base_url=f"{server.url}/operators",
        llm_max_retries=0,
    )
    models = TenantModels(operators, http.sdk_transport)
    base = f"{server.url}/own/v1" if kind == "openai.key" else f"{server.url}/own"
    data: dict[str, Any] = {"api_key": OWN, "base_url": base}
    stored = await save_credential(
        database, keychain, "ten_a", kind, data, hosts=[hosts or server.url]
    )
    node = services(models=models)
    opened = keychain.of("ten_a", {kind: stored.id})
    try:
        return await run_action(
            node_type,
            given(node_type, {"prompt" if node_type is AiChat else "text": "Hi", "model": model}),
            type(node)(node.http, None, models, "k", node.emit, node.log, credentials=opened),
        )
    finally:
        await models.close()
        await http.close()


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("openai.key", "openai:gpt-4o-mini"),
        ("anthropic.key", "anthropic:claude-of-tests"),
    ],
)
async def test_a_credential_pays_for_the_call(
    app_database: Database, server: LlmServer, kind: str, model: str
) -> None:
    server.script.append(say("Hello"))
    outcome = await chat(
        app_database, server, kind=kind, model=model, hosts="", allowed="127.0.0.1"
    )
    assert jsons(outcome)[0]["text"] == "Hello"
    [asked] = server.asked
    assert asked.path.startswith("/own/")
    assert OWN in str(asked.headers)
    assert OPERATORS not in str(asked.headers)


async def test_a_credential_pays_for_vectors(app_database: Database, server: LlmServer) -> None:
    server.script.append(say())
    outcome = await chat(
        app_database, server, kind="openai.key", model="openai:text-embedding-3-small", hosts="",
        allowed="127.0.0.1", node_type=AiEmbed,
    )  # fmt: skip
    assert jsons(outcome)[0]["dimensions"] == 2
    [asked] = server.asked
    assert asked.path == "/own/v1/embeddings"
    assert OWN in str(asked.headers)
    assert OPERATORS not in str(asked.headers)


async def test_a_key_goes_to_its_hosts_only(app_database: Database, server: LlmServer) -> None:
    outcome = await chat(
        app_database,
        server,
        kind="openai.key",
        model="openai:gpt-4o-mini",
        hosts="api.example.com",
        allowed="127.0.0.1",
    )
    assert isinstance(outcome, Failed), outcome
    assert server.asked == []


async def test_an_inner_address_is_refused_to_tenants(
    app_database: Database, server: LlmServer
) -> None:
    outcome = await chat(
        app_database,
        server,
        kind="openai.key",
        model="openai:gpt-4o-mini",
        hosts="",
        allowed="127.0.0.2",
    )
    assert not isinstance(outcome, Done), outcome
    assert server.asked == []


async def test_accounts_are_not_mixed(app_database: Database, server: LlmServer) -> None:
    outcome = await chat(
        app_database,
        server,
        kind="openai.key",
        model="openai:gpt-4o-mini,anthropic:claude-of-tests",
        hosts="",
        allowed="127.0.0.1",
    )
    assert isinstance(outcome, Failed)
    assert outcome.code == "model_not_configured"
    assert server.asked == []
