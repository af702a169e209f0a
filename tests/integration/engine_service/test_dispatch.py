"""The contract with Absurd: what we rely on, and that what we write out is what it would do."""

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from engine_service.dispatch import DROP, Claims
from engine_service.running.entry import End, Entry, taken_up, writing_rows
from engine_service.store import journal as rows
from engine_service.store.journal import ClaimedRun
from engine_service.store.link import Link
from engine_service.store.runs import NewRun, Taken, read_starts, send_starts
from shared.database import Database, DatabaseRole
from shared.ids import new_id

QUEUE_TABLES = ("t_flowloom", "r_flowloom", "w_flowloom", "c_flowloom")


@pytest.fixture(autouse=True)
async def _empty_queue(engine_url: str, owner: Any) -> None:
    for table in QUEUE_TABLES:
        await owner(f"DELETE FROM absurd.{table}")
    await owner("DELETE FROM engine.line")


@pytest.fixture(scope="module")
async def link(worker_database: Database) -> AsyncIterator[Link]:
    link = Link(worker_database)
    yield link
    await link.close()


@pytest.fixture
async def owner(worker_database: Database) -> Any:
    async def query(statement: str, **values: Any) -> list[Any]:
        async with worker_database.transaction() as connection:
            result = await connection.execute(text(statement), values)
            return list(result.mappings()) if result.returns_rows else []

    return query


def a_run() -> NewRun:
    return NewRun(
        id=new_id("run"),
        tenant_id="ten_a",
        workflow_id="wf_1",
        version=1,
        mode="live",
        trigger="api",
        trigger_node_id="start",
        input="{}",
        created_at=datetime.now(UTC),
    )


async def begin(link: Link, run: NewRun, worker: str = "", lease: int = 3) -> Any:
    taken = Taken(worker, lease, 1) if worker else None
    async with link.pipeline() as driver:
        sent = await send_starts(driver, [run], taken)
    (begun,) = await read_starts(driver, [run], sent)
    assert begun is not None
    return begun


async def begin_taken(link: Link, worker: str, lease: int = 3) -> ClaimedRun:
    run = a_run()
    begun = await begin(link, run, worker, lease)
    return taken_up(run, *begun.claim)


async def claim(link: Link, worker: str, quantity: int = 10) -> list[ClaimedRun]:
    runs, orphans = await claim_all(link, worker, quantity)
    assert orphans == []
    return runs


async def claim_all(
    link: Link, worker: str, quantity: int = 10
) -> tuple[list[ClaimedRun], list[str]]:
    async with link.pipeline() as driver:
        sent = await rows.send_claim(driver, worker, 3, quantity)
    async with link.connected() as driver:
        return await rows.read_claimed_runs(driver, await rows.read_claims(sent))


async def due_in(link: Link) -> float:
    async with link.pipeline() as driver:
        sent = await rows.send_due(driver)
    return await rows.read_due(sent)


async def write(link: Link, worker: str, entry: Entry) -> bool:
    async with link.pipeline() as driver:
        sent = await rows.send_writing(driver, worker, writing_rows([entry]))
    return bool(await sent.fetchall())


