"""Events a second out of a run's history, to one client and to a hundred."""

import asyncio
import statistics
import time

import httpx2

from bench import workflows
from bench.mesh import Mesh
from bench.table import Figure

_NODES = 300
_ROUNDS = 3


async def measure(mesh: Mesh) -> list[Figure]:
    """Replay one long history to 1 and to 100 clients at once."""
    workflow_id = await mesh.create_workflow(workflows.pure_nodes("stream", _NODES))
    answer = await mesh.client.post(
        f"/v1/workflows/{workflow_id}:run",
        params={"wait": "30s"},
        json={"input": {"body": {"amount": 1}}},
    )
    answer.raise_for_status()
    url = f"/v1/runs/{answer.json()['id']}/events"
    return [await _replay(mesh, url, clients) for clients in (1, 100)]


async def _replay(mesh: Mesh, url: str, clients: int) -> Figure:
    rates: list[float] = []
    events = 0
    limits = httpx2.Limits(max_connections=clients)
    async with httpx2.AsyncClient(
        base_url=mesh.url, headers=mesh.client.headers, timeout=60, limits=limits
    ) as client:
        for _ in range(_ROUNDS):
            begun_at = time.perf_counter()
            counts = await asyncio.gather(*(_events(client, url) for _ in range(clients)))
            events = sum(counts)
            rates.append(events / (time.perf_counter() - begun_at))
    return Figure(
        f"SSE, {clients} client{'s' * (clients > 1)}",
        f"{statistics.median(rates):,.0f} events/s",
        f"{events} events a round",
    )


async def _events(client: httpx2.AsyncClient, url: str) -> int:
    count = 0
    async with client.stream("GET", url) as answer:
        answer.raise_for_status()
        async for chunk in answer.aiter_bytes():
            count += chunk.count(b"\nid: ") + chunk.startswith(b"id: ")
    return count
