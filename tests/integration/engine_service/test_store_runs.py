"""A run begins in one way and is woken in one way, whatever transaction has the reason for it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from engine_service.store.runs import (
    InsertedRun,
    NewRun,
    Taken,
    driver_of,
    insert_runs,
    read_starts,
    send_starts,
    wake,
)
from shared.database import Database, DatabaseRole
from shared.ids import new_id
from shared.migrations import upgrade

MIGRATIONS = Path(__file__).parents[3] / "engine_service" / "migrations"


@pytest.fixture(scope="module")
async def worker(postgres_url: str) -> AsyncIterator[Database]:
    await upgrade(postgres_url, MIGRATIONS, "engine")
    database = Database(postgres_url, DatabaseRole.WORKER)
    yield database
    await database.close()


@pytest.fixture
async def app(worker: Database, postgres_url: str) -> AsyncIterator[Database]:
    database = Database(postgres_url, DatabaseRole.APP)
    yield database
    await database.close()


def a_run(**changes: object) -> NewRun:
    run = NewRun(
        id=new_id("run"),
        tenant_id="ten_a",
        workflow_id=new_id("wf"),
        version=1,
        mode="live",
        trigger="api",
        trigger_node_id="start",
        input='{"greeting": "\\u0000 is kept"}',
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return replace(run, **changes)  # pyright: ignore[reportArgumentType] (names are the fields')


async def test_a_run_begins_with_its_row_its_event_and_its_place_in_line(worker: Database) -> None:
    run = a_run()
    async with worker.transaction() as connection:
        assert await insert_runs(connection, [run]) == [InsertedRun(run.id, created=True)]
    async with worker.transaction() as connection:
        stored = await connection.execute(
            text(
                "SELECT r.status, r.input::text, e.sequence, e.events->0->>'type' AS t, l.priority"
                " FROM engine.runs r JOIN engine.run_events e ON e.run_id = r.id"
                " JOIN engine.line l ON l.run_id = r.id WHERE r.id = :id"
            ),
            {"id": run.id},
        )
        assert [tuple(row) for row in stored] == [("queued", run.input, 1, "run.queued", 5)]


async def test_a_key_gives_one_run_per_tenant_within_a_batch_and_later(worker: Database) -> None:
    first = a_run(idempotency_key="k")
    again = a_run(idempotency_key="k")
    elsewhere = a_run(idempotency_key="k", tenant_id="ten_b")
    async with worker.transaction() as connection:
        assert await insert_runs(connection, [first, again, elsewhere]) == [
            InsertedRun(first.id, created=True),
            InsertedRun(first.id, created=False),
            InsertedRun(elsewhere.id, created=True),
        ]
    async with worker.transaction() as connection:
        late = a_run(idempotency_key="k")
        assert await insert_runs(connection, [late]) == [InsertedRun(first.id, created=False)]


async def test_a_trigger_that_is_gone_begins_nothing(worker: Database) -> None:
    run = a_run(trigger_id=new_id("trg"))
    async with worker.transaction() as connection:
        assert await insert_runs(connection, [run]) == [None]


async def park(worker: Database, run: NewRun, event: str) -> None:
    """Put a new run to sleep on an event, with one node waiting."""
    async with worker.transaction() as connection:
        driver = await driver_of(connection)
        sent = await send_starts(driver, [run], Taken("me", 5, 1))
        (begun,) = await read_starts(driver, [run], sent)
        assert begun is not None
        assert begun.claim is not None
        claim, task = begun.claim
        await connection.execute(
            text(
                "SELECT absurd.await_event('flowloom', CAST(:task AS uuid), CAST(:claim AS uuid),"
                " :event, :event)"
            ),
            {"task": task, "claim": claim, "event": event},
        )
        await connection.execute(
            text("UPDATE engine.runs SET wake_event = :event WHERE id = :id"),
            {"event": event, "id": run.id},
        )
        await connection.execute(
            text("INSERT INTO engine.waits VALUES (:id, 'ask', '', 1, :tenant)"),
            {"id": run.id, "tenant": run.tenant_id},
        )


async def test_the_first_answer_wakes_the_run_and_a_second_is_refused(
    worker: Database, app: Database
) -> None:
    run = a_run()
    await park(worker, run, f"{run.id}:2")
    async with app.transaction(run.tenant_id) as connection:
        assert await wake(connection, run.id, "ask", "", {"decision": "approve"})
    async with app.transaction(run.tenant_id) as connection:
        assert not await wake(connection, run.id, "ask", "", {"decision": "reject"})
    async with worker.transaction() as connection:
        signals = await connection.execute(
            text("SELECT answer FROM engine.signals WHERE run_id = :id"), {"id": run.id}
        )
        assert signals.scalars().all() == [{"decision": "approve"}]
        claimed = await connection.execute(
            text("SELECT params FROM absurd.claim_task('flowloom', 'me', 5, 100)")
        )
        assert {"run_id": run.id} in claimed.scalars().all()


async def test_another_tenant_cannot_answer(worker: Database, app: Database) -> None:
    run = a_run()
    await park(worker, run, f"{run.id}:2")
    async with app.transaction("ten_other") as connection:
        assert not await wake(connection, run.id, "ask", "", {"decision": "approve"})
