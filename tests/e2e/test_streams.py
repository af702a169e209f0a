"""Event streams survive the gateway: nothing missing, nothing twice, for a hundred clients."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2

from tests.support import mesh as meshes
from tests.support.mesh import Mesh, definition

CLIENTS = 100
ROUNDS = 40
# A run that has something to say for some seconds: one item after the other, with a pause each.
SLOW = definition(
    [
        {"id": "start", "type": "trigger.manual"},
        {
            "id": "many",
            "type": "code.javascript",
            "parameters": {
                "code": f"return Array.from({{length: {ROUNDS}}}, (_, n) => ({{json: {{n}}}}));"
            },
        },
        {"id": "each", "type": "flow.loop", "parameters": {"batch_size": 1}},
        {"id": "pause", "type": "flow.wait", "parameters": {"amount": 0.1, "unit": "seconds"}},
    ],
    "start > many",
    "many > each",
    "each.loop > pause",
    "pause > each",
    name="Slow",
)
ENDED = ("run.completed", "run.failed", "run.cancelled")


class Follower:
    """A client that reconnects where it was cut off, as EventSource does."""

    def __init__(self, client: httpx2.AsyncClient, url: str) -> None:
        self.client = client
        self.url = url
        self.seen: list[tuple[int, str]] = []
        self.connections = 0

    @property
    def ended(self) -> bool:
        return bool(self.seen) and self.seen[-1][1] in ENDED

    async def follow(self) -> None:
        while not self.ended:
            try:
                await self._follow_once()
            except httpx2.TransportError:
                await asyncio.sleep(0.1)

    async def _follow_once(self) -> None:
        headers = {"last-event-id": str(self.seen[-1][0])} if self.seen else {}
        async with self.client.stream("GET", self.url, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            self.connections += 1
            event: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                    continue
                if "data" in event:
                    json.loads(event["data"])
                    self.seen.append((int(event["id"]), event["event"]))
                event = {}


async def start(client: httpx2.AsyncClient) -> str:
    created = await client.post("/v1/workflows", json={"definition": SLOW})
    assert created.status_code == 201, created.text
    answer = await client.post(f"/v1/workflows/{created.json()['id']}:run", json={})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


async def restart_gateway(mesh: Mesh) -> None:
    await mesh.gateway.kill()
    await mesh.gateway.start()
    await mesh.gateway.ready()


async def test_a_hundred_clients_see_every_event_once_although_the_gateway_is_killed(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with (
        meshes.running(tmp_path, postgres_url, redis_url) as mesh,
        mesh.client() as signed_in,
        httpx2.AsyncClient(
            base_url=mesh.url,
            headers=signed_in.headers,
            timeout=30,
            limits=httpx2.Limits(max_connections=2 * CLIENTS),
        ) as client,
    ):
        run_id = await start(signed_in)
        followers = [Follower(client, f"/v1/runs/{run_id}/events") for _ in range(CLIENTS)]
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for follower in followers:
                tasks.create_task(follower.follow())
            await some_have_begun(followers)
            await restart_gateway(mesh)
        run = (await signed_in.get(f"/v1/runs/{run_id}")).json()
    assert run["status"] == "completed"
    history = followers[0].seen
    assert [sequence for sequence, _ in history] == list(range(1, len(history) + 1))
    assert len(history) > 2 * ROUNDS
    assert all(follower.seen == history for follower in followers)
    assert sum(follower.connections > 1 for follower in followers) > CLIENTS // 2


async def some_have_begun(followers: list[Follower]) -> None:
    while sum(len(follower.seen) > 5 for follower in followers) < CLIENTS:
        assert not any(follower.ended for follower in followers)
        await asyncio.sleep(0.02)


async def test_a_client_that_leaves_does_not_stop_the_run(client: httpx2.AsyncClient) -> None:
    run_id = await start(client)
    async with client.stream("GET", f"/v1/runs/{run_id}/events") as answer:
        async for _ in answer.aiter_lines():
            break
    follower = Follower(client, f"/v1/runs/{run_id}/events?after=3")
    await follower.follow()
    assert follower.seen[0][0] == 4
    assert follower.seen[-1][1] == "run.completed"


async def test_the_terminal_event_carries_the_whole_run(client: httpx2.AsyncClient) -> None:
    run_id = await start(client)
    last: dict[str, Any] = {}
    async with client.stream("GET", f"/v1/runs/{run_id}/events") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                last = json.loads(line.removeprefix("data: "))
    assert last["data"]["run"]["id"] == run_id
    assert last["data"]["run"]["status"] == "completed"
