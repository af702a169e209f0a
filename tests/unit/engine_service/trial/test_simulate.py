"""Trials: logic for real, the world not at all, and an end to everything."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from engine_service.catalogue import builtin
from engine_service.code.sandbox import Sandbox
from engine_service.expressions import Evaluator
from engine_service.running.execute import World
from engine_service.sdk.node import HttpRequest, HttpResponse
from engine_service.trial.simulate import Bounds, Ending, Report, Simulator, Trial
from engine_service.web.addresses import AllowList
from engine_service.web.outgoing import GuardedHttpClient
from shared.clock import ManualClock
from shared.errors import InvalidInput
from shared.workflow import Workflow

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "hunter2"


class NoWorld:
    """A world in which every touch is a failure of the test."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        raise AssertionError(f"the trial sent {request}")


@pytest.fixture(scope="module")
async def evaluator() -> AsyncIterator[Evaluator]:
    evaluator = Evaluator()
    yield evaluator
    await evaluator.close()


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=1)
    yield sandbox
    await sandbox.close()


@pytest.fixture
def simulator(evaluator: Evaluator, sandbox: Sandbox) -> Simulator:
    return bounded(evaluator, Bounds(), sandbox)


def bounded(evaluator: Evaluator, bounds: Bounds, sandbox: Sandbox | None = None) -> Simulator:
    world = World(http=NoWorld(), sandbox=sandbox, models=None)
    refusal = GuardedHttpClient(AllowList.parse(["inner.local"])).refusal
    clock = ManualClock(NOW)
    return Simulator(builtin(), world, evaluator, clock, refusal=refusal, bounds=bounds)


