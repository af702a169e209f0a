"""Real engines, killed and frozen in the middle of runs: nothing is lost, nothing doubled.

A run has ten nodes, five of which call a local server that honours idempotency keys. Engines are
killed at random moments; the long version does so with two hundred runs. Both print their figures.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from engine_service.running.worker import Databases
from engine_service.store.run_rows import StoredRun, get_run, read_events
from engine_service.store.runs import insert_runs
from shared.database import Database, DatabaseRole
from shared.migrations import upgrade
from shared.workflow import JsonObject
from tests.support.engine import MIGRATIONS, TENANT, new_run, save_definition
from tests.support.engine_process import (
    CountingServer,
    EngineProcess,
    counting_server,
    engine_processes,
)

_AT_ONCE = 10
_TAKEOVER_SECONDS = 5.0


def ten_nodes(authority: str) -> JsonObject:
    """A trigger, then five effects, each but the last followed by a node that uses its answer."""
    nodes: list[JsonObject] = [{"id": "start", "name": "Start", "type": "trigger.manual"}]
    for number in range(5):
        nodes.append(
            {
                "id": f"call{number}",
                "name": f"Call {number}",
                "type": "http.request",
                "parameters": {
                    "method": "POST",
                    "url": f"http://{authority}/effect",
                    "body": {"kind": "json", "value": {"n": number, "sum": "{{ $json.sum }}"}},
                },
            }
        )
        if number < 4:
            assignments = [
                {"name": "sum", "value": f"{{{{ ($('Start').first().json.n ?? 0) + {number} }}}}"}
            ]
            nodes.append(
                {
                    "id": f"set{number}",
                    "name": f"Set {number}",
                    "type": "data.set",
                    "parameters": {"assignments": assignments},
                }
            )
    connections = [{"from": before["id"], "to": after["id"]} for before, after in pairwise(nodes)]
    return {"name": "ten", "nodes": nodes, "connections": connections}


@dataclass(frozen=True, slots=True)
class Bench:
    """A database with the workflow, and the server that its runs call."""

    url: str
    databases: Databases
    server: CountingServer
    workflow_id: str

    async def begin(self, count: int) -> list[str]:
        """Start runs; their ids."""
        runs = [new_run(self.workflow_id, {"n": number}) for number in range(count)]
        async with self.databases.worker.transaction() as connection:
            begun = await insert_runs(connection, runs)
        return [one.id for one in begun if one is not None]

    async def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """Rows, as the engine sees them."""
        async with self.databases.worker.transaction() as connection:
            return (await connection.exec_driver_sql(statement, values)).all()

    async def ended(self, run_ids: Sequence[str]) -> list[StoredRun]:
        """Wait until runs have ended."""
        async with asyncio.timeout(60):
            while True:
                async with self.databases.app.transaction(TENANT) as connection:
                    runs = [await get_run(connection, run_id) for run_id in run_ids]
                if all(run.ended_at is not None for run in runs):
                    return runs
                await asyncio.sleep(0.1)

    async def progress(self, run_ids: Sequence[str]) -> int:
        """How many effects of these runs have ended."""
        (row,) = await self.rows(
            "SELECT count(*) FROM engine.journal WHERE run_id = ANY(%(ids)s)"
            " AND kind = 'finished' AND node_id LIKE 'call%%'",
            ids=list(run_ids),
        )
        return row[0]

    async def check(self, run_ids: Sequence[str]) -> None:
        """Every run is complete, every effect happened once, no journal row is lost or doubled."""
        for run in await self.ended(run_ids):
            assert run.status == "completed", run.error
            keys = {f"{run.id}:call{number}" for number in range(5)}
            assert {key for key in self.server.effects if key.startswith(run.id)} == keys
            assert {self.server.effects[key] for key in keys} == {1}
            finished = await self.rows(
                "SELECT node_id, count(*) FROM engine.journal WHERE run_id = %(id)s"
                " AND kind = 'finished' GROUP BY node_id",
                id=run.id,
            )
            assert len(finished) == 10
            assert {count for _, count in finished} == {1}
            async with self.databases.app.transaction(TENANT) as connection:
                events = await read_events(connection, run.id, 0, at_most=None)
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            assert events[-1].type == "run.completed"


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Bench]:
    await upgrade(postgres_url, MIGRATIONS, "engine")
    databases = Databases(
        Database(postgres_url, DatabaseRole.APP, size=2),
        Database(postgres_url, DatabaseRole.WORKER, size=2),
    )
    async with counting_server() as server:
        workflow_id = await save_definition(databases.app, ten_nodes(server.authority))
        yield Bench(postgres_url, databases, server, workflow_id)
    await databases.app.close()
    await databases.worker.close()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("wanted", [10, pytest.param(200, marks=pytest.mark.long)])
async def test_killed_engines_lose_nothing_and_double_nothing(
    bench: Bench, wanted: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two engines share the work; in each round one of them is killed, and comes back."""
    chance = random.Random(11)
    done: list[str] = []
    gaps: list[float] = []
    interrupted = 0
    async with engine_processes(bench.url, bench.server.authority, 2) as engines:
        while len(done) < wanted:
            run_ids = await bench.begin(min(_AT_ONCE, wanted - len(done)))
            victim = chance.choice(engines)
            await asyncio.sleep(chance.uniform(0.0, 0.7))
            killed_at = time.time()
            await victim.kill()
            restarting = asyncio.create_task(victim.start())
            gaps += await _gaps(bench, run_ids, killed_at)
            await bench.check(run_ids)
            interrupted += await _taken_over(bench, run_ids)
            await restarting
            done += run_ids
    repeated = sum(count - 1 for count in bench.server.requests.values())
    with capsys.disabled():
        print(  # noqa: T201 (the figure is the point of the thorough version)
            f"\n{len(done)} runs, {interrupted} taken over, {sum(bench.server.effects.values())}"
            f" effects, {repeated} requests repeated under their key,"
            f" takeover after {max(gaps, default=0.0):.1f} s at the latest"
        )
    assert max(gaps, default=0.0) <= _TAKEOVER_SECONDS


