"""A schedule in real time, over two engines: one run for every tick, and no more."""

import asyncio
import itertools
from datetime import datetime
from pathlib import Path

import pytest

from tests.support import mesh as meshes
from tests.support.mesh import definition

TICKS = 60
EVERY_SECOND = definition(
    [
        {
            "id": "clock",
            "type": "trigger.schedule",
            "parameters": {"rules": [{"every": 1, "unit": "seconds"}]},
        },
        {"id": "noop", "type": "flow.noop"},
    ],
    "clock > noop",
    name="Every second",
)


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_sixty_ticks_over_two_engines_are_sixty_runs(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    async with (
        meshes.running(tmp_path, postgres_url, redis_url, engines=2) as mesh,
        mesh.client() as client,
    ):
        created = await client.post("/v1/workflows", json={"definition": EVERY_SECOND})
        workflow = f"/v1/workflows/{created.json()['id']}"
        assert (await client.post(f"{workflow}:activate", json={})).is_success
        await asyncio.sleep(TICKS + 3)
        assert (await client.post(f"{workflow}:deactivate", json={})).is_success
        await asyncio.sleep(2)
        page = (await client.get("/v1/runs", params={"page_size": 200})).json()["runs"]
        inputs = [(await client.get(f"/v1/runs/{run['id']}")).json()["input"] for run in page]
    ticks = sorted(datetime.fromisoformat(given[0]["json"]["timestamp"]) for given in inputs)
    assert len(set(ticks)) == len(ticks)
    assert len(ticks) >= TICKS
    gaps = {(after - before).total_seconds() for before, after in itertools.pairwise(ticks)}
    assert gaps == {1.0}
    assert {run["status"] for run in page} == {"completed"}
