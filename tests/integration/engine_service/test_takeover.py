"""Several engines on one PostgreSQL, and trouble: takeover, handing over, broken connections."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from engine_service.running.worker import WorkerOptions
from shared.errors import Unavailable
from tests.support.definitions import a_set, definition, node
from tests.support.engine import SECONDS, TestEngine, running_engine, types
from tests.support.nodes import WORLD, catalogue

QUICK = WorkerOptions(lease_seconds=2, poll_seconds=0.1)


@pytest.fixture(scope="module")
async def engine(postgres_url: str) -> AsyncIterator[TestEngine]:
    async with running_engine(postgres_url, catalogue=catalogue()) as engine:
        yield engine


@pytest.fixture(autouse=True)
def world() -> None:
    WORLD.begin()


class TestSharing:
    """Two workers on one database."""

    async def test_a_run_is_worked_on_by_one_of_them(
        self, engine: TestEngine, postgres_url: str
    ) -> None:
        workflow = await engine.save(definition([node("a", "test.keyed")], "start > a"))
        async with running_engine(postgres_url, catalogue=catalogue()) as other:
            runs = [
                asyncio.create_task(which.finish(workflow))
                for _ in range(50)
                for which in (engine, other)
            ]
            ended = await asyncio.gather(*runs)
        assert {run.status for run in ended} == {"completed"}
        assert set(WORLD.effects.values()) == {1}
        assert len(WORLD.effects) == 100

    async def test_others_hear_of_cancellation_and_answers(
        self, engine: TestEngine, postgres_url: str
    ) -> None:
        WORLD.begin(held=True)
        workflow = await engine.save(definition([node("a", "test.keyed")], "start > a"))
        run = await engine.start(workflow)
        await WORLD.reached.wait()
        async with running_engine(postgres_url, catalogue=catalogue()) as other:
            following = asyncio.create_task(other.history(run.id))
            await other.cancel(run.id)
            assert types(await following)[-1] == "run.cancelled"
            async with asyncio.timeout(2):
                while not WORLD.stopped:
                    await asyncio.sleep(0.01)

    async def crashed(
        self, url: str, kind: str, options: WorkerOptions = QUICK, **settings: Any
    ) -> tuple[str, str]:
        """A run whose worker vanished in the middle of its effect; and its workflow."""
        WORLD.begin(held=True)
        async with running_engine(url, catalogue=catalogue(), options=options) as doomed:
            workflow = await doomed.save(
                definition(
                    [
                        a_set("before", x="{{ $now.toMillis() }}"),
                        node("a", kind, settings),
                        a_set("after", ok=True),
                    ],
                    "start > before; before > a; a > after",
                )
            )
            run = await doomed.start(workflow)
            await WORLD.reached.wait()
        WORLD.gate.set()
        return run.id, workflow

    @pytest.mark.parametrize("kind", ["test.keyed", "test.read"])
    async def test_another_takes_over_within_five_seconds_and_repeats_what_is_safe(
        self, new_database: Any, kind: str
    ) -> None:
        url = await new_database()
        run_id, _ = await self.crashed(url, kind, WorkerOptions())
        async with running_engine(url, catalogue=catalogue()) as heir:
            async with asyncio.timeout(5):
                ended = await heir.ended(run_id)
            assert ended.status == "completed"
            assert dict(WORLD.effects) == {f"{run_id}:a": 2}  # under the same key
            history = await heir.history(run_id)
            assert [e.data["reason"] for e in history if e.type == "run.resumed"] == ["takeover"]
            befores = await heir.query(
                "SELECT count(*) AS n FROM engine.journal WHERE run_id = :id AND kind = 'finished'"
                " AND node_id = 'before'",
                id=run_id,
            )
            assert befores[0].n == 1

    async def test_a_circle_goes_on_in_the_pass_in_which_it_was(self, new_database: Any) -> None:
        url = await new_database()
        again = {"left": "{{ $json.n }}", "type": "number", "operator": "lt", "right": 3}
        nodes = [
            a_set("count", n="{{ ($json.n ?? 0) + 1 }}"),
            node("a", "test.keyed"),
            node("more", "flow.if", conditions=[again]),
            node("last", "flow.noop"),
        ]
        wires = "start > count; count > a; a > more; more:true > count; more:false > last"
        WORLD.begin()
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as doomed:
            workflow = await doomed.save(definition(nodes, wires))
            first = await doomed.finish(workflow)
            assert set(WORLD.effects) == {f"{first.id}:a:{number}" for number in range(3)}
            WORLD.begin(held=True)
            run = await doomed.start(workflow)
            await WORLD.reached.wait()
        WORLD.gate.set()
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as heir:
            ended = await heir.ended(run.id)
        assert (ended.status, ended.output) == ("completed", first.output)
        keys = {f"{run.id}:a:{number}" for number in range(3)}
        assert dict(WORLD.effects) == {key: 1 + key.endswith(":0") for key in keys}

    async def test_a_person_is_asked_about_what_is_not_safe(self, new_database: Any) -> None:
        url = await new_database()
        run_id, _ = await self.crashed(url, "test.unsafe")
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as heir:
            events = await heir.until(run_id, "run.waiting")
            (waiting,) = [event for event in events if event.type == "node.waiting"]
            assert waiting.data["outcome_unknown"] is True
            assert WORLD.effects[f"{run_id}:a"] == 1
            assert await heir.answer(run_id, "a", "approve")
            assert (await heir.ended(run_id)).status == "completed"
            assert WORLD.effects[f"{run_id}:a"] == 2

    async def test_who_may_decide_that_it_failed(self, new_database: Any) -> None:
        url = await new_database()
        run_id, _ = await self.crashed(url, "test.unsafe")
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as heir:
            await heir.until(run_id, "run.waiting")
            assert await heir.answer(run_id, "a", "reject")
            ended = await heir.ended(run_id)
            assert ended.error is not None
            assert ended.error["code"] == "outcome_unknown"
            assert WORLD.effects[f"{run_id}:a"] == 1

    async def test_or_its_author_has_allowed_it(self, new_database: Any) -> None:
        url = await new_database()
        run_id, _ = await self.crashed(url, "test.unsafe", retry={"on": ["outcome_unknown"]})
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as heir:
            assert (await heir.ended(run_id)).status == "completed"
            assert WORLD.effects[f"{run_id}:a"] == 2

    async def test_draining_hands_over_what_does_not_end(self, new_database: Any) -> None:
        url = await new_database()
        WORLD.begin(held=True)
        async with running_engine(url, catalogue=catalogue()) as old:
            workflow = await old.save(definition([node("a", "test.keyed")], "start > a"))
            run = await old.start(workflow)
            await WORLD.reached.wait()
            await old.worker.drain(seconds=0.1)
            WORLD.gate.set()
            async with running_engine(url, catalogue=catalogue()) as new, asyncio.timeout(2):
                assert (await new.ended(run.id)).status == "completed"


class TestTrouble:
    async def test_broken_connections_cost_time_and_nothing_else(self, new_database: Any) -> None:
        """All of the engine's connections are cut again and again while runs are under way."""
        url = await new_database()
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as engine:
            nodes = [node(f"n{n}", "test.keyed") for n in range(4)]
            workflow = await engine.save(definition(nodes, "start > n0; n0 > n1; n1 > n2; n2 > n3"))
            runs = [await engine.start(workflow) for _ in range(10)]
            cutter = await psycopg.AsyncConnection.connect(url, autocommit=True)
            for _ in range(5):
                await cutter.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                await asyncio.sleep(0.05)
            await cutter.close()
            async with asyncio.timeout(SECONDS):
                while open_runs := [run.id for run in runs if not await is_over(engine, run.id)]:
                    await asyncio.sleep(0.1)
            assert open_runs == []
            for run in runs:
                assert await finished_nodes(engine, run.id) == ["n0", "n1", "n2", "n3", "start"]


async def is_over(engine: TestEngine, run_id: str) -> bool:
    try:
        return (await engine.run(run_id)).status == "completed"
    except Unavailable:
        return False


async def finished_nodes(engine: TestEngine, run_id: str) -> list[str]:
    """What the journal says; asked again while connections that were cut are still in the pool."""
    while True:
        try:
            kept = await engine.query(
                "SELECT node_id FROM engine.journal WHERE run_id = :id AND kind = 'finished'",
                id=run_id,
            )
        except Unavailable:
            continue
        return sorted(row.node_id for row in kept)
