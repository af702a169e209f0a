"""Runs on a real PostgreSQL: journalled, parked and woken, retried, cancelled, followed."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from engine_service.running.entry import Entry, Written
from engine_service.store.run_rows import StoredEvent
from shared.clock import SystemClock
from shared.run_events import RUN_EVENTS
from shared.workflow import JsonObject
from tests.support.definitions import a_set, definition, node
from tests.support.engine import TENANT, TestEngine, new_run, running_engine, types
from tests.support.nodes import WORLD, catalogue


@pytest.fixture(scope="module")
async def engine(postgres_url: str) -> AsyncIterator[TestEngine]:
    async with running_engine(postgres_url, catalogue=catalogue()) as engine:
        yield engine


@pytest.fixture(autouse=True)
def world() -> None:
    WORLD.begin()


class TestRunning:
    async def test_a_run_of_pure_nodes_is_told_from_beginning_to_end(
        self, engine: TestEngine
    ) -> None:
        workflow = await engine.save(
            definition(
                [a_set("a", x="{{ $json.n + 1 }}"), node("say", "flow.respond")],
                "start > a; a > say",
            )
        )
        run = await engine.finish(workflow, {"n": 1})
        assert (run.status, run.error) == ("completed", None)
        assert orjson.loads(run.output or "") == {"n": 1, "x": 2}
        assert orjson.loads(run.response or "")["status"] == 200
        history = await engine.history(run.id)
        assert types(history) == [
            "run.queued",
            "run.started",
            "node.completed",
            "node.completed",
            "node.completed",
            "run.completed",
        ]
        assert [event.sequence for event in history] == [1, 2, 3, 4, 5, 6]
        assert run == await engine.run(run.id)
        kept = await engine.query(
            "SELECT node_id, kind, attempt FROM engine.journal WHERE run_id = :id ORDER BY at",
            id=run.id,
        )
        assert [tuple(row) for row in kept] == [
            ("start", "finished", 1),
            ("a", "finished", 1),
            ("say", "finished", 1),
        ]

    async def test_every_event_is_as_its_model_says(self, engine: TestEngine) -> None:
        workflow = await engine.save(
            definition(
                [
                    node("flaky", "test.keyed", {"retry": {"backoff": 0}}, fail_times=1),
                    node(
                        "check",
                        "flow.if",
                        conditions=[
                            {"left": 1, "type": "number", "operator": "equals", "right": 1}
                        ],
                    ),
                    node("no", "flow.noop"),
                    node("pause", "flow.wait", amount=0.05, unit="seconds"),
                    node("each", "flow.loop"),
                    node("body", "flow.noop"),
                    node("end", "flow.stop", message="no", code="enough"),
                ],
                "start > flaky; flaky > check; check:false > no; check:true > pause;"
                "pause > each; each:loop > body; body > each; each:done > end",
            )
        )
        run = await engine.finish(workflow)
        history = await engine.history(run.id)
        assert {"node.retrying", "node.skipped", "node.waiting", "node.delta", "log"} <= {
            event.type for event in history
        }
        for event in history:
            data = orjson.loads(orjson.dumps(event.data))
            RUN_EVENTS[event.type].model_validate(data)
        assert run.error == {"code": "enough", "message": "no", "node_id": "end"}

    async def test_effects_are_journalled_before_and_after(self, engine: TestEngine) -> None:
        workflow = await engine.save(definition([node("a", "test.keyed")], "start > a"))
        run = await engine.finish(workflow)
        kept = await engine.query(
            "SELECT kind FROM engine.journal WHERE run_id = :id AND node_id = 'a' ORDER BY at",
            id=run.id,
        )
        assert [row.kind for row in kept] == ["started", "finished"]
        assert WORLD.effects == {f"{run.id}:a": 1}

    async def test_branches_run_at_the_same_time(self, engine: TestEngine) -> None:
        WORLD.begin(held=True)
        workflow = await engine.save(
            definition(
                [node("a", "test.read"), node("b", "test.read"), node("end", "flow.noop")],
                "start > a; start > b; a > end; b > end",
            )
        )
        run = await engine.start(workflow)
        while len(WORLD.effects) < 2:
            await engine.until(run.id, "node.delta")
        WORLD.gate.set()
        assert (await engine.ended(run.id)).status == "completed"

    async def test_a_run_of_an_unknown_type_fails_and_says_so(self, engine: TestEngine) -> None:
        workflow = await engine.save(definition([node("a", "test.nobody")], "start > a"))
        run = await engine.finish(workflow)
        assert run.error is not None
        assert run.error["code"] == "node_type_not_found"

    async def test_a_run_that_takes_too_long_fails(self, engine: TestEngine) -> None:
        WORLD.begin(held=True)
        workflow = await engine.save(
            definition([node("a", "test.keyed")], "start > a", timeout=0.2)
        )
        run = await engine.finish(workflow)
        assert run.error is not None
        assert run.error["code"] == "run_timeout"
        assert WORLD.stopped == {f"{run.id}:a": 1}

    @pytest.mark.parametrize("seconds", [1e10, 1e12, 1e300])
    async def test_a_run_may_be_given_all_the_time_there_is(
        self, engine: TestEngine, seconds: float
    ) -> None:
        workflow = await engine.save(
            definition([node("a", "flow.noop")], "start > a", timeout=seconds)
        )
        assert (await engine.finish(workflow)).status == "completed"

    @pytest.mark.parametrize("levels", [300, 985, 3000])
    async def test_what_is_nested_too_deeply_fails_its_node(
        self, engine: TestEngine, levels: int
    ) -> None:
        deep = f"{{{{ (() => {{ let a = 1; for (let i = 0; i < {levels}; i++) a = {{a}};"
        a = a_set("a", deep=f"{deep} return a }})() }}}}")
        workflow = await engine.save(definition([a], "start > a"))
        run = await engine.finish(workflow)
        assert run.error is not None
        assert run.error["node_id"] == "a"

    async def test_strange_text_comes_through(self, engine: TestEngine) -> None:
        workflow = await engine.save(
            definition([node("a", "test.give", what="nul"), a_set("b", n=1)], "start > a; a > b")
        )
        run = await engine.finish(workflow, {"given": "a\0b \U0001f600"})
        assert orjson.loads(run.output or "")[0]["json"]["x"] == "a\0b"


class TestWaiting:
    async def test_a_wait_may_be_longer_than_the_queue_can_count(self, engine: TestEngine) -> None:
        wait = node("a", "flow.wait", mode="until", until="2199-01-01T00:00:00Z")
        workflow = await engine.save(definition([wait], "start > a", timeout=1e10))
        run = await engine.start(workflow)
        await engine.until(run.id, "run.waiting")
        assert (await engine.run(run.id)).status == "waiting"

    async def test_a_question_that_cannot_be_stored_ends_the_run(self, engine: TestEngine) -> None:
        ask = node("a", "human.approval", title="{{ $json.t }}")
        workflow = await engine.save(definition([ask], "start > a"))
        run = await engine.finish(workflow, {"t": "a\0b"})
        assert run.error is not None
        assert run.error["code"] == "not_storable"
        sequences = [event.sequence for event in await engine.history(run.id)]
        assert sequences == list(range(1, run.last_sequence + 1))

    async def test_a_wait_parks_the_run_and_time_wakes_it(self, engine: TestEngine) -> None:
        workflow = await engine.save(
            definition([node("pause", "flow.wait", amount=2, unit="seconds")], "start > pause")
        )
        run = await engine.start(workflow)
        await engine.until(run.id, "run.waiting")
        (task,) = await engine.query(
            "SELECT state FROM absurd.t_flowloom WHERE idempotency_key = :id", id=run.id
        )
        assert task.state == "sleeping"
        assert (await engine.run(run.id)).status == "waiting"
        ended = await engine.ended(run.id)
        assert ended.ended_at is not None
        assert ended.ended_at - ended.created_at >= timedelta(seconds=2)
        history = types(await engine.history(run.id))
        assert history[-4:] == ["run.resumed", "node.started", "node.completed", "run.completed"]

    async def test_an_answer_wakes_the_run_and_a_second_is_refused(
        self, engine: TestEngine
    ) -> None:
        workflow = await engine.save(
            definition(
                [node("ask", "human.approval", title="Go?"), a_set("yes", ok=True)],
                "start > ask; ask:approved > yes",
            )
        )
        run = await engine.start(workflow)
        events = await engine.until(run.id, "run.waiting")
        (waiting,) = [event for event in events if event.type == "node.waiting"]
        (approval,) = await engine.query(
            "SELECT id, title, status FROM engine.approvals WHERE run_id = :id", id=run.id
        )
        assert tuple(approval) == (waiting.data["approval_id"], "Go?", "pending")
        assert await engine.answer(run.id, "ask", "approve")
        assert not await engine.answer(run.id, "ask", "reject")
        ended = await engine.ended(run.id)
        assert orjson.loads(ended.output or "")[0]["json"]["ok"] is True

    async def test_nobody_answers_in_time(self, engine: TestEngine) -> None:
        workflow = await engine.save(
            definition(
                [node("ask", "human.approval", title="Go?", timeout=1), a_set("late", ok=False)],
                "start > ask; ask:timeout > late",
            )
        )
        run = await engine.finish(workflow)
        assert orjson.loads(run.output or "")[0]["json"]["ok"] is False
        (approval,) = await engine.query(
            "SELECT status FROM engine.approvals WHERE run_id = :id", id=run.id
        )
        assert approval.status == "expired"
        assert not await engine.answer(run.id, "ask", "approve")

    async def test_no_answer_is_lost_whenever_it_comes(self, engine: TestEngine) -> None:
        """Answers come before, while, and after their runs are parked."""
        workflow = await engine.save(
            definition([node("ask", "human.approval", title="Go?")], "start > ask")
        )
        chance = random.Random(7)

        async def play() -> str:
            run = await engine.start(workflow)
            await engine.until(run.id, "node.waiting")
            await asyncio.sleep(chance.random() * 0.02)
            assert await engine.answer(run.id, "ask", "approve")
            return (await engine.ended(run.id)).status

        for _ in range(3):
            assert set(await asyncio.gather(*(play() for _ in range(20)))) == {"completed"}

    async def test_other_branches_go_on_while_one_waits(self, engine: TestEngine) -> None:
        WORLD.begin(held=True)
        workflow = await engine.save(
            definition(
                [node("ask", "human.approval", title="Go?"), node("work", "test.keyed")],
                "start > ask; start > work",
            )
        )
        run = await engine.start(workflow)
        await engine.until(run.id, "node.waiting")
        await WORLD.reached.wait()
        assert await engine.answer(run.id, "ask", "approve")  # while the run is at work
        events = await engine.until(run.id, "node.completed")
        WORLD.gate.set()
        assert (await engine.ended(run.id)).status == "completed"
        assert "run.waiting" not in types(events)

    async def test_waits_within_a_loop(self, engine: TestEngine) -> None:
        workflow = await engine.save(
            definition(
                [
                    node("each", "flow.loop"),
                    node("pause", "flow.wait", amount=1.2, unit="seconds"),
                    node("end", "flow.noop"),
                ],
                "start > each; each:loop > pause; pause > each; each:done > end",
            )
        )
        run = await engine.finish(workflow, [{"n": 1}, {"n": 2}])
        items = orjson.loads(run.output or "")
        assert [item["json"]["n"] for item in items] == [1, 2]
        assert types(await engine.history(run.id)).count("run.waiting") == 2

    async def test_long_pauses_before_a_retry_park_the_run(self, engine: TestEngine) -> None:
        workflow = await engine.save(
            definition(
                [node("a", "test.keyed", {"retry": {"backoff": 1.5}}, fail_times=1)], "start > a"
            )
        )
        run = await engine.finish(workflow)
        assert run.status == "completed"
        assert WORLD.effects[f"{run.id}:a"] == 2
        assert "run.waiting" in types(await engine.history(run.id))


class TestCancelling:
    async def test_it_stops_what_is_under_way_at_once(self, engine: TestEngine) -> None:
        WORLD.begin(held=True)
        workflow = await engine.save(definition([node("a", "test.keyed")], "start > a"))
        run = await engine.start(workflow)
        await WORLD.reached.wait()
        assert await engine.cancel(run.id)
        async with asyncio.timeout(1):
            while not WORLD.stopped:
                await asyncio.sleep(0.01)
        ended = await engine.ended(run.id)
        assert ended.status == "cancelled"
        history = await engine.history(run.id)
        assert history[-1].type == "run.cancelled"
        assert history[-1].data["reason"] == "enough"
        assert history[-1].data["run"]["status"] == "cancelled"
        assert not await engine.cancel(run.id)

    async def test_it_ends_a_parked_run_and_its_questions(self, engine: TestEngine) -> None:
        workflow = await engine.save(
            definition([node("ask", "human.approval", title="Go?")], "start > ask")
        )
        run = await engine.start(workflow)
        await engine.until(run.id, "run.waiting")
        assert await engine.cancel(run.id)
        assert not await engine.answer(run.id, "ask", "approve")
        (approval,) = await engine.query(
            "SELECT status FROM engine.approvals WHERE run_id = :id", id=run.id
        )
        assert approval.status == "cancelled"

    async def test_another_tenant_cannot(self, engine: TestEngine) -> None:
        workflow = await engine.save(
            definition([node("ask", "human.approval", title="Go?")], "start > ask")
        )
        run = await engine.start(workflow)
        assert not await engine.cancel(run.id, tenant="ten_other")


class TestJournal:
    async def test_a_claim_that_is_not_ours_writes_nothing(self, engine: TestEngine) -> None:
        WORLD.begin(held=True)
        workflow = await engine.save(definition([node("a", "test.keyed")], "start > a"))
        run = await engine.start(workflow)
        await WORLD.reached.wait()
        activation, _ = engine.worker._activations._running[run.id]  # pyright: ignore[reportPrivateUsage] (a zombie is somebody with an old claim)
        await engine.query(
            "UPDATE absurd.r_flowloom SET claimed_by = 'heir' WHERE run_id = CAST(:claim AS uuid)"
            " RETURNING 1",
            claim=activation.run.claim,
        )
        event: JsonObject = {"type": "log", "at": SystemClock().now(), "data": {}}
        entry = Entry(activation.run, first_sequence=900, events=[event])
        assert await engine.worker.journal.write(entry) is Written.LOST
        assert not await engine.query(
            "SELECT 1 FROM engine.run_events WHERE run_id = :id AND sequence >= 900", id=run.id
        )
        async with asyncio.timeout(5):
            while not WORLD.stopped:  # its worker finds that it cannot keep the claim
                await asyncio.sleep(0.02)

    async def test_one_bad_row_harms_nobody_else(self, engine: TestEngine) -> None:
        workflow = await engine.save(definition([node("a", "flow.noop")], "start > a"))
        bad = new_run(workflow, input="{not json")
        good = [new_run(workflow) for _ in range(5)]
        begun = await asyncio.gather(
            *(engine.worker.journal.start(run) for run in [*good, bad]), return_exceptions=True
        )
        assert isinstance(begun[-1], Exception)
        assert {(await engine.ended(run.id)).status for run in good} == {"completed"}

    async def test_a_key_starts_one_run_only(self, engine: TestEngine) -> None:
        workflow = await engine.save(definition([node("a", "flow.noop")], "start > a"))
        first = new_run(workflow, idempotency_key="once")
        begun = await asyncio.gather(
            engine.worker.journal.start(first),
            *(engine.worker.journal.start(replace(first, id=new_run("w").id)) for _ in range(9)),
        )
        assert {one.id for one in begun if one} == {first.id}
        assert sum(one.created for one in begun if one) == 1


class TestFeed:
    async def test_a_hundred_followers_see_the_same_from_wherever_they_begin(
        self, engine: TestEngine, postgres_url: str
    ) -> None:
        WORLD.begin(held=True)
        nodes = [node("a", "test.keyed"), *(node(f"n{n}", "flow.noop") for n in range(20))]
        wires = "start > a; a > n0; " + "; ".join(f"n{n} > n{n + 1}" for n in range(19))
        workflow = await engine.save(definition(nodes, wires))
        run = await engine.start(workflow)
        await WORLD.reached.wait()
        async with running_engine(postgres_url, catalogue=catalogue()) as other:

            async def follow(which: TestEngine, after: int) -> list[StoredEvent]:
                return [
                    event
                    async for batch in which.worker.feed.follow(TENANT, run.id, after)
                    for event in batch
                ]

            followers = [
                asyncio.create_task(follow(which, after))
                for after in range(5)
                for _ in range(10)
                for which in (engine, other)
            ]
            await asyncio.sleep(0)
            WORLD.gate.set()
            seen = await asyncio.gather(*followers)
        whole = await engine.history(run.id)
        for followed in seen:
            assert types(followed) == types(whole)[-len(followed) :]
            assert [e.sequence for e in followed] == [e.sequence for e in whole][-len(followed) :]
        assert {len(whole) - len(followed) for followed in seen} == set(range(5))

    async def test_an_ended_run_has_nothing_behind_its_end(self, engine: TestEngine) -> None:
        workflow = await engine.save(definition([node("a", "flow.noop")], "start > a"))
        run = await engine.finish(workflow)
        batches = [b async for b in engine.worker.feed.follow(TENANT, run.id, run.last_sequence)]
        assert batches == []
