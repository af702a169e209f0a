"""Runs wait in the line while their workflow or tenant is at its limit; slots are never lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.running.worker import WorkerOptions
from engine_service.store.line import reconcile
from shared.workflow import JsonObject
from tests.support.definitions import definition, node
from tests.support.engine import TENANT, TestEngine, running_engine
from tests.support.nodes import WORLD, catalogue

QUICK = WorkerOptions(lease_seconds=2, poll_seconds=0.1)


@pytest.fixture(scope="module")
async def engine(postgres_url: str) -> AsyncIterator[TestEngine]:
    async with running_engine(postgres_url, catalogue=catalogue(), options=QUICK) as engine:
        yield engine


@pytest.fixture(autouse=True)
async def _begin(engine: TestEngine) -> AsyncIterator[None]:
    WORLD.begin()
    yield
    WORLD.gate.set()
    async with asyncio.timeout(10):
        while await standing(engine) or await slots(engine):
            await asyncio.sleep(0.02)


def effect(**settings: Any) -> JsonObject:
    return definition([node("a", "test.keyed")], "start > a", **settings)


async def standing(engine: TestEngine) -> list[str]:
    return [row.run_id for row in await engine.query("SELECT run_id FROM engine.line ORDER BY 1")]


async def slots(engine: TestEngine) -> list[str]:
    return [row.run_id for row in await engine.query("SELECT run_id FROM engine.slots ORDER BY 1")]


async def until_standing(engine: TestEngine, count: int) -> None:
    async with asyncio.timeout(10):
        while len(await standing(engine)) != count:
            await asyncio.sleep(0.02)


class TestLimits:
    async def test_a_workflow_has_no_more_runs_at_once_than_it_says(
        self, engine: TestEngine
    ) -> None:
        WORLD.begin(held=True)
        workflow = await engine.save(effect(concurrency=2))
        runs = [(await engine.start(workflow)).id for _ in range(5)]
        await until_standing(engine, 3)
        assert await slots(engine) == runs[:2]
        assert [(await engine.run(run_id)).status for run_id in runs[2:]] == ["queued"] * 3
        WORLD.gate.set()
        assert {(await engine.ended(run_id)).status for run_id in runs} == {"completed"}
        assert len(WORLD.effects) == 5

    async def test_others_are_not_held_up_by_a_workflow_at_its_limit(
        self, engine: TestEngine
    ) -> None:
        WORLD.begin(held=True)
        full = await engine.save(effect(concurrency=1))
        runs = [(await engine.start(full)).id for _ in range(200)]
        await until_standing(engine, 199)
        free = await engine.save(definition([node("a", "data.set", assignments=[])], "start > a"))
        limited = await engine.save(
            definition([node("a", "data.set", assignments=[])], "start > a", concurrency=1)
        )
        assert (await engine.finish(free)).status == "completed"
        assert (await engine.finish(limited)).status == "completed"
        for run_id in runs:
            await engine.cancel(run_id)
        assert await standing(engine) == []

    async def test_a_tenant_has_no_more_runs_at_once_than_its_row_says(
        self, engine: TestEngine
    ) -> None:
        await limit(engine, "ten_limited", 3)
        WORLD.begin(held=True)
        workflow = await engine.save(effect())
        runs = [(await engine.start(workflow, tenant_id="ten_limited")).id for _ in range(5)]
        await until_standing(engine, 2)
        assert await slots(engine) == runs[:3]
        unlimited = await engine.start(workflow)  # another tenant's
        await engine.until(unlimited.id, "node.started")

    async def test_a_limit_that_is_lifted_lets_the_rest_go(self, engine: TestEngine) -> None:
        await limit(engine, "ten_lifted", 1)
        WORLD.begin(held=True)
        workflow = await engine.save(effect())
        for _ in range(3):
            await engine.start(workflow, tenant_id="ten_lifted")
        await until_standing(engine, 2)
        await limit(engine, "ten_lifted", 5)
        await until_standing(engine, 0)

    async def test_a_parked_run_gives_its_slot_to_the_next(self, engine: TestEngine) -> None:
        asks = definition(
            [node("ask", "human.approval", title="?"), node("a", "test.keyed")],
            "start > ask; ask:approved > a",
            concurrency=1,
        )
        workflow = await engine.save(asks)
        first, second = [(await engine.start(workflow)).id for _ in range(2)]
        for run_id in (first, second):
            await engine.until(run_id, "run.waiting")
        assert await slots(engine) == []
        WORLD.begin(held=True)
        for run_id in (first, second):
            assert await engine.answer(run_id, "ask", "approve")
            await engine.until(run_id, "run.resumed")
        await WORLD.reached.wait()
        # Who was woken goes on, even above the limit; who has not begun waits for it.
        assert await slots(engine) == [first, second]
        third = await engine.start(workflow)
        assert await standing(engine) == [third.id]
        WORLD.gate.set()
        await engine.until(third.id, "run.waiting")
        await engine.cancel(third.id)

    async def test_cancelling_frees_the_slot_or_the_place(self, engine: TestEngine) -> None:
        WORLD.begin(held=True)
        workflow = await engine.save(effect(concurrency=1))
        first, second, third = [(await engine.start(workflow)).id for _ in range(3)]
        await engine.until(first, "node.started")
        await engine.cancel(second)
        assert await standing(engine) == [third]
        await engine.cancel(first)
        await engine.until(third, "node.started")
        assert await slots(engine) == [third]


async def limit(engine: TestEngine, tenant_id: str, runs: int) -> None:
    async with engine.databases.worker.transaction() as connection:
        await connection.execute(
            text(
                "INSERT INTO engine.tenants (tenant_id, runs) VALUES (:tenant, :runs)"
                " ON CONFLICT (tenant_id) DO UPDATE SET runs = excluded.runs"
            ),
            {"tenant": tenant_id, "runs": runs},
        )


class TestCrashes:
    async def test_a_run_whose_engine_vanished_keeps_its_slot_until_another_has_ended_it(
        self, new_database: Any
    ) -> None:
        url = await new_database()
        WORLD.begin(held=True)
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as doomed:
            workflow = await doomed.save(effect(concurrency=1))
            runs = [(await doomed.start(workflow)).id for _ in range(3)]
            await WORLD.reached.wait()
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as heir:
            assert await slots(heir) == runs[:1]
            assert await standing(heir) == runs[1:]
            WORLD.gate.set()
            for run_id in runs:
                assert (await heir.ended(run_id)).status == "completed"
            assert await slots(heir) == []

    async def test_slots_that_nobody_uses_are_taken_away(self, engine: TestEngine) -> None:
        WORLD.begin(held=True)
        workflow = await engine.save(effect(concurrency=5))
        used = await engine.start(workflow)
        await engine.until(used.id, "node.started")
        ended = await engine.save(definition([node("a", "data.set", assignments=[])], "start > a"))
        stale = await engine.finish(ended)
        async with engine.databases.worker.transaction() as connection:
            await connection.execute(
                text(
                    "INSERT INTO engine.slots VALUES (:stale, :tenant, 'w'), ('run_no', 't', 'w')"
                ),
                {"stale": stale.id, "tenant": TENANT},
            )
            await reconcile(connection)
        assert await slots(engine) == [used.id]
