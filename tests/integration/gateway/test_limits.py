"""Limits: who asks too often is told when to come back, and nobody else notices."""

import asyncio
import re

import pytest

from gateway.limits import Limits, Quota, RateLimited
from gateway.scripts import Scripts
from tests.support.gateway import PASSWORD, gateway_settings, serving
from tests.support.scripted_mesh import ScriptedMesh


@pytest.fixture
async def scripts(redis_url: str) -> Scripts:
    return Scripts(redis_url)


async def test_exactly_the_amount_passes_however_many_ask_at_once(scripts: Scripts) -> None:
    limits = Limits(scripts, {"api": Quota(20, 3600)})

    async def ask() -> bool:
        try:
            await limits.take(("api",), "user:crowd")
        except RateLimited:
            return False
        return True

    answers = await asyncio.gather(*(ask() for _ in range(50)))
    assert sum(answers) == 20
    await scripts.close()


async def test_what_is_left_is_told_and_comes_back(scripts: Scripts) -> None:
    limits = Limits(scripts, {"api": Quota(2, 1)})
    first = await limits.take(("api",), "user:a")
    second = await limits.take(("api",), "user:a")
    assert first is not None
    assert second is not None
    assert (first.remaining, second.remaining) == (1, 0)
    with pytest.raises(RateLimited) as caught:
        await limits.take(("api",), "user:a")
    assert 0 < caught.value.verdict.retry_seconds <= 0.5
    async with asyncio.timeout(5):
        while not await passes(limits):
            await asyncio.sleep(0.02)
    await scripts.close()


async def passes(limits: Limits) -> bool:
    try:
        return await limits.take(("api",), "user:a") is not None
    except RateLimited:
        return False


async def test_a_refused_request_takes_from_no_bucket(scripts: Scripts) -> None:
    limits = Limits(scripts, {"api": Quota(10, 3600), "run": Quota(1, 3600)})
    await limits.take(("api", "run"), "user:b")
    with pytest.raises(RateLimited) as caught:
        await limits.take(("api", "run"), "user:b")
    assert caught.value.verdict.name == "run"
    left = await limits.take(("api",), "user:b")
    assert left is not None
    assert left.remaining == 8
    await scripts.close()


async def test_callers_are_limited_apart(
    postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    settings = gateway_settings(
        postgres_url, redis_url, mesh.address, gateway_limit_api="3/h", gateway_limit_run="1/h"
    )
    async with serving(settings) as gateway:
        ada, bob = [await gateway.sign_up() for _ in range(2)]
        async with gateway.client(ada["access_token"]) as client:
            answers = [await client.get("/v1/runs") for _ in range(4)]
        async with gateway.client(bob["access_token"]) as client:
            run = await client.post("/v1/workflows/wf_1:run")
            second_run = await client.post("/v1/workflows/wf_1:run")
            other = await client.get("/v1/runs")
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [run.status_code, second_run.status_code, other.status_code] == [202, 429, 200]
    assert answers[0].headers["ratelimit-policy"] == '"api";q=3;w=3600'
    assert re.fullmatch(r'"api";r=2;t=1\d{3}', answers[0].headers["ratelimit"])
    refused = answers[3]
    assert refused.json()["code"] == "RATE_LIMITED"
    assert 1100 < int(refused.headers["retry-after"]) <= 1200
    assert refused.headers["ratelimit"].startswith('"api";r=0;')
    assert second_run.headers["ratelimit-policy"] == '"run";q=1;w=3600'
    assert mesh.count("StartRun") == 1


async def test_guessing_passwords_is_slow_from_everywhere(
    postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    settings = gateway_settings(
        postgres_url,
        redis_url,
        mesh.address,
        gateway_limit_login="3/min",
        gateway_trusted_proxies="127.0.0.1",
    )
    async with serving(settings) as gateway, gateway.client() as client:

        async def guess(address: str, email: str) -> int:
            answer = await client.post(
                "/auth/v1/token?grant_type=password",
                json={"email": email, "password": PASSWORD},
                headers={"x-forwarded-for": address},
            )
            return answer.status_code

        one_address = [await guess("10.0.0.1", f"{n}@example.com") for n in range(4)]
        one_account = [await guess(f"10.0.1.{n}", "Ada@example.com") for n in range(4)]
    assert one_address == [400, 400, 400, 429]
    assert one_account == [400, 400, 400, 429]


async def test_who_keeps_showing_bad_tokens_is_limited_by_address(
    postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    settings = gateway_settings(postgres_url, redis_url, mesh.address, gateway_limit_public="2/h")
    async with serving(settings) as gateway, gateway.client("forged") as client:
        answers = [(await client.get("/v1/runs")).status_code for _ in range(3)]
    assert answers == [401, 401, 429]


async def test_a_hook_is_limited_by_its_path(
    postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    settings = gateway_settings(postgres_url, redis_url, mesh.address, gateway_limit_hook="1/h")
    async with serving(settings) as gateway, gateway.client() as client:
        paths = ["/v1/hooks/t/a", "/v1/hooks/t/a", "/v1/hooks/t/b"]
        answers = [(await client.post(path)).status_code for path in paths]
    assert answers == [200, 429, 200]


async def test_health_is_never_limited(
    postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    settings = gateway_settings(postgres_url, redis_url, mesh.address, gateway_limit_public="1/h")
    async with serving(settings) as gateway, gateway.client() as client:
        answers = [(await client.get("/health")).status_code for _ in range(5)]
    assert answers == [200] * 5


async def test_without_redis_requests_pass_and_a_metric_says_so(
    postgres_url: str, mesh: ScriptedMesh
) -> None:
    settings = gateway_settings(
        postgres_url, "redis://127.0.0.1:1", mesh.address, gateway_limit_api="1/h"
    )
    async with serving(settings) as gateway:
        login = await gateway.sign_up()
        async with gateway.client(login["access_token"]) as client:
            answers = [await client.get("/v1/runs") for _ in range(3)]
            ready = await client.get("/ready")
            metrics = (await client.get("/metrics")).text
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "ratelimit" not in answers[0].headers
    assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
    assert ready.json()["dependencies"]["redis"]["status"] == "unavailable"
    assert uncounted(metrics) >= 3


def uncounted(metrics: str) -> float:
    found = re.search(r"^flowloom_gateway_uncounted_total (\S+)$", metrics, re.MULTILINE)
    assert found
    return float(found[1])
