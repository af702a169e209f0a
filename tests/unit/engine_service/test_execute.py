"""One attempt of one node: filled, run and judged; retries, failing items, and strange outputs."""

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from pydantic import model_validator

from engine_service.catalogue import Catalogue
from engine_service.core.decide import Complete, Fail, Run, decide
from engine_service.core.events import NodeFailed, NodeFinished
from engine_service.core.state import Execution, RunState
from engine_service.definitions.program import Program
from engine_service.expressions import Evaluator
from engine_service.running.attempt import Call, RunFacts
from engine_service.running.execute import Executor, Limits, Silence, World
from engine_service.sdk.node import Done, NodeInput, NodeParameters, Outcome, PureNode
from engine_service.sdk.run_input import items_of
from shared.clock import ManualClock
from shared.workflow import JsonObject, Workflow
from tests.support.engine import NoHttp
from tests.support.nodes import WORLD, catalogue

NOW = datetime.fromisoformat("2026-01-01T12:00:00+00:00")
FACTS = RunFacts("run_1", "ten_1", "wf_1", 3, "test", "api")


class Runner:
    """Runs a definition to its end in memory."""

    def __init__(
        self, definition: JsonObject, given: Any = None, types: Catalogue | None = None
    ) -> None:
        workflow = Workflow.model_validate(definition)
        self.clock = ManualClock(NOW)
        self.program = Program(workflow, "start", types or catalogue())
        self.state = RunState(self.program.flow, items_of(given if given is not None else {}), {})
        self.pauses: list[timedelta] = []

    async def run(self) -> Complete | Fail:
        evaluator = Evaluator()
        executor = Executor(World(NoHttp(), None, None), evaluator, self.clock, Limits(1_000_000))
        try:
            return await self._run(executor)
        finally:
            await evaluator.close()

    async def _run(self, executor: Executor) -> Complete | Fail:
        while True:
            commands = decide(self.state, self.clock.now())
            for command in commands:
                if isinstance(command, Complete | Fail):
                    return command
                assert isinstance(command, Run)
                call = Call(self.program, self.state, command.execution, FACTS, self.clock.now())
                result = executor.attempt_now(call) or await executor.attempt(call, Silence())
                self.state.apply(result.fact)
            if not commands:
                due = self.state.timers[0][0]
                self.pauses.append(due - self.clock.now())
                self.clock.advance(due - self.clock.now())

    def outputs(self, node_id: str) -> dict[str, list[Any]]:
        finished = self.state.executions[node_id, ()].finished
        assert finished is not None
        return {port: [item["json"] for item in given] for port, given in finished.outputs.items()}

    def fact(self, node_id: str) -> NodeFinished:
        finished = self.state.executions[node_id, ()].finished
        assert finished is not None
        return finished


def chain(*nodes: JsonObject, **more: Any) -> JsonObject:
    """Nodes one after another behind a manual trigger."""
    listed = [{"id": "start", "name": "Start", "type": "trigger.manual"}, *nodes]
    wires = [{"from": before["id"], "to": after["id"]} for before, after in pairwise(listed)]
    named = [{"name": node["id"].title(), **node} for node in listed]
    return {"name": "w", "nodes": named, "connections": wires, **more}


def a_set(node_id: str, **assignments: Any) -> JsonObject:
    listed = [{"name": name, "value": value} for name, value in assignments.items()]
    return {"id": node_id, "type": "data.set", "parameters": {"assignments": listed}}


TURNS: list[int] = []
SEEN: list[int] = []


class WatchingParameters(NodeParameters):
    """Parameters that remember how many turns others have had when they were checked."""

    n: int

    @model_validator(mode="after")
    def watch(self) -> "WatchingParameters":
        SEEN.append(len(TURNS))
        return self


class Watching(PureNode[WatchingParameters]):
    """Hands on its parameters."""

    Parameters = WatchingParameters
    type = "test.watching"
    title = "Watching"
    examples = ({"n": 1},)

    def run(self, given: NodeInput[WatchingParameters]) -> Outcome:
        return Done({"main": [{"json": {"n": one.n}} for one in given.parameters]})


async def test_many_items_leave_others_their_turn() -> None:
    async def others() -> None:
        while True:
            TURNS.append(0)
            await asyncio.sleep(0)

    watching = {"id": "a", "name": "A", "type": "test.watching"}
    nodes = [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {**watching, "parameters": {"n": "{{ $json.n + 1 }}"}},
    ]
    definition: JsonObject = {"nodes": nodes, "connections": [{"from": "start", "to": "a"}]}
    runner = Runner(
        definition,
        [{"n": n} for n in range(5_001)],
        Catalogue([*(type(one) for one in catalogue()), Watching]),
    )
    beside = asyncio.create_task(others())
    ended = await runner.run()
    beside.cancel()
    assert isinstance(ended, Complete)
    assert [item["json"]["n"] for item in ended.output] == list(range(1, 5_002))
    assert len(set(SEEN)) >= 10


