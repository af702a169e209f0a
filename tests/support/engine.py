"""An engine without doors, for tests: a worker on a database, workflows put in, runs started."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import text

from engine_service.catalogue import Catalogue, builtin
from engine_service.expressions import Evaluator
from engine_service.running.execute import World
from engine_service.running.worker import Databases, Worker, WorkerOptions
from engine_service.sdk.node import HttpRequest, HttpResponse
from engine_service.store.run_rows import StoredEvent, StoredRun, get_run
from engine_service.store.runs import InsertedRun, NewRun, cancel, wake
from engine_service.store.versions import StoredVersion, insert_version
from engine_service.store.workflows import StoredWorkflow, insert_workflow
from shared.clock import Clock, SystemClock
from shared.database import Database, DatabaseRole
from shared.ids import new_id
from shared.migrations import upgrade
from shared.workflow import JsonObject

MIGRATIONS = Path(__file__).parents[2] / "engine_service" / "migrations"
TENANT = "ten_test"
SECONDS = 30.0


class NoHttp:
    """The network of tests that need none."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        raise AssertionError(f"a test reached for {request.url}")


@dataclass(frozen=True, slots=True)
class TestEngine:
    """A worker and its databases."""

    __test__ = False

    worker: Worker
    databases: Databases

    async def save(self, definition: JsonObject, **kept: str) -> str:
        """Store a definition as the first version of a workflow; the workflow's id."""
        return await save_definition(self.databases.app, definition, **kept)

    async def start(self, workflow_id: str, given: Any = None, **changes: Any) -> InsertedRun:
        """Start a run at the node `start`."""
        run = new_run(workflow_id, given, **changes)
        begun = await self.worker.journal.start(run)
        assert begun is not None
        return begun

    async def finish(self, workflow_id: str, given: Any = None, **changes: Any) -> StoredRun:
        """Start a run and wait for its end."""
        run = new_run(workflow_id, given, **changes)
        with self.worker.feed.ticket(TENANT, run.id) as ticket:
            await self.worker.journal.start(run)
            assert await self.worker.feed.wait(ticket, SECONDS), "the run did not end"
            assert ticket.run is not None
            return ticket.run

    async def ended(self, run_id: str) -> StoredRun:
        """Wait for the end of a run that began earlier."""
        with self.worker.feed.ticket(TENANT, run_id) as ticket:
            ticket.changed.set()
            assert await self.worker.feed.wait(ticket, SECONDS), "the run did not end"
            assert ticket.run is not None
            return ticket.run

    async def run(self, run_id: str) -> StoredRun:
        """A run as it stands."""
        async with self.databases.app.transaction(TENANT) as connection:
            return await get_run(connection, run_id)

    async def until(self, run_id: str, kind: str) -> list[StoredEvent]:
        """Wait until an event of some type is in a run's history; the history so far."""
        events: list[StoredEvent] = []
        async with asyncio.timeout(SECONDS):
            async for batch in self.worker.feed.follow(TENANT, run_id, 0):
                events.extend(batch)
                if any(event.type == kind for event in batch):
                    break
        return events

    async def history(self, run_id: str) -> list[StoredEvent]:
        """All events of a run that ends."""
        events: list[StoredEvent] = []
        async with asyncio.timeout(SECONDS):
            async for batch in self.worker.feed.follow(TENANT, run_id, 0):
                events.extend(batch)
        return events

    async def answer(self, run_id: str, node_id: str, decision: str) -> bool:
        """Answer a node that waits; whether it did."""
        async with self.databases.app.transaction(TENANT) as connection:
            return await wake(connection, run_id, node_id, "", {"decision": decision})

    async def cancel(self, run_id: str, tenant: str = TENANT) -> bool:
        """Cancel a run; whether it was still open."""
        now = datetime.now(UTC)
        async with self.databases.worker.transaction() as connection:
            return await cancel(connection, tenant, run_id, "enough", now)

    async def query(self, statement: str, **values: Any) -> Sequence[Any]:
        """Rows, as the engine's own role sees them."""
        async with self.databases.worker.transaction() as connection:
            return (await connection.execute(text(statement), values)).all()


def types(events: Iterable[StoredEvent]) -> list[str]:
    """What happened, in order."""
    return [event.type for event in events]


async def save_definition(
    app: Database, definition: JsonObject, tenant: str = TENANT, name: str = "w"
) -> str:
    """Store a definition as the first version of a workflow; the workflow's id."""
    now = datetime.now(UTC)
    workflow = StoredWorkflow(new_id("wf"), tenant, name, "", 1, None, "e", now, now)
    text = orjson.dumps(definition).decode()
    version = StoredVersion(workflow.id, 1, tenant, "d", "u", "", now, text)
    async with app.transaction(tenant) as connection:
        await insert_workflow(connection, workflow)
        await insert_version(connection, version)
    return workflow.id


def new_run(workflow_id: str, given: Any = None, **changes: Any) -> NewRun:
    """A run of version 1 that begins at the node `start`."""
    values: dict[str, Any] = {
        "id": new_id("run"),
        "tenant_id": TENANT,
        "workflow_id": workflow_id,
        "version": 1,
        "mode": "live",
        "trigger": "api",
        "trigger_node_id": "start",
        "input": orjson.dumps({} if given is None else given).decode(),
        "created_at": datetime.now(UTC),
    }
    return NewRun(**{**values, **changes})


@asynccontextmanager
async def running_engine(
    url: str,
    *,
    catalogue: Catalogue | None = None,
    world: World | None = None,
    clock: Clock | None = None,
    options: WorkerOptions | None = None,
) -> AsyncGenerator[TestEngine]:
    """A worker at work on a database, which is migrated first."""
    await upgrade(url, MIGRATIONS, "engine")
    databases = Databases(
        Database(url, DatabaseRole.APP, size=4), Database(url, DatabaseRole.WORKER, size=6)
    )
    evaluator = Evaluator()
    worker = Worker(
        databases,
        catalogue or builtin(),
        world or World(NoHttp(), None, None),
        evaluator,
        clock or SystemClock(),
        options or WorkerOptions(),
    )
    try:
        async with asyncio.TaskGroup() as group:
            work = group.create_task(worker.run())
            yield TestEngine(worker, databases)
            work.cancel()
    finally:
        await evaluator.close()
        await databases.app.close()
        await databases.worker.close()
