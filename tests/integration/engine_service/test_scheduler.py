"""Clock triggers over a real database: one run a tick, however many engines look."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.catalogue import builtin
from engine_service.store import hints, triggers, versions, workflows
from engine_service.store.triggers import LiveTrigger
from engine_service.store.versions import StoredVersion
from engine_service.store.workflows import StoredWorkflow, new_etag
from engine_service.triggering.scheduler import Scheduler
from shared.clock import Clock, ManualClock, SystemClock
from shared.database import Database, DatabaseRole
from shared.ids import new_id
from shared.notifications import Notifications

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EVERY_SECOND: dict[str, Any] = {"rules": [{"every": 1, "unit": "seconds"}]}


@pytest.fixture
async def replicas(engine_url: str) -> AsyncIterator[Callable[[Clock], list[Scheduler]]]:
    databases = [Database(engine_url, DatabaseRole.WORKER, size=2) for _ in range(2)]
    yield lambda clock: [
        Scheduler(database, Notifications(database), builtin(), clock) for database in databases
    ]
    for database in databases:
        await database.close()


@pytest.fixture
async def activate(app_database: Database) -> AsyncIterator[Callable[..., Awaitable[LiveTrigger]]]:
    """Makes a schedule live; all of them are off again after the test."""
    made: list[str] = []

    async def activate(
        now: datetime, parameters: dict[str, Any], next_fire_at: datetime
    ) -> LiveTrigger:
        workflow = StoredWorkflow(new_id("wf"), "ten_a", "Ticks", "", 1, 1, new_etag(), now, now)
        version = StoredVersion(workflow.id, 1, "ten_a", "0" * 64, "ada", "", now, "{}")
        row = LiveTrigger(
            id=new_id("trg"),
            tenant_id="ten_a",
            workflow_id=workflow.id,
            version=1,
            node_id="clock",
            type="trigger.schedule",
            parameters=parameters,
            timezone="UTC",
            created_at=now,
            next_fire_at=next_fire_at,
        )
        async with app_database.transaction("ten_a") as connection:
            await workflows.insert_workflow(connection, workflow)
            await versions.insert_version(connection, version)
            await triggers.insert_triggers(connection, [row])
        made.append(workflow.id)
        return row

    yield activate
    async with app_database.transaction("ten_a") as connection:
        for workflow_id in made:
            await triggers.delete_triggers(connection, workflow_id)


async def inputs_of(database: Database, trigger: LiveTrigger) -> list[str]:
    """The timestamps that the trigger's runs were given."""
    async with database.transaction() as connection:
        found = await connection.execute(
            text("SELECT input::text FROM engine.runs WHERE trigger_id = :id ORDER BY id"),
            {"id": trigger.id},
        )
        return sorted(json.loads(row[0])[0]["json"]["timestamp"] for row in found)


async def next_fire_at(database: Database, trigger: LiveTrigger) -> datetime | None:
    async with database.transaction() as connection:
        return (await triggers.get_trigger(connection, trigger.id)).next_fire_at


async def test_two_engines_turn_sixty_ticks_into_sixty_runs(
    replicas: Callable[[Clock], list[Scheduler]],
    activate: Callable[..., Awaitable[LiveTrigger]],
    worker_database: Database,
) -> None:
    clock = ManualClock(START)
    trigger = await activate(START, EVERY_SECOND, START + SECOND)
    schedulers = replicas(clock)
    for _ in range(60):
        clock.advance(SECOND)
        await asyncio.gather(*(each.fire_due() for each in schedulers for _ in range(2)))
    stamps = await inputs_of(worker_database, trigger)
    assert stamps == [(START + n * SECOND).isoformat(timespec="milliseconds") for n in range(1, 61)]
    assert await next_fire_at(worker_database, trigger) == START + 61 * SECOND


async def test_the_loop_follows_the_real_clock_and_hears_of_new_triggers(
    replicas: Callable[[Clock], list[Scheduler]],
    activate: Callable[..., Awaitable[LiveTrigger]],
    worker_database: Database,
) -> None:
    heard = Notifications(worker_database)
    others = Scheduler(worker_database, heard, builtin(), SystemClock())
    running = [others.run(), heard.run(), *(each.run() for each in replicas(SystemClock()))]
    loops = [asyncio.create_task(each) for each in running]
    now = datetime.now(UTC)
    first = now.replace(microsecond=0) + 2 * SECOND
    trigger = await activate(now, EVERY_SECOND, first)
    stamps: list[str] = []
    async with asyncio.timeout(20):
        async for _ in worker_database.listen(hints.CHANNEL):
            stamps = await inputs_of(worker_database, trigger)
            if len(stamps) >= 3:
                break
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    assert stamps == [
        (first + n * SECOND).isoformat(timespec="milliseconds") for n in range(len(stamps))
    ]


async def test_a_trigger_that_is_off_fires_no_more(
    replicas: Callable[[Clock], list[Scheduler]],
    activate: Callable[..., Awaitable[LiveTrigger]],
    app_database: Database,
    worker_database: Database,
) -> None:
    clock = ManualClock(START)
    trigger = await activate(START, EVERY_SECOND, START)
    async with app_database.transaction("ten_a") as connection:
        await triggers.delete_triggers(connection, trigger.workflow_id)
    assert await replicas(clock)[0].fire_due() == 0
    assert await inputs_of(worker_database, trigger) == []


async def test_overlap_skip_drops_ticks_while_a_run_goes_on(
    replicas: Callable[[Clock], list[Scheduler]],
    activate: Callable[..., Awaitable[LiveTrigger]],
    worker_database: Database,
) -> None:
    clock = ManualClock(START + 5 * SECOND)
    trigger = await activate(START, {**EVERY_SECOND, "overlap": "skip"}, START)
    scheduler = replicas(clock)[0]
    await scheduler.fire_due()
    clock.advance(SECOND)
    await scheduler.fire_due()
    assert len(await inputs_of(worker_database, trigger)) == 1
    async with worker_database.transaction() as connection:
        await connection.execute(
            text("UPDATE engine.runs SET status = 'completed' WHERE trigger_id = :id"),
            {"id": trigger.id},
        )
    clock.advance(SECOND)
    await scheduler.fire_due()
    assert len(await inputs_of(worker_database, trigger)) == 2


async def test_a_row_that_this_engine_cannot_read_holds_nobody_up(
    replicas: Callable[[Clock], list[Scheduler]],
    activate: Callable[..., Awaitable[LiveTrigger]],
    worker_database: Database,
) -> None:
    clock = ManualClock(START)
    strange = await activate(START, {"rules": "from the future"}, START - SECOND)
    plain = await activate(START, EVERY_SECOND, START)
    assert await replicas(clock)[0].fire_due() == 2
    assert len(await inputs_of(worker_database, plain)) == 1
    later = await next_fire_at(worker_database, strange)
    assert later is not None
    assert later > START