async def test_a_message_is_cut_to_what_can_be_told_in_lists() -> None:
    long = {"id": "a", "name": "A", "type": "flow.stop", "parameters": {"message": "e" * 1_000}}
    deep = "{{ (() => { throw new Error('e'.repeat(1e6)) })() }}"
    broken = {**long, "parameters": {"message": deep}}
    for node, length in ((long, 1_000), (broken, 2_001)):
        start = {"id": "start", "name": "Start", "type": "trigger.manual"}
        edges = [{"from": "start", "to": "a"}]
        ended = await Runner({"nodes": [start, node], "connections": edges}).run()
        assert isinstance(ended, Fail)
        assert len(ended.message) == length


async def test_parameters_are_filled_for_each_item() -> None:
    runner = Runner(
        chain(a_set("a", x="{{ $json.n }}", y="{{ $json.n * 2 }}")), [{"n": 1}, {"n": 2}]
    )
    assert await runner.run() == Complete(
        [{"json": {"x": 1, "y": 2}}, {"json": {"x": 2, "y": 4}}], None
    )
    assert runner.outputs("a")["main"] == [{"x": 1, "y": 2}, {"x": 2, "y": 4}]


async def test_expressions_see_other_nodes_and_which_item_was_made_from_which() -> None:
    keep_even = {
        "id": "even",
        "type": "flow.filter",
        "parameters": {
            "conditions": [
                {"left": "{{ $json.n % 2 }}", "type": "number", "operator": "equals", "right": 0}
            ]
        },
    }
    seen = a_set(
        "seen",
        paired="{{ $('First').item.json.n }}",
        all="{{ $('First').all().length }}",
        run="{{ $run.id }}",
        workflow="{{ $workflow.name }}",
    )
    runner = Runner(
        chain(a_set("first", n="{{ $json.n }}"), keep_even, seen), [{"n": n} for n in range(5)]
    )
    assert isinstance(await runner.run(), Complete), runner.state.failed
    assert runner.outputs("seen")["main"] == [
        {"paired": n, "all": 5, "run": "run_1", "workflow": "w"} for n in (0, 2, 4)
    ]


async def test_inside_a_loop_expressions_see_the_current_iteration() -> None:
    definition = {
        "name": "w",
        "nodes": [
            {"id": "start", "name": "Start", "type": "trigger.manual"},
            {"id": "each", "name": "Each", "type": "flow.loop", "parameters": {"batch_size": 2}},
            {
                "name": "Work",
                **a_set("work", n="{{ $json.n }}", first="{{ $('Each').first().json.n }}"),
            },
            {
                "name": "Again",
                **a_set("again", n="{{ $('Work').item.json.n * 10 }}", at="{{ $runIndex }}"),
            },
            {
                "name": "After",
                **a_set("after", n="{{ $json.n }}", runs="{{ $('Work').all(0, 0).length }}"),
            },
        ],
        "connections": [
            {"from": "start", "to": "each"},
            {"from": "each", "port": "loop", "to": "work"},
            {"from": "work", "to": "again"},
            {"from": "again", "to": "each"},
            {"from": "each", "port": "done", "to": "after"},
        ],
    }
    runner = Runner(definition, [{"n": 1}, {"n": 2}, {"n": 3}])
    assert isinstance(await runner.run(), Complete), runner.state.failed
    finished = runner.state.executions["work", (1,)].finished
    assert finished is not None
    assert [item["json"] for item in finished.outputs["main"]] == [{"n": 3, "first": 3}]
    assert runner.outputs("after")["main"] == [
        {"n": 10, "runs": 2},
        {"n": 20, "runs": 2},
        {"n": 30, "runs": 2},
    ]


async def test_a_disabled_node_passes_its_input_on() -> None:
    runner = Runner(
        chain({**a_set("a", x=1), "disabled": True}, a_set("b", y="{{ $json.n }}")), {"n": 7}
    )
    await runner.run()
    assert runner.outputs("a") == {"main": [{"n": 7}]}
    assert runner.outputs("b") == {"main": [{"y": 7}]}


async def test_a_node_that_executes_once_sees_the_first_item() -> None:
    once = {**a_set("a", n="{{ $json.n }}"), "settings": {"execute_once": True}}
    runner = Runner(chain(once), [{"n": 1}, {"n": 2}])
    await runner.run()
    assert runner.outputs("a") == {"main": [{"n": 1}]}


