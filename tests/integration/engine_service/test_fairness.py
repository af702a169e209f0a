"""Who goes first when runs have to wait: an engine with room for one run, and many of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.running.worker import WorkerOptions
from engine_service.store.runs import NewRun, insert_runs
from shared.workflow import JsonObject
from tests.support.definitions import definition, node
from tests.support.engine import TestEngine, new_run, running_engine
from tests.support.nodes import WORLD, catalogue


@pytest.fixture(scope="module")
async def engine(postgres_url: str) -> AsyncIterator[TestEngine]:
    options = WorkerOptions(runs=1, poll_seconds=0.1)
    async with running_engine(postgres_url, catalogue=catalogue(), options=options) as engine:
        yield engine


def effect(**settings: Any) -> JsonObject:
    return definition([node("a", "test.keyed")], "start > a", **settings)


async def occupied(engine: TestEngine) -> str:
    """Keep the engine busy until the gate opens; a workflow."""
    WORLD.begin(held=True)
    workflow = await engine.save(effect())
    await engine.start(workflow)
    await WORLD.reached.wait()
    return workflow


async def begin(engine: TestEngine, runs: Sequence[NewRun]) -> None:
    async with engine.databases.worker.transaction() as connection:
        await insert_runs(connection, runs)


async def start_order(engine: TestEngine, runs: Sequence[str]) -> list[Any]:
    """Those of the runs that have begun, in order, with their tenants."""
    statement = (
        "SELECT id, tenant_id FROM engine.runs WHERE id = ANY(:ids) AND started_at IS NOT NULL"
        " ORDER BY started_at"
    )
    return list(await engine.query(statement, ids=list(runs)))


async def test_a_tenant_with_very_many_runs_starves_nobody(engine: TestEngine) -> None:
    workflow = await occupied(engine)
    crowd = [new_run(workflow, tenant_id="ten_crowd") for _ in range(10_000)]
    one = new_run(workflow, tenant_id="ten_one")
    await begin(engine, crowd)
    await begin(engine, [one])
    WORLD.gate.set()
    ids = [run.id for run in (*crowd, one)]
    async with asyncio.timeout(20):
        while one.id not in [row.id for row in await start_order(engine, ids)]:
            await asyncio.sleep(0.02)
    order = [row.id for row in await start_order(engine, ids)]
    assert order.index(one.id) <= 2
    async with engine.databases.worker.transaction() as connection:
        await connection.execute(text("DELETE FROM engine.line"))


async def test_the_highest_priority_goes_first_and_then_the_oldest(engine: TestEngine) -> None:
    workflow = await occupied(engine)
    urgent = await engine.save(effect(priority=8))
    runs = [
        (await engine.start(workflow)).id,
        (await engine.start(workflow, priority=0)).id,
        (await engine.start(urgent)).id,
        (await engine.start(workflow, priority=9)).id,
        (await engine.start(workflow)).id,
        (await engine.start(urgent, priority=0)).id,
    ]
    WORLD.gate.set()
    for run_id in runs:
        await engine.ended(run_id)
    order = [runs.index(row.id) for row in await start_order(engine, runs)]
    assert order == [3, 2, 0, 4, 1, 5]


async def test_weights_share_the_room(engine: TestEngine) -> None:
    workflow = await occupied(engine)
    async with engine.databases.worker.transaction() as connection:
        await connection.execute(
            text("INSERT INTO engine.tenants (tenant_id, weight) VALUES ('ten_heavy', 3)")
        )
    tenants = ("ten_light", "ten_heavy")
    runs = [new_run(workflow, tenant_id=tenant) for tenant in tenants for _ in range(20)]
    await begin(engine, runs)
    WORLD.gate.set()
    ids = [run.id for run in runs]
    async with asyncio.timeout(20):
        while len(await start_order(engine, ids)) < len(runs):
            await asyncio.sleep(0.02)
    first = (await start_order(engine, ids))[:20]
    assert Counter(row.tenant_id for row in first) == {"ten_heavy": 15, "ten_light": 5}