def like(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what differs from task to task; moments say only whether they are there."""
    own = {"task_id", "run_id", "last_attempt_run", "params", "idempotency_key"}
    return {
        name: ("a moment" if isinstance(value, datetime) else value)
        for name, value in row.items()
        if name not in own
    }


class TestBeginning:
    async def ours_and_theirs(self, owner: Any, table: str, task: str) -> tuple[Any, Any]:
        found = await owner(f"SELECT * FROM absurd.{table}")
        (theirs,) = [dict(row) for row in found if str(row["task_id"]) == task]
        (ours,) = [dict(row) for row in found if str(row["task_id"]) != task]
        return like(ours), like(theirs)

    async def test_a_task_is_taken_as_claim_task_would(self, link: Link, owner: Any) -> None:
        (spawned,) = await owner(
            "SELECT task_id FROM absurd.spawn_task('flowloom', 'run', '{\"run_id\": \"x\"}',"
            ' \'{"idempotency_key": "x"}\')'
        )
        await owner("SELECT run_id FROM absurd.claim_task('flowloom', 'me', 3, 1)")
        await begin(link, a_run(), worker="me")
        for table in ("t_flowloom", "r_flowloom"):
            ours, theirs = await self.ours_and_theirs(owner, table, str(spawned["task_id"]))
            assert ours == theirs
        (leases,) = await owner(
            "SELECT count(*) AS n FROM absurd.r_flowloom WHERE claim_expires_at - started_at"
            " = interval '3 seconds'"
        )
        assert leases["n"] == 2


class TestClaims:
    async def test_a_task_goes_to_one_worker(self, link: Link) -> None:
        run = a_run()
        await begin(link, run)
        claimed = await claim(link, "one")
        assert [each.id for each in claimed] == [run.id]
        assert await claim(link, "two") == []

    async def test_only_the_holder_writes(self, link: Link) -> None:
        claimed = await begin_taken(link, "one")
        assert await write(link, "one", Entry(claimed, 2, status="running"))
        assert not await write(link, "two", Entry(claimed, 2, status="running"))

    async def test_a_lapsed_claim_is_taken_over_and_its_holder_writes_nothing(
        self, link: Link, owner: Any
    ) -> None:
        claimed = await begin_taken(link, "gone")
        await owner("UPDATE absurd.r_flowloom SET claim_expires_at = now()")
        (taken,) = await claim(link, "heir")
        assert (taken.id, taken.attempt) == (claimed.id, 2)
        assert taken.claim != claimed.claim
        assert not await write(link, "gone", Entry(claimed, 2, status="running"))
        assert await write(link, "heir", Entry(taken, 2, status="running"))

    async def test_claims_are_kept_all_at_once_and_the_lost_ones_are_told(
        self, link: Link, owner: Any, worker_database: Database
    ) -> None:
        held, stolen = await begin_taken(link, "me", 2), await begin_taken(link, "me", 2)
        lost: list[str] = []
        claims = Claims(worker_database, "me", lease=2)
        for one in (held, stolen):
            claims.hold(one.claim, lost=lambda claim=one.claim: lost.append(claim))
        await owner(
            "UPDATE absurd.r_flowloom SET claimed_by = 'thief' WHERE run_id = CAST(:c AS uuid)",
            c=stolen.claim,
        )
        keeping = asyncio.create_task(claims.keep())
        async with asyncio.timeout(5):
            while not lost:
                await asyncio.sleep(0.01)
        keeping.cancel()
        assert lost == [stolen.claim]
        assert len(claims) == 1
        (row,) = await owner(
            "SELECT claim_expires_at - now() > interval '1.5 seconds' AS kept"
            " FROM absurd.r_flowloom WHERE run_id = CAST(:c AS uuid)",
            c=held.claim,
        )
        assert row["kept"]

    async def test_who_cannot_extend_gives_up_before_others_can_begin(self) -> None:
        away = Database("postgresql://nobody@127.0.0.1:1/nothing", DatabaseRole.WORKER)
        claims = Claims(away, "me", lease=2)
        lost: list[str] = []
        claims.hold("claim", lost=lambda: lost.append("claim"))
        keeping = asyncio.create_task(claims.keep())
        async with asyncio.timeout(2):
            while not lost:
                await asyncio.sleep(0.01)
        keeping.cancel()
        await away.close()


class TestEnding:
    async def test_nothing_of_an_ended_task_remains(self, link: Link, owner: Any) -> None:
        claimed = await begin_taken(link, "me")
        await end(link, claimed)
        for table in QUEUE_TABLES:
            assert await owner(f"SELECT * FROM absurd.{table}") == []

    async def test_nor_of_one_that_was_taken_over_and_slept(self, link: Link, owner: Any) -> None:
        await begin_taken(link, "gone")
        await owner("UPDATE absurd.r_flowloom SET claim_expires_at = now()")
        (claimed,) = await claim(link, "me")
        await sleep(link, claimed, seconds=None)
        await owner("SELECT engine.emit_wake(:event)", event=event_of(claimed))
        (woken,) = await claim(link, "me")
        await end(link, woken)
        for table in QUEUE_TABLES:
            assert await owner(f"SELECT * FROM absurd.{table}") == []

    async def test_a_dropped_task_is_nobodys(self, link: Link, owner: Any) -> None:
        claimed = await begin_taken(link, "me")
        async with link.pipeline() as driver:
            await driver.execute(DROP, {"run_ids": [claimed.id]})
        assert not await write(link, "me", Entry(claimed, 2, status="running"))
        for table in QUEUE_TABLES:
            assert await owner(f"SELECT * FROM absurd.{table}") == []

    async def test_a_task_without_a_run_is_told_apart(self, link: Link, owner: Any) -> None:
        await owner(
            "SELECT task_id FROM absurd.spawn_task('flowloom', 'run', '{\"run_id\": \"gone\"}')"
        )
        assert await claim_all(link, "me") == ([], ["gone"])

    async def test_a_run_that_begins_while_others_claim_is_no_orphan(
        self, link: Link, worker_database: Database
    ) -> None:
        """A claiming statement may see the task of a run that its own snapshot does not hold."""
        wanted, seen, another = 400, 0, Link(worker_database)

        async def begin_all() -> None:
            for _ in range(wanted):
                await begin(another, a_run())

        beginning = asyncio.create_task(begin_all())
        while seen < wanted:
            runs, orphans = await claim_all(link, "me")
            assert orphans == []
            seen += len(runs)
        await beginning
        await another.close()


class TestSleeping:
    async def test_a_sleeping_task_is_woken_by_its_event_alone(
        self, link: Link, owner: Any
    ) -> None:
        claimed = await begin_taken(link, "me")
        await sleep(link, claimed, seconds=None)
        assert await claim(link, "me") == []
        await owner("SELECT engine.emit_wake('another')")
        assert await claim(link, "me") == []
        await owner("SELECT engine.emit_wake(:event)", event=event_of(claimed))
        assert [one.id for one in await claim(link, "me")] == [claimed.id]

    async def test_or_by_its_time_which_is_known_before(self, link: Link) -> None:
        claimed = await begin_taken(link, "me")
        await sleep(link, claimed, seconds=1)
        assert await claim(link, "me") == []
        due = await due_in(link)
        assert 0 < due <= 1
        await asyncio.sleep(due + 0.002)
        assert [one.id for one in await claim(link, "me")] == [claimed.id]

    async def test_no_moment_is_known_when_nothing_sleeps_or_for_ever(self, link: Link) -> None:
        assert await due_in(link) == math.inf
        await sleep(link, await begin_taken(link, "me"), seconds=None)
        assert await due_in(link) == math.inf

    async def test_it_does_not_sleep_if_an_answer_has_come_meanwhile(self, link: Link) -> None:
        claimed = await begin_taken(link, "me")
        assert not await sleep(link, claimed, seconds=None, waits=1)  # its wait is gone already
        assert await write(link, "me", Entry(claimed, 2, status="running"))

    async def test_a_released_task_is_there_for_anybody_at_once(self, link: Link) -> None:
        claimed = await begin_taken(link, "me")
        async with link.pipeline() as driver:
            await rows.send_releases(driver, "me", [{"claim": claimed.claim}])
        assert [one.id for one in await claim(link, "other")] == [claimed.id]


async def end(link: Link, claimed: ClaimedRun) -> None:
    ended = End("completed", datetime.now(UTC))
    assert await write(link, "me", Entry(claimed, 2, end=ended, has_waited=True))


def event_of(claimed: ClaimedRun) -> str:
    return f"{claimed.id}:2"


async def sleep(link: Link, claimed: ClaimedRun, seconds: int | None, waits: int = 0) -> bool:
    row = {
        "run_id": claimed.id,
        "task": claimed.task,
        "claim": claimed.claim,
        "event": event_of(claimed),
        "seconds": seconds,
        "waits": waits,
    }
    async with link.pipeline() as driver:
        sent = await rows.send_sleeps(driver, "me", [row])
    return bool(await sent.fetchall())