async def _gaps(bench: Bench, run_ids: Sequence[str], killed_at: float) -> list[float]:
    """How long after the kill each run that it interrupted was taken over."""
    await bench.ended(run_ids)
    return [
        at.timestamp() - killed_at
        for event_type, at in await _events(bench, run_ids)
        if event_type == "run.resumed" and at.timestamp() > killed_at
    ]


async def _taken_over(bench: Bench, run_ids: Sequence[str]) -> int:
    return sum(event_type == "run.resumed" for event_type, _ in await _events(bench, run_ids))


async def _events(bench: Bench, run_ids: Sequence[str]) -> list[tuple[str, Any]]:
    async with bench.databases.app.transaction(TENANT) as connection:
        histories = [await read_events(connection, run_id, 0, at_most=None) for run_id in run_ids]
    return [(event.type, event.at) for history in histories for event in history]


@pytest.mark.long
async def test_a_single_engine_goes_on_after_its_restart(bench: Bench) -> None:
    async with engine_processes(bench.url, bench.server.authority, 1) as (engine,):
        run_ids = await bench.begin(5)
        while await bench.progress(run_ids) < 3:
            await asyncio.sleep(0.01)
        await engine.kill()
        await engine.start()
        await bench.check(run_ids)


async def test_a_frozen_engine_that_wakes_again_can_write_nothing(bench: Bench) -> None:
    async with engine_processes(bench.url, bench.server.authority, 1) as (zombie,):
        run_ids = await bench.begin(5)
        while await bench.progress(run_ids) < 3:
            await asyncio.sleep(0.01)
        zombie.freeze()
        async with engine_processes(bench.url, bench.server.authority, 1):
            await bench.check(run_ids)
            before = await _written(bench, run_ids)
            zombie.thaw()
            await zombie.said("claims_lost", "run_let_go")
            await bench.check(run_ids)
            assert await _written(bench, run_ids) == before


async def _written(bench: Bench, run_ids: Sequence[str]) -> tuple[int, int]:
    (row,) = await bench.rows(
        "SELECT (SELECT count(*) FROM engine.journal WHERE run_id = ANY(%(ids)s)),"
        " (SELECT sum(last_sequence) FROM engine.runs WHERE id = ANY(%(ids)s))",
        ids=list(run_ids),
    )
    return tuple(row)


@pytest.mark.long
async def test_a_terminated_engine_ends_what_it_began(bench: Bench) -> None:
    async with engine_processes(bench.url, bench.server.authority, 1) as (engine,):
        run_ids = await bench.begin(5)
        while await bench.progress(run_ids) < 1:
            await asyncio.sleep(0.01)
        assert await _terminate(engine) == 0
        await bench.check(run_ids)
        repeated = [count for count in bench.server.requests.values() if count > 1]
        assert repeated == []


async def _terminate(engine: EngineProcess) -> int:
    async with asyncio.timeout(30):
        return await engine.terminate()
