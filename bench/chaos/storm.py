"""A storm: runs are kept under way, people answer, and engines die; then it is looked at what is.

The load and the trouble are independent loops. When the trouble is over, no more runs begin; those
that are under way get their time to end, and the verdict is spoken.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson
from sqlalchemy import text

from bench.chaos.effects import Effects, counting
from bench.chaos.engines import Engines, nursery
from bench.chaos.workloads import Workload, workloads
from cli.embedded.postgres import EmbeddedPostgres
from engine_service.server import MIGRATIONS
from engine_service.store.runs import NewRun, insert_runs, wake
from engine_service.store.versions import StoredVersion, insert_version
from engine_service.store.workflows import StoredWorkflow, insert_workflow
from shared.database import Database, DatabaseRole, ensure_schema
from shared.errors import Unavailable
from shared.ids import new_id

TENANTS = ("ten_a", "ten_b", "ten_c")
LEASE_SECONDS = 2
T = TypeVar("T")
_END_SECONDS = 180.0
_AWAY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Field:
    """Where it happens.

    Attributes:
        begun: Of each run that began, its workload; in the end those that runs called, too.
        chance: What is random is drawn from here, so that a storm can be made again.
    """

    postgres: EmbeddedPostgres
    app: Database
    worker: Database
    engines: Engines
    effects: Effects
    workloads: dict[str, Workload]
    workflows: dict[str, str]
    chance: random.Random
    begun: dict[str, str] = field(default_factory=dict[str, str])

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        """Rows as the engine sees them, as soon as the database is there."""

        async def ask() -> list[Any]:
            async with self.worker.transaction() as connection:
                return list(await connection.execute(text(statement), values))

        return await patiently(ask)

    async def open_runs(self) -> int:
        """How many runs have not ended."""
        (row,) = await self.rows("SELECT count(*) FROM engine.runs WHERE ended_at IS NULL")
        return row[0]


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Do something again until the database is not away."""
    async with asyncio.timeout(_AWAY_SECONDS):
        while True:
            try:
                return await work()
            except Unavailable:
                await asyncio.sleep(0.2)


@asynccontextmanager
async def prepared(home: Path, seed: int, runs: int = 12) -> AsyncGenerator[Field]:
    """A database with the workflows, a world that counts, and a nursery; all ended afterwards."""
    postgres = EmbeddedPostgres(home / "postgres", "chaos", settings={"max_connections": "200"})
    await postgres.start()
    try:
        url = postgres.url()
        await ensure_schema(url, MIGRATIONS, "engine")
        app, worker = Database(url, DatabaseRole.APP, 3), Database(url, DatabaseRole.WORKER, 6)
        async with (
            counting() as effects,
            nursery(home / "logs", _environment(url, effects, runs)) as all_,
        ):
            loads = workloads(f"http://{effects.authority}/effect")
            workflows = {name: await save(app, load) for name, load in loads.items()}
            chance = random.Random(seed)
            yield Field(postgres, app, worker, all_, effects, loads, workflows, chance)
        await app.close()
        await worker.close()
    finally:
        await postgres.stop()


def _environment(url: str, effects: Effects, runs: int) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "MESH_SECRET": "s" * 32,
        "ENGINE_HOST": "127.0.0.1",
        "ENGINE_PORT": "0",
        "ENGINE_ALLOWED_HOSTS": effects.authority,
        "ENGINE_RUNS": str(runs),  # few in a storm, so that runs wait in the line, too
        "ENGINE_LEASE_SECONDS": str(LEASE_SECONDS),
        "ENGINE_POLL_SECONDS": "0.2",
        "ENGINE_DATABASE_CONNECTIONS": "3",
    }


async def save(app: Database, load: Workload) -> str:
    """Store a workflow; its id."""
    now = datetime.now(UTC)
    workflow = StoredWorkflow(new_id("wf"), TENANTS[0], "storm", "", 1, None, "e", now, now)
    document = orjson.dumps(load.definition).decode()
    version = StoredVersion(workflow.id, 1, TENANTS[0], "d", "chaos", "", now, document)
    async with app.transaction(TENANTS[0]) as connection:
        await insert_workflow(connection, workflow)
        await insert_version(connection, version)
    return workflow.id


async def keep_running(scene: Field, in_flight: int, over: asyncio.Event) -> None:
    """Let runs of every kind begin, so that so many are always under way, until it is over."""
    while not over.is_set():
        missing = in_flight - await scene.open_runs()
        if missing > 0:
            await _begin(scene, missing)
        await asyncio.sleep(0.1)


async def _begin(scene: Field, count: int) -> None:
    runs: dict[str, NewRun] = {}
    for _ in range(count):
        name = scene.chance.choice([one for one, load in scene.workloads.items() if load.items])
        given = [{"n": number} for number in range(scene.workloads[name].items)]
        run = NewRun(
            id=new_id("run"),
            tenant_id=scene.chance.choice(TENANTS),
            workflow_id=scene.workflows[name],
            version=1,
            mode="live",
            trigger="api",
            trigger_node_id="start",
            input=orjson.dumps(given).decode(),
            created_at=datetime.now(UTC),
            priority=scene.chance.choice((None, 1, 9)),
        )
        runs[run.id] = run
        scene.begun[run.id] = name

    async def insert() -> None:
        # After a lost connection nobody knows whether they began; the same ids begin only once.
        known = await scene.rows("SELECT id FROM engine.runs WHERE id = ANY(:ids)", ids=list(runs))
        for (run_id,) in known:
            runs.pop(run_id, None)
        if runs:
            async with scene.worker.transaction() as connection:
                await insert_runs(connection, list(runs.values()))

    await patiently(insert)


async def keep_answering(scene: Field, over: asyncio.Event) -> None:
    """Approve what runs ask, now and then, until it is over."""
    while not over.is_set():
        waits = await scene.rows("SELECT run_id, tenant_id, node_id, iteration FROM engine.waits")
        for run_id, tenant_id, node_id, iteration in waits:
            if scene.chance.random() < 0.5:
                await _answer(scene, tenant_id, (run_id, node_id, iteration))
        await asyncio.sleep(0.3)


async def _answer(scene: Field, tenant_id: str, wait: tuple[str, str, str]) -> None:
    async def answer() -> None:
        async with scene.app.transaction(tenant_id) as connection:
            await wake(connection, *wait, {"decision": "approve"})

    await patiently(answer)


async def calm_down(scene: Field) -> float:
    """Give what is under way its time to end; seconds that it took."""
    begun_at, over = time.monotonic(), asyncio.Event()
    answering = asyncio.create_task(keep_answering(scene, over))
    try:
        async with asyncio.timeout(_END_SECONDS):
            while await scene.open_runs():  # noqa: ASYNC110 (the engines are other processes)
                await asyncio.sleep(0.1)
    except TimeoutError:
        pass  # the verdict names them
    finally:
        over.set()
        await answering
    return time.monotonic() - begun_at
