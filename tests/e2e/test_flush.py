"""Redis forgets everything under load: limits begin anew; nothing happens twice or not at all."""

import asyncio
from contextlib import suppress

import httpx2
import redis.asyncio as redis

from cli.embedded.valkey import EmbeddedValkey
from tests.support.mesh import definition

WRITERS = 4
EACH = 6
ECHO = definition(
    [
        {
            "id": "hook",
            "type": "trigger.webhook",
            "parameters": {"path": "flushed", "methods": ["POST"], "response_mode": "respond_node"},
        },
        {"id": "reply", "type": "flow.respond"},
    ],
    "hook > reply",
    name="Flushed",
)


async def test_nothing_is_lost_or_doubled_when_redis_is_flushed_under_load(
    client: httpx2.AsyncClient, valkey_server: EmbeddedValkey
) -> None:
    made = await client.post("/v1/workflows", json={"definition": ECHO})
    workflow_id = made.json()["id"]
    await client.post(f"/v1/workflows/{workflow_id}:activate", json={})
    [trigger] = (await client.get("/v1/triggers")).json()["triggers"]
    hook = f"/v1/hooks/{trigger['path']}"
    flushing = asyncio.create_task(_keep_flushing(valkey_server.url()))
    try:
        numbers = [(writer, n) for writer in range(WRITERS) for n in range(EACH)]
        lines = [numbers[start::WRITERS] for start in range(WRITERS)]
        found = await asyncio.gather(*(_send(client, hook, workflow_id, line) for line in lines))
    finally:
        flushing.cancel()
        with suppress(asyncio.CancelledError):
            await flushing
    statuses = {status for line in found for seen, _ in line for status in seen}
    assert statuses == {200, 202}
    started = [run_id for line in found for _, ids in line for run_id in ids]
    stored = await _runs_of(client, workflow_id)
    assert len(started) == len(set(started)) == WRITERS * EACH
    assert set(started) <= stored
    assert len(stored) == 2 * WRITERS * EACH  # as many by hand as by webhook


async def _keep_flushing(url: str) -> None:
    async with redis.from_url(url) as server:  # pyright: ignore[reportUnknownMemberType]
        while True:
            await server.execute_command("FLUSHALL")  # pyright: ignore[reportUnknownMemberType]
            await asyncio.sleep(0.02)


async def _send(
    client: httpx2.AsyncClient, hook: str, workflow_id: str, line: list[tuple[int, int]]
) -> list[tuple[set[int], set[str]]]:
    """Each delivery and each start twice under its key, as a sender does who heard no answer."""
    came: list[tuple[set[int], set[str]]] = []
    for number in line:
        name = "-".join(map(str, number))
        statuses: set[int] = set()
        ids: set[str] = set()
        for _ in range(2):
            sent = await client.post(hook, json={"n": name}, headers={"webhook-id": f"d-{name}"})
            run = await client.post(
                f"/v1/workflows/{workflow_id}:run",
                json={"input": {"n": name}},
                headers={"idempotency-key": f"r-{name}"},
            )
            statuses |= {sent.status_code, run.status_code}
            ids.add(run.json()["id"])
        came.append((statuses, ids))
    return came


async def _runs_of(client: httpx2.AsyncClient, workflow_id: str) -> set[str]:
    ids: set[str] = set()
    token = ""
    while True:
        params = {"workflow_id": workflow_id, "page_size": 100, "page_token": token}
        page = (await client.get("/v1/runs", params=params)).json()
        ids |= {run["id"] for run in page["runs"]}
        token = page.get("next_page_token", "")
        if not token:
            return ids
