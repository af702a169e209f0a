"""Names become models; what is not used is not loaded."""

import subprocess
import sys
from decimal import Decimal

import pytest
from pydantic import SecretStr

from shared.errors import InvalidInput
from shared.llm import Budget, Message, Request
from shared.llm_errors import BudgetExhausted
from shared.llms import EMBEDDERS, PROVIDERS, LlmSettings, Models, connect, connect_embedder
from tests.support.llm_server import LlmServer, fail, say

KEYS = LlmSettings(openai_api_key=SecretStr("key"), anthropic_api_key=SecretStr("key"))


@pytest.mark.parametrize("name", ["", " , ", "gpt-4o", "openai:", ":gpt-4o", "nobody:model"])
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        connect(name, KEYS)
    assert caught.value.code == "MODEL_NAME_INVALID"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_vendor_wants_its_key(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InvalidInput, match="_API_KEY") as caught:
        connect(f"{provider}:m", LlmSettings())
    assert caught.value.code == "MODEL_KEY_MISSING"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_server_of_ones_own_needs_no_key(provider: str) -> None:
    async with LlmServer() as server:
        settings = LlmSettings(
            openai_base_url=server.url,
            anthropic_base_url=server.url,
            openai_api_key=SecretStr(""),
            anthropic_api_key=SecretStr(""),
        )
        server.script.append(say("keyless"))
        model = connect(f"{provider}:m", settings)
        assert (await model.complete(Request([Message.user("Hi")]))).text == "keyless"
        await model.close()


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_PRICES", '{"mine": {"input": "1.5", "output": 3}}')
    monkeypatch.setenv("ALLOW_MODEL_REQUESTS", "false")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    settings = LlmSettings()
    assert settings.model_prices["mine"].input == 1.5
    assert not settings.allow_model_requests
    assert "sk-secret" not in repr(settings)


async def test_models_are_connected_once() -> None:
    models = Models(KEYS)
    one, again = await models.get("openai:m"), await models.get("openai:m")
    assert one is again
    assert one is not await models.get("openai:n")
    await models.close()


def test_sdks_are_loaded_for_the_models_in_use_only() -> None:
    script = (
        "import sys\n"
        "from shared.llms import LlmSettings, connect\n"
        "loaded = lambda: sorted({'openai', 'anthropic', 'httpx2'} & set(sys.modules))\n"
        "print(loaded())\n"
        "connect('openai:m', LlmSettings(openai_api_key='key'))\n"
        "print(loaded())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "['httpx2', 'openai']"]


@pytest.mark.parametrize("name", EMBEDDERS)
async def test_texts_become_vectors_in_their_order(name: str) -> None:
    async with LlmServer() as server:
        settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))
        embedder = connect_embedder(f"{name}:text-embedding-ada-002", settings)
        server.script.append(say(tokens=(2_000_000, 0)))
        found = await embedder.embed(["a", "four", "by"])
        await embedder.close()
    assert [list(vector) for vector in found.vectors] == [[1, 0], [4, 1], [2, 2]]
    assert found.usage.input_tokens == 2_000_000
    assert found.usage.cost_usd == Decimal("0.2")
    assert found.model == f"{name}:text-embedding-ada-002"


async def test_many_texts_go_in_as_many_calls_as_they_need() -> None:
    async with LlmServer() as server:
        settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))
        embedder = connect_embedder("openai:m", settings)
        server.script += [say(tokens=(5, 0))] * 3
        found = await embedder.embed([*["x"] * 2049, "y" * 299_999, "z"])
        await embedder.close()
    assert [len(asked.body["input"]) for asked in server.asked] == [2048, 2, 1]
    assert len(found.vectors) == 2051
    assert found.usage.input_tokens == 15


async def test_embeddings_are_paid_from_a_budget() -> None:
    async with LlmServer() as server:
        settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))
        embedder = connect_embedder("openai:text-embedding-ada-002", settings)
        budget = Budget(max_tokens=20)
        server.script.append(say(tokens=(5, 0)))
        await embedder.embed(["ten signs."], budget=budget)
        assert (budget.spent.total_tokens, budget.spent.cost_usd) == (5, Decimal("0.0000005"))
        with pytest.raises(BudgetExhausted):
            await embedder.embed(["ten signs.", "six mo"], budget=budget)
        await embedder.close()


async def test_embeddings_fail_like_models() -> None:
    async with LlmServer() as server:
        settings = LlmSettings(openai_base_url=server.url, openai_api_key=SecretStr("key"))
        embedder = connect_embedder("openai:m", settings)
        server.script.append(fail(400, "invalid_request_error", "too long"))
        with pytest.raises(InvalidInput, match="too long"):
            await embedder.embed(["x"])
        assert (await embedder.embed([])).vectors == []
        await embedder.close()
