"""Ended runs are deleted when their time is over, with all that hangs on them; nothing else is."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.running.housekeeping import delete_old_runs
from shared.clock import ManualClock
from shared.ids import new_id
from tests.support.definitions import a_set, definition, node
from tests.support.engine import TENANT, TestEngine, new_run, running_engine

TABLES = ("journal", "run_events", "signals", "approvals")


@pytest.fixture(scope="module")
async def engine(postgres_url: str) -> AsyncIterator[TestEngine]:
    async with running_engine(postgres_url) as engine:
        yield engine


@pytest.fixture(autouse=True)
async def _keep_for_ever(engine: TestEngine) -> None:
    await keep(engine, "", None, None)
    await keep(engine, TENANT, None, None)


async def write(engine: TestEngine, statement: str, **values: Any) -> None:
    async with engine.databases.worker.transaction() as connection:
        await connection.execute(text(statement), values)


async def keep(engine: TestEngine, tenant: str, days: int | None, runs: int | None) -> None:
    await write(
        engine,
        "INSERT INTO engine.tenants (tenant_id, keep_days, keep_runs)"
        " VALUES (:tenant, :days, :runs) ON CONFLICT (tenant_id)"
        " DO UPDATE SET keep_days = :days, keep_runs = :runs",
        tenant=tenant,
        days=days,
        runs=runs,
    )


async def delete(engine: TestEngine, days_later: float = 0.0) -> int:
    clock = ManualClock(datetime.now(UTC) + timedelta(days=days_later))
    return await delete_old_runs(engine.databases.worker, clock)


async def left(engine: TestEngine, run_ids: list[str]) -> list[str]:
    rows = await engine.query(
        "SELECT id FROM engine.runs WHERE id = ANY(:ids) ORDER BY id", ids=run_ids
    )
    return [row.id for row in rows]


async def ended(engine: TestEngine, workflow: str, count: int = 1, **changes: Any) -> list[str]:
    return [(await engine.finish(workflow, **changes)).id for _ in range(count)]


SMALL = definition([a_set("a", x=1)], "start > a")
ASKING = definition([node("ask", "human.approval", title="?")], "start > ask")


async def test_old_runs_go_with_all_that_hangs_on_them(engine: TestEngine) -> None:
    workflow = await engine.save(ASKING)
    run = await engine.start(workflow)
    await engine.until(run.id, "run.waiting")
    assert await engine.answer(run.id, "ask", "approve")
    await engine.ended(run.id)
    await keep(engine, "", 30, None)
    assert await delete(engine, days_later=29.9) == 0
    assert await left(engine, [run.id]) == [run.id]
    assert await delete(engine, days_later=30.1) >= 1
    assert await left(engine, [run.id]) == []
    for table in TABLES:
        assert not await engine.query(
            f"SELECT 1 FROM engine.{table} WHERE run_id = :id", id=run.id
        ), table


async def test_what_has_not_ended_stays_whatever_its_age(engine: TestEngine) -> None:
    run = await engine.start(await engine.save(ASKING))
    await engine.until(run.id, "run.waiting")
    await keep(engine, "", 1, 1)
    await delete(engine, days_later=1_000)
    assert await left(engine, [run.id]) == [run.id]
    await engine.cancel(run.id)


async def test_each_tenant_keeps_runs_as_long_as_its_row_says(engine: TestEngine) -> None:
    workflow = await engine.save(SMALL)
    [short] = await ended(engine, workflow)
    longer = await engine.finish(workflow)
    await write(
        engine, "UPDATE engine.runs SET tenant_id = 'ten_long' WHERE id = :id", id=longer.id
    )
    await keep(engine, "", 5, None)
    await keep(engine, "ten_long", 50, None)
    await delete(engine, days_later=10)
    assert await left(engine, [short, longer.id]) == [longer.id]
    await delete(engine, days_later=51)
    assert await left(engine, [longer.id]) == []


async def test_the_newest_of_each_workflow_are_kept(engine: TestEngine) -> None:
    first, second = await engine.save(SMALL), await engine.save(SMALL)
    many, few = await ended(engine, first, 5), await ended(engine, second, 2)
    trials = await ended(engine, first, 2, mode="test")
    await keep(engine, TENANT, None, 3)
    await delete(engine)
    assert await left(engine, many) == sorted(many)[2:]
    assert await left(engine, few) == sorted(few)
    assert await left(engine, trials) == sorted(trials)  # counted by themselves


async def test_what_a_key_names_stays_for_a_day(engine: TestEngine) -> None:
    workflow = await engine.save(SMALL)
    [keyed] = await ended(engine, workflow, idempotency_key=f"api:u:{new_id('k')}")
    newer = await ended(engine, workflow, 2)
    await keep(engine, TENANT, None, 1)
    await delete(engine, days_later=1.0)
    assert await left(engine, [keyed, *newer]) == sorted([keyed, newer[-1]])
    await delete(engine, days_later=1.1)
    assert await left(engine, [keyed]) == []


async def test_what_a_waiting_run_has_begun_stays(engine: TestEngine) -> None:
    parent = await engine.start(await engine.save(ASKING))
    await engine.until(parent.id, "run.waiting")
    [child] = await ended(engine, await engine.save(SMALL))
    await write(
        engine, "UPDATE engine.runs SET parent_run_id = :p WHERE id = :c", p=parent.id, c=child
    )
    await keep(engine, "", 1, None)
    await delete(engine, days_later=2)
    assert await left(engine, [child]) == [child]
    await engine.cancel(parent.id)
    await delete(engine, days_later=2)
    assert await left(engine, [child]) == []


async def test_very_many_are_deleted_window_by_window(engine: TestEngine) -> None:
    run = new_run(await engine.save(SMALL))
    await write(
        engine,
        "INSERT INTO engine.runs (id, tenant_id, workflow_id, version, mode, trigger,"
        " trigger_node_id, input, status, created_at, ended_at)"
        " SELECT 'run_' || lpad(n::text, 26, '0'), :tenant, :workflow, 1, 'live', 'api', 'start',"
        " '{}', CASE WHEN n % 3 = 0 THEN 'failed' ELSE 'completed' END, now(), now()"
        " FROM generate_series(1, 9000) n",
        tenant=TENANT,
        workflow=run.workflow_id,
    )
    await keep(engine, TENANT, None, 100)
    assert await delete(engine) >= 8_900
    rows = await engine.query(
        "SELECT min(id) AS first, count(*) AS n FROM engine.runs WHERE workflow_id = :w",
        w=run.workflow_id,
    )
    assert (rows[0].first, rows[0].n) == (f"run_{8901:026d}", 100)