def node(node_id: str, node_type: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
    plain = {"id": node_id, "name": node_id.title(), "type": node_type}
    return {**plain, "parameters": parameters or {}}


def workflow(nodes: list[dict[str, Any]], *ways: str) -> Workflow:
    """Ways are `from>to`, or `from:port>to`, or `from>to:input`."""
    connections: list[dict[str, Any]] = []
    for way in ways:
        source, target = way.split(">")
        source, _, port = source.partition(":")
        target, _, entrance = target.partition(":")
        edge = {"from": source, "to": target, "port": port or "main", "input": entrance or "main"}
        connections.append(edge)
    return Workflow.model_validate({"nodes": nodes, "connections": connections})


def assign(**values: Any) -> dict[str, Any]:
    return {"assignments": [{"name": name, "value": value} for name, value in values.items()]}


START = node("start", "trigger.manual")
POST = node(
    "post",
    "http.request",
    {
        "method": "POST",
        "url": "https://example.com/orders?api_key=hunter2",
        "body": {"total": "{{ $json.total }}"},
        "auth": {"kind": "bearer", "token": SECRET},
    },
)
BIG = node(
    "big",
    "flow.if",
    {"conditions": [{"left": "{{ $json.total }}", "type": "number", "operator": "gt", "right": 5}]},
)


def given(items: list[Any]) -> bytes:
    return json.dumps(items).encode()


def json_of(report: Report, node_id: str, port: str = "main") -> list[Any]:
    """What the first execution of a node gave out."""
    execution = next(one for one in report.executions if one.step.id == node_id)
    assert execution.finished is not None
    return [item["json"] for item in execution.finished.outputs[port]]


async def test_logic_is_real_and_the_world_is_only_told_of(simulator: Simulator) -> None:
    total = node("total", "data.set", assign(total="{{ $json.a * 2 }}"))
    ways = ("start>total", "total>big", "big:true>post", "big:false>small")
    definition = workflow([START, total, BIG, POST, node("small", "flow.noop")], *ways)
    report = await simulator.simulate(Trial(definition, input=given([{"json": {"a": 4}}])))
    assert report.ending == Ending()
    assert json_of(report, "total")[0]["total"] == 8
    assert report.unreached == ["small"]
    assert [key[0] for key in report.skipped] == ["small"]
    [effect] = report.effects
    assert (effect.node_id, effect.type) == ("post", "http.request")
    assert effect.summary == "POST https://example.com/orders?…"
    assert effect.request["body"] == {"total": 8}
    assert SECRET not in str(effect)
    assert json_of(report, "post")


async def test_every_item_has_its_effect(simulator: Simulator) -> None:
    definition = workflow([START, POST], "start>post")
    items = [{"json": {"total": n}} for n in range(3)]
    report = await simulator.simulate(Trial(definition, input=given(items)))
    assert [effect.request["body"]["total"] for effect in report.effects] == [0, 1, 2]


async def test_waits_are_passed_over_and_approvals_given(simulator: Simulator) -> None:
    nodes = [
        START,
        node("wait", "flow.wait", {"amount": 3, "unit": "days"}),
        node("ask", "human.approval", {"title": "Go on?"}),
        node("yes", "flow.noop"),
        node("no", "flow.noop"),
    ]
    ways = ("start>wait", "wait>ask", "ask:approved>yes", "ask:rejected>no")
    report = await simulator.simulate(Trial(workflow(nodes, *ways), input=given([{"json": {}}])))
    assert report.ending == Ending()
    assert report.unreached == ["no"]
    assert [effect.node_id for effect in report.effects] == ["wait", "ask"]


def code(source: str, **parameters: Any) -> dict[str, Any]:
    return node("code", "code.javascript", {"code": source, **parameters})


async def test_an_authors_code_really_runs(simulator: Simulator) -> None:
    double = code("return $input.all().map(item => ({ n: item.json.n * 2 }));")
    definition = workflow([START, double, POST], "start>code", "code>post")
    items = [{"json": {"n": 2}}, {"json": {"n": 3}}]
    report = await simulator.simulate(Trial(definition, input=given(items)))
    assert report.ending == Ending()
    assert json_of(report, "code") == [{"n": 4}, {"n": 6}]
    assert list(report.computed) == ["start", "code"]
    assert [effect.node_id for effect in report.effects] == ["post", "post"]


async def test_data_pinned_to_code_answers_for_it(simulator: Simulator) -> None:
    definition = workflow([START, code("throw new Error('ran')")], "start>code")
    pinned = {"code": [{"json": {"n": 1}}]}
    report = await simulator.simulate(Trial(definition, pinned=pinned))
    assert json_of(report, "code") == [{"n": 1}]
    assert list(report.computed) == ["start"]
    assert not report.effects


@pytest.mark.parametrize(
    ("source", "parameters", "failure"),
    [
        ("while (true) {}", {"timeout": 0.2}, "code_timeout"),
        (
            "const a = []; while (true) a.push(new Array(1e5).fill(1))",
            {"memory": 16},
            "code_memory",
        ),
        ("return 7", {}, "code_result_invalid"),
    ],
)
async def test_code_has_its_limits_in_a_trial_too(
    simulator: Simulator, source: str, parameters: dict[str, Any], failure: str
) -> None:
    definition = workflow([START, code(source, **parameters)], "start>code")
    report = await simulator.simulate(Trial(definition))
    assert report.ending is not None
    assert (report.ending.code, report.ending.node_id) == (failure, "code")


async def test_code_that_outlasts_the_trial_is_ended(
    evaluator: Evaluator, sandbox: Sandbox
) -> None:
    definition = workflow([START, code("while (true) {}", timeout=60)], "start>code")
    simulator = bounded(evaluator, Bounds(seconds=0.3), sandbox)
    report = await simulator.simulate(Trial(definition))
    assert report.ending is not None
    assert report.ending.code in ("time_limit", "timeout")
    after = workflow([START, code("return { n: 1 }")], "start>code")
    assert json_of(await bounded(evaluator, Bounds(), sandbox).simulate(Trial(after)), "code")


async def test_failing_code_is_really_tried_again(simulator: Simulator) -> None:
    again = {"max_attempts": 3, "backoff": 3600, "max_delay": 86400, "on": ["code_failed"]}
    failing = {**code("throw new Error(`at ${$now.hour}`)"), "settings": {"retry": again}}
    report = await simulator.simulate(Trial(workflow([START, failing], "start>code")))
    assert report.ending is not None
    assert report.ending.message == "at 6 (line 1)"  # an hour and two hours after three o'clock
    assert report.executions[-1].attempt == 3


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://127.0.0.1:8080/x", True),
        ("http://2130706433/", True),
        ("http://metadata.internal/", True),
        ("ftp://example.com/", True),
        ("http://inner.local/", False),
        ("https://example.com/", False),
    ],
)
async def test_an_address_that_will_be_refused_is_warned_of(
    simulator: Simulator, url: str, refused: bool
) -> None:
    fetch = node("fetch", "http.request", {"url": "{{ $json.url }}"})
    items = [{"json": {"url": url}}] * 2
    trial = Trial(workflow([START, fetch], "start>fetch"), input=given(items))
    report = await simulator.simulate(trial)
    assert report.ending == Ending()
    warned = [(one.pointer, one.code, one.severity) for one in report.diagnostics]
    assert warned == [("/nodes/1", "address_refused", "warning")] * refused


async def test_branches_meet_again(simulator: Simulator) -> None:
    nodes = [
        START,
        node("left", "data.set", assign(side="left")),
        node("right", "data.set", assign(side="right")),
        node("both", "flow.merge"),
    ]
    ways = ("start>left", "start>right", "left>both:first", "right>both:second")
    merge = builtin().get("flow.merge")
    first, second, *_ = merge.input_names({})
    ways = (*ways[:2], f"left>both:{first}", f"right>both:{second}")
    report = await simulator.simulate(Trial(workflow(nodes, *ways), input=given([{"json": {}}])))
    assert [item["side"] for item in json_of(report, "both")] == ["left", "right"]