async def test_always_output_gives_one_empty_item_instead_of_none() -> None:
    empty = {"id": "a", "type": "test.give", "parameters": {"what": "nothing"}}
    stopped = Runner(chain(empty, a_set("b", x=1)))
    await stopped.run()
    assert stopped.state.skipped == [("b", ())]
    kept = Runner(chain({**empty, "settings": {"always_output": True}}, a_set("b", x=1)))
    await kept.run()
    assert kept.outputs("b") == {"main": [{"x": 1}]}


def picky(**settings: Any) -> JsonObject:
    return {
        "id": "picky",
        "type": "test.picky",
        "parameters": {"value": "{{ $json.n }}"},
        "settings": settings,
    }


async def test_a_failing_item_fails_the_run_unless_its_author_wants_otherwise() -> None:
    runner = Runner(chain(picky()), [{"n": 2}, {"n": 3}])
    assert await runner.run() == Fail("odd", "Item 1: 3 is odd", "picky")


async def test_failing_items_leave_by_the_error_port() -> None:
    definition = chain(picky(on_error="error_port"))
    given = [{"n": 2}, {"n": 3}, {"n": "no number"}, {"n": 4}]
    runner = Runner(definition, given)
    await runner.run()
    outputs = runner.outputs("picky")
    assert outputs["main"] == [{"value": 2}, {"value": 4}]
    assert [(one["n"], one["error"]["code"]) for one in outputs["error"]] == [
        (3, "odd"),
        ("no number", "invalid_parameters"),
    ]
    pairs = [item["paired_item"] for item in runner.fact("picky").outputs["main"]]
    assert pairs == [0, 3]


async def test_failing_items_go_on_as_they_came_in_their_place() -> None:
    runner = Runner(chain(picky(on_error="continue")), [{"n": 2}, {"n": 3}, {"n": 4}])
    await runner.run()
    assert runner.outputs("picky") == {"main": [{"value": 2}, {"n": 3}, {"value": 4}]}


def flaky(fail_times: int, retry: JsonObject | None = None, **more: Any) -> JsonObject:
    WORLD.begin()
    settings = {} if retry is None else {"retry": retry}
    parameters = {"fail_times": fail_times, **more}
    return {"id": "a", "type": "test.keyed", "parameters": parameters, "settings": settings}


async def test_a_retryable_failure_is_repeated_with_doubling_pauses() -> None:
    runner = Runner(chain(flaky(3, {"max_attempts": 4, "backoff": 1, "max_delay": 3})))
    assert isinstance(await runner.run(), Complete)
    assert [pause.total_seconds() for pause in runner.pauses] == [1, 2, 3]
    assert dict(WORLD.effects) == {"run_1:a": 4}  # the same key every time


async def test_the_other_side_may_ask_for_a_longer_pause() -> None:
    runner = Runner(chain(flaky(1, {"backoff": 1}, retry_after=20)))
    await runner.run()
    assert [pause.total_seconds() for pause in runner.pauses] == [20]


async def test_attempts_are_limited_and_bound_to_codes() -> None:
    runner = Runner(chain(flaky(9, {"max_attempts": 2, "backoff": 0})))
    assert await runner.run() == Fail("flaky", "not yet", "a")
    assert WORLD.effects["run_1:a"] == 2
    other = Runner(chain(flaky(9, {"max_attempts": 5, "on": ["timeout"]})))
    assert isinstance(await other.run(), Fail)
    assert WORLD.effects["run_1:a"] == 1


async def test_a_node_that_takes_too_long_is_stopped() -> None:
    node = flaky(0)
    WORLD.begin(held=True)
    node["settings"] = {"timeout": 0.01}
    runner = Runner(chain(node))
    ended = await runner.run()
    assert isinstance(ended, Fail)
    assert ended.code == "timeout"
    assert WORLD.stopped["run_1:a"] == 1


@pytest.mark.parametrize(
    ("what", "code"),
    [("odd", "output_not_json"), ("large", "output_too_large"), ("error", "internal_error")],
)
async def test_what_cannot_be_kept_fails_the_node(what: str, code: str) -> None:
    runner = Runner(chain({"id": "a", "type": "test.give", "parameters": {"what": what}}))
    ended = await runner.run()
    assert isinstance(ended, Fail)
    assert ended.code == code
    assert isinstance(runner.state.failed, Execution)
    assert isinstance(runner.state.failed.failed, NodeFailed)


@pytest.mark.parametrize("what", ["huge", "nul"])
async def test_large_numbers_and_nul_are_json(what: str) -> None:
    runner = Runner(chain({"id": "a", "type": "test.give", "parameters": {"what": what}}))
    assert isinstance(await runner.run(), Complete)


async def test_an_expression_that_fails_names_its_place() -> None:
    runner = Runner(chain(a_set("a", x="{{ $('Nobody').first().json.x }}")))
    ended = await runner.run()
    assert isinstance(ended, Fail)
    assert ended.code == "node_not_executed"
    assert "/assignments/0/value" in ended.message
