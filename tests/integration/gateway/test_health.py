"""Alive, ready, which version, how much of what."""

import httpx2

from tests.support.scripted_mesh import ScriptedMesh


async def test_a_living_gateway_says_so_without_asking_anybody(anybody: httpx2.AsyncClient) -> None:
    answer = await anybody.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_readiness_names_every_dependency_with_its_latency(
    anybody: httpx2.AsyncClient, mesh: ScriptedMesh
) -> None:
    answer = await anybody.get("/ready")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "ready"
    dependencies = answer.json()["dependencies"]
    assert set(dependencies) == {"database", "redis", "agent", "engine"}
    assert all(one["status"] == "ok" and one["milliseconds"] >= 0 for one in dependencies.values())