async def test_pinned_data_answers_for_any_node(simulator: Simulator) -> None:
    total = node("total", "data.set", assign(total="{{ $json.missing.deep }}"))
    end = node("end", "data.set", assign(seen="{{ $json.id }}"))
    definition = workflow([START, total, POST, end], "start>total", "total>post", "post>end")
    pinned = {"total": [{"json": {"total": 7}}], "post": [{"json": {"id": "o_1"}}]}
    report = await simulator.simulate(Trial(definition, input=given([{"json": {}}]), pinned=pinned))
    assert report.ending == Ending()
    assert report.effects[0].request["body"] == {"total": 7}
    assert json_of(report, "end")[0]["seen"] == "o_1"
    definition.pinned.update({"total": [{"json": {"total": 8}}], "post": pinned["post"]})
    report = await simulator.simulate(Trial(definition, input=given([{"json": {}}])))
    assert report.effects[0].request["body"] == {"total": 8}
    with pytest.raises(InvalidInput) as caught:
        await simulator.simulate(Trial(definition, pinned={"nobody": []}))
    assert caught.value.violations[0].pointer == "/pinned/nobody"


async def test_a_run_that_would_fail_says_where(simulator: Simulator) -> None:
    stop = node("stop", "flow.stop", {"message": "Not today"})
    report = await simulator.simulate(Trial(workflow([START, stop], "start>stop")))
    assert report.ending is not None
    assert report.ending.node_id == "stop"
    assert "Not today" in report.ending.message


async def test_an_unsound_definition_is_not_tried(simulator: Simulator) -> None:
    report = await simulator.simulate(Trial(workflow([START, node("x", "http.requst")])))
    assert report.ending is None
    assert "unknown_node_type" in [one.code for one in report.diagnostics]
    assert not report.executions


async def test_the_trigger_can_be_chosen(simulator: Simulator) -> None:
    hook = node("hook", "trigger.webhook", {"path": "in"})
    definition = workflow([START, hook, node("end", "flow.noop")], "start>end", "hook>end")
    report = await simulator.simulate(Trial(definition, trigger_node_id="hook"))
    assert [one.step.id for one in report.executions] == ["hook", "end"]
    with pytest.raises(InvalidInput):
        await simulator.simulate(Trial(definition, trigger_node_id="end"))


@pytest.mark.parametrize(
    ("trigger", "expression", "expected"),
    [
        (node("t", "trigger.manual"), "{{ $json.customer.email }}", "sample@example.com"),
        (node("t", "trigger.webhook", {"path": "in"}), "{{ $json.body.total + 1 }}", 101),
        (node("t", "trigger.webhook", {"path": "in"}), "{{ $json.method }}", "POST"),
        (
            node("t", "trigger.schedule", {"rules": [{"cron": "0 9 * * *"}]}),
            "{{ $json.timestamp }}",
            "2026-01-02T09:00:00.000+00:00",
        ),
        (
            node("t", "trigger.manual", {"fields": [{"name": "city", "choices": ["Rome"]}]}),
            "{{ $json.city }}",
            "Rome",
        ),
    ],
)
async def test_input_is_made_up_when_none_is_given(
    simulator: Simulator, trigger: dict[str, Any], expression: str, expected: Any
) -> None:
    definition = workflow([trigger, node("end", "data.set", assign(seen=expression))], "t>end")
    report = await simulator.simulate(Trial(definition))
    assert report.ending == Ending()
    assert json_of(report, "end")[0]["seen"] == expected


async def test_input_must_fit_the_triggers_form(simulator: Simulator) -> None:
    form = node("t", "trigger.manual", {"fields": [{"name": "n", "type": "number"}]})
    with pytest.raises(InvalidInput) as caught:
        await simulator.simulate(Trial(workflow([form]), input=b'{"n": "many"}'))
    assert [one.pointer for one in caught.value.violations] == ["/input/n"]


LOOP = workflow(
    [START, node("loop", "flow.loop"), node("body", "flow.noop")],
    "start>loop",
    "loop:loop>body",
    "body>loop",
)


async def test_a_loop_runs_for_every_batch(simulator: Simulator) -> None:
    items = [{"json": {"n": n}} for n in range(3)]
    report = await simulator.simulate(Trial(LOOP, input=given(items)))
    assert report.ending == Ending()
    assert [one.iteration for one in report.executions if one.step.id == "body"] == [
        (0,),
        (1,),
        (2,),
    ]


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        (Bounds(steps=50), "step_limit"),
        (Bounds(seconds=0.05), "time_limit"),
        (Bounds(all_bytes=10_000), "size_limit"),
        (Bounds(node_bytes=1_000), "output_too_large"),
    ],
)
async def test_every_trial_comes_to_an_end(evaluator: Evaluator, bounds: Bounds, code: str) -> None:
    items = [{"json": {"n": n}} for n in range(6_000)]
    report = await bounded(evaluator, bounds).simulate(Trial(LOOP, input=given(items)))
    assert report.ending is not None
    assert report.ending.code == code
    assert report.executions
