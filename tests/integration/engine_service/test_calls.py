"""Workflows that call workflows, and those that deal with the errors of others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from engine_service.expressions import Evaluator
from engine_service.running.execute import World
from engine_service.running.worker import WorkerOptions
from engine_service.store.run_rows import StoredRun
from engine_service.trial.simulate import Ending, Simulator, Trial
from shared.clock import SystemClock
from shared.workflow import JsonObject, Workflow
from tests.support.definitions import a_set, definition, node
from tests.support.engine import TENANT, NoHttp, TestEngine, running_engine, types
from tests.support.nodes import WORLD, catalogue

QUICK = WorkerOptions(lease_seconds=2, poll_seconds=0.1)


@pytest.fixture(scope="module")
async def engine(postgres_url: str) -> AsyncIterator[TestEngine]:
    async with running_engine(postgres_url, catalogue=catalogue()) as engine:
        yield engine


@pytest.fixture(autouse=True)
def world() -> None:
    WORLD.begin()


def callee(nodes: list[JsonObject], wires: str, **parameters: Any) -> JsonObject:
    """A definition that begins when it is called."""
    made = definition(nodes, wires)
    made["nodes"][0] = node("start", "trigger.workflow", **parameters)
    return made


def doubling() -> JsonObject:
    return callee([a_set("double", n="{{ $json.n * 2 }}")], "start > double")


def calling(workflow: str, **parameters: Any) -> JsonObject:
    return definition([node("call", "flow.call", workflow=workflow, **parameters)], "start > call")


def output(run: StoredRun) -> list[Any]:
    assert run.status == "completed", run.error
    return [item["json"] for item in orjson.loads(run.output or "null")]


async def children(engine: TestEngine, run_id: str) -> list[Any]:
    return list(
        await engine.query(
            "SELECT id, status, parent_node_id, parent_iteration, depth, mode FROM engine.runs"
            " WHERE parent_run_id = :id ORDER BY parent_iteration, parent_index",
            id=run_id,
        )
    )


class TestWaiting:
    async def test_each_item_has_a_run_and_what_they_give_comes_in_order(
        self, engine: TestEngine
    ) -> None:
        workflow = await engine.save(calling(await engine.save(doubling())))
        run = await engine.finish(workflow, [{"n": n} for n in range(5)], mode="test")
        assert output(run) == [{"n": 2 * n} for n in range(5)]
        begun = await children(engine, run.id)
        assert [(one.status, one.depth, one.mode) for one in begun] == [
            ("completed", 1, "test")
        ] * 5
        history = await engine.history(run.id)
        (waiting,) = [event for event in history if event.type == "node.waiting"]
        assert waiting.data["run_ids"] == [one.id for one in begun]

    async def test_once_takes_all_items_and_an_input_replaces_them(
        self, engine: TestEngine
    ) -> None:
        inner = await engine.save(doubling())
        all_of_them = await engine.save(calling(inner, mode="once"))
        assert output(await engine.finish(all_of_them, [{"n": 1}, {"n": 2}])) == [
            {"n": 2}, {"n": 4},
        ]  # fmt: skip
        stated = await engine.save(calling(inner, mode="once", input={"n": "{{ $json.n + 10 }}"}))
        assert output(await engine.finish(stated, {"n": 1})) == [{"n": 22}]

    async def test_a_definition_may_be_written_out_or_come_from_an_expression(
        self, engine: TestEngine
    ) -> None:
        written = definition([node("call", "flow.call", definition=doubling())], "start > call")
        assert output(await engine.finish(await engine.save(written), {"n": 4})) == [{"n": 8}]
        given = await engine.save(calling("{{ $json.flow }}", input={"n": 3}))
        assert output(await engine.finish(given, {"flow": doubling()})) == [{"n": 6}]

    async def test_calls_in_loops_and_branches_and_calls_within_calls(
        self, engine: TestEngine
    ) -> None:
        inner = await engine.save(doubling())
        middle = await engine.save(
            callee([node("call", "flow.call", workflow=inner)], "start > call")
        )
        nodes = [
            node("loop", "flow.loop"),
            node("body", "flow.call", workflow=middle),
            node("beside", "flow.call", workflow=inner),
            node("join", "flow.merge"),
        ]
        wires = (
            "start > loop; loop:loop > body; body > loop; start > beside;"
            "loop:done > join/input1; beside > join/input2"
        )
        workflow = await engine.save(definition(nodes, wires))
        run = await engine.finish(workflow, [{"n": 1}, {"n": 2}, {"n": 3}])
        assert output(run) == [{"n": 2}, {"n": 4}, {"n": 6}] * 2
        begun = await children(engine, run.id)
        assert [one.parent_iteration for one in begun if one.parent_node_id == "body"] == [
            "0", "1", "2",
        ]  # fmt: skip

    async def test_the_child_s_error_is_the_node_s(self, engine: TestEngine) -> None:
        stop = node("stop", "flow.stop", message="No address", code="no_address")
        inner = await engine.save(callee([stop], "start > stop"))
        run = await engine.finish(await engine.save(calling(inner, mode="once")), {})
        assert run.error == {"code": "no_address", "message": "No address", "node_id": "call"}

    async def test_an_item_whose_run_fails_leaves_by_the_error_port(
        self, engine: TestEngine
    ) -> None:
        picky = await engine.save(
            callee([node("picky", "test.picky", value="{{ $json.n }}")], "start > picky")
        )
        call = node("call", "flow.call", workflow=picky) | {"settings": {"on_error": "error_port"}}
        nodes = [call, a_set("good", ok=True), a_set("bad", code="{{ $json.error.code }}")]
        workflow = await engine.save(
            definition(nodes, "start > call; call > good; call:error > bad")
        )
        run = await engine.finish(workflow, [{"n": 1}, {"n": 2}])
        (row,) = await engine.query(
            "SELECT outputs FROM engine.journal WHERE run_id = :id AND node_id = 'bad'"
            " AND kind = 'finished'",
            id=run.id,
        )
        assert [item["json"]["code"] for item in row.outputs["main"]] == ["odd"]

    async def test_a_repeated_attempt_begins_a_new_run(self, engine: TestEngine) -> None:
        flaky = node("flaky", "test.give", what="error")
        inner = await engine.save(callee([flaky], "start > flaky"))
        call = node("call", "flow.call", workflow=inner, mode="once")
        retry = {"max_attempts": 2, "backoff": 0, "on": ["internal_error"]}
        workflow = await engine.save(
            definition([call | {"settings": {"retry": retry}}], "start > call")
        )
        run = await engine.finish(workflow, {})
        assert run.status == "failed"
        assert len(await children(engine, run.id)) == 2


class TestNotWaiting:
    async def test_it_goes_on_at_once_with_the_ids(self, engine: TestEngine) -> None:
        WORLD.begin(held=True)
        inner = await engine.save(callee([node("a", "test.keyed")], "start > a"))
        run = await engine.finish(await engine.save(calling(inner, wait=False)), [{}, {}])
        told = output(run)
        begun = await children(engine, run.id)
        assert sorted(one["run_id"] for one in told) == sorted(one.id for one in begun)
        assert {one["workflow_id"] for one in told} == {inner}
        WORLD.gate.set()
        for one in begun:
            assert (await engine.ended(one.id)).status == "completed"


class TestRefusals:
    @pytest.mark.parametrize(
        ("workflow", "code"),
        [("No such workflow", "workflow_not_found"), ("wf_0", "workflow_not_found")],
    )
    async def test_what_is_not_there(self, engine: TestEngine, workflow: str, code: str) -> None:
        run = await engine.finish(await engine.save(calling(workflow)), {})
        assert run.error is not None
        assert run.error["code"] == code

    async def test_what_cannot_be_called(self, engine: TestEngine) -> None:
        hook = definition([], "")
        hook["nodes"][0] = node("start", "trigger.webhook", path="x")
        run = await engine.finish(await engine.save(calling(await engine.save(hook))), {})
        assert run.error is not None
        assert run.error["code"] == "not_callable"

    async def test_another_tenant_s_workflow_is_not_there(self, engine: TestEngine) -> None:
        inner = await engine.save(doubling(), tenant="ten_other")
        run = await engine.finish(await engine.save(calling(inner)), {"n": 1})
        assert run.error is not None
        assert run.error["code"] == "workflow_not_found"

    async def test_items_must_fit_the_form_and_nothing_begins(self, engine: TestEngine) -> None:
        inner = await engine.save(
            callee([a_set("a", ok=True)], "start > a", fields=[{"name": "n", "type": "number"}])
        )
        run = await engine.finish(await engine.save(calling(inner)), {"n": "one"})
        assert run.error is not None
        assert run.error["code"] == "input_invalid"
        assert await children(engine, run.id) == []

    async def test_who_calls_himself_comes_to_an_end(self, engine: TestEngine) -> None:
        made = callee([node("call", "flow.call", workflow="{{ $workflow.id }}")], "start > call")
        run = await engine.finish(await engine.save(made), {})
        assert run.error is not None
        assert run.error["code"] == "too_deep"


class TestEnding:
    async def parked(self, engine: TestEngine) -> tuple[str, str]:
        """A run that waits for its grandchild, which waits for a person; and the grandchild."""
        ask = await engine.save(callee([node("ask", "human.approval", title="Go?")], "start > ask"))
        middle = await engine.save(
            callee([node("call", "flow.call", workflow=ask)], "start > call")
        )
        run = await engine.start(await engine.save(calling(middle)))
        await engine.until(run.id, "run.waiting")
        (child,) = await children(engine, run.id)
        await engine.until(child.id, "run.waiting")
        (grandchild,) = await children(engine, child.id)
        await engine.until(grandchild.id, "run.waiting")
        return run.id, grandchild.id

    async def test_an_answer_deep_below_ends_all(self, engine: TestEngine) -> None:
        run_id, grandchild = await self.parked(engine)
        assert await engine.answer(grandchild, "ask", "approve")
        assert (await engine.ended(run_id)).status == "completed"

    async def test_nobody_else_may_answer_for_a_child(self, engine: TestEngine) -> None:
        run_id, _ = await self.parked(engine)
        assert not await engine.answer(run_id, "call", "approve")
        assert (await engine.run(run_id)).status == "waiting"
        await engine.cancel(run_id)

    async def test_cancelling_the_parent_cancels_all_below(self, engine: TestEngine) -> None:
        run_id, grandchild = await self.parked(engine)
        await engine.cancel(run_id)
        assert types(await engine.history(grandchild))[-1] == "run.cancelled"
        rows = await engine.query(
            "SELECT count(*) AS n FROM engine.waits WHERE run_id = :id", id=grandchild
        )
        assert rows[0].n == 0
        tasks = await engine.query(
            "SELECT count(*) AS n FROM absurd.t_flowloom WHERE idempotency_key = :id",
            id=grandchild,
        )
        assert tasks[0].n == 0

    async def test_cancelling_a_child_fails_the_parent(self, engine: TestEngine) -> None:
        run_id, grandchild = await self.parked(engine)
        await engine.cancel(grandchild)
        ended = await engine.ended(run_id)
        assert ended.status == "failed"
        assert ended.error is not None
        assert ended.error["code"] == "call_cancelled"

    async def test_a_parent_that_fails_cancels_what_it_waits_for(self, engine: TestEngine) -> None:
        ask = await engine.save(callee([node("ask", "human.approval", title="Go?")], "start > ask"))
        nodes = [
            node("call", "flow.call", workflow=ask),
            node("pause", "flow.wait", amount=0.3, unit="seconds"),
            node("stop", "flow.stop", message="enough"),
        ]
        workflow = await engine.save(definition(nodes, "start > call; start > pause; pause > stop"))
        run = await engine.finish(workflow, {})
        assert run.error is not None
        assert run.error["code"] == "stopped"
        (child,) = await children(engine, run.id)
        assert child.status == "cancelled"

    async def test_who_waits_too_long_gives_up(self, engine: TestEngine) -> None:
        ask = await engine.save(callee([node("ask", "human.approval", title="Go?")], "start > ask"))
        nodes = [node("call", "flow.call", workflow=ask, timeout=0.3), a_set("late", late=True)]
        workflow = await engine.save(definition(nodes, "start > call; call:timeout > late"))
        run = await engine.finish(workflow, {})
        assert output(run) == [{"late": True}]
        (child,) = await children(engine, run.id)
        assert child.status == "cancelled"


class TestErrorWorkflows:
    async def handler(
        self, engine: TestEngine, nodes: list[JsonObject], wires: str, name: str = "w"
    ) -> str:
        made = definition(nodes, wires)
        made["nodes"][0] = node("start", "trigger.error")
        return await engine.save(made, name=name)

    def failing(self, handler: str) -> JsonObject:
        stop = node("stop", "flow.stop", message="No address", code="no_address")
        return definition([stop], "start > stop") | {"settings": {"error_workflow": handler}}

    async def about(self, engine: TestEngine, run_id: str) -> list[Any]:
        return list(
            await engine.query(
                "SELECT id, status, input FROM engine.runs WHERE error_of = :id", id=run_id
            )
        )

    async def test_it_is_told_what_happened(self, engine: TestEngine) -> None:
        handler = await self.handler(engine, [a_set("note", ok=True)], "start > note")
        workflow = await engine.save(self.failing(handler))
        run = await engine.finish(workflow, {})
        (begun,) = await self.about(engine, run.id)
        said = begun.input[0]["json"]
        assert said["run"]["id"] == run.id
        assert said["workflow"]["id"] == workflow
        assert said["error"] == {
            "code": "no_address",
            "message": "No address",
            "node": {"id": "stop", "name": "Stop", "type": "flow.stop"},
        }
        assert said["execution"]["lastNodeExecuted"] == "Stop"
        assert (await engine.ended(begun.id)).status == "completed"

    async def test_tests_and_good_ends_begin_none(self, engine: TestEngine) -> None:
        handler = await self.handler(engine, [a_set("note", ok=True)], "start > note")
        run = await engine.finish(await engine.save(self.failing(handler)), {}, mode="test")
        assert await self.about(engine, run.id) == []

    async def test_errors_in_it_beget_none(self, engine: TestEngine) -> None:
        """It calls a workflow that fails and that names it as its own error workflow."""
        name = "Deals with errors"
        broken = await engine.save(
            callee([node("stop", "flow.stop", message="x")], "start > stop")
            | {"settings": {"error_workflow": name}}
        )
        await self.handler(
            engine, [node("call", "flow.call", workflow=broken)], "start > call", name
        )
        run = await engine.finish(await engine.save(self.failing(name)), {})
        (begun,) = await self.about(engine, run.id)
        assert (await engine.ended(begun.id)).status == "failed"
        (child,) = await children(engine, begun.id)
        assert [one.id for one in await self.about(engine, child.id)] == []
        # The child inherits what it is about, and counts as part of dealing with that.
        assert {one.id for one in await self.about(engine, run.id)} == {begun.id, child.id}

    async def test_one_that_is_gone_is_remarked_in_the_log(self, engine: TestEngine) -> None:
        run = await engine.finish(await engine.save(self.failing("Gone")), {})
        lines = [one.data["message"] for one in await engine.history(run.id) if one.type == "log"]
        assert len(lines) == 1
        assert "Gone" in lines[0]


class TestSimulation:
    async def test_what_is_called_is_tried_as_well(self, engine: TestEngine) -> None:
        request = node("send", "http.request", method="POST", url="https://example.com/orders")
        inner = await engine.save(callee([request], "start > send"))
        double = await engine.save(doubling())
        nodes = [
            node("send", "flow.call", workflow=inner),
            node("double", "flow.call", workflow=double),
        ]
        outer = definition(nodes, "start > send; start > double")
        world = World(NoHttp(), None, None, calls=engine.worker.calls)
        evaluator = Evaluator()
        simulator = Simulator(catalogue(), world, evaluator, SystemClock(), refusal=lambda _: "")
        trial = Trial(Workflow.model_validate(outer), b'{"n": 2}', tenant_id=TENANT)
        report = await simulator.simulate(trial)
        await evaluator.close()
        assert report.ending == Ending()
        assert [(one.node_id, one.summary) for one in report.effects] == [
            ("send", f"Call the workflow {inner}"),
            ("send", "POST https://example.com/orders"),
            ("double", f"Call the workflow {double}"),
        ]
        (called,) = [one for one in report.executions if one.step.id == "double"]
        assert called.finished is not None
        assert [item["json"] for item in called.finished.outputs["main"]] == [{"n": 4}]


class TestTakeover:
    async def test_engines_that_vanish_lose_no_call(self, new_database: Any) -> None:
        """An engine vanishes with the child in its effect; another ends both, once each."""
        url = await new_database()
        WORLD.begin(held=True)
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as doomed:
            inner = await doomed.save(callee([node("a", "test.keyed")], "start > a"))
            run = await doomed.start(await doomed.save(calling(inner)), [{}, {}])
            await WORLD.reached.wait()
        WORLD.gate.set()
        async with running_engine(url, catalogue=catalogue(), options=QUICK) as heir:
            async with asyncio.timeout(10):
                assert (await heir.ended(run.id)).status == "completed"
            begun = await children(heir, run.id)
            assert [one.status for one in begun] == ["completed"] * 2
            assert set(WORLD.effects) == {f"{one.id}:a" for one in begun}
            assert (await heir.run(run.id)).tenant_id == TENANT
