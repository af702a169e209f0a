"""Records the runs of this folder: `python -m tests.replay.record`.

What is recorded stays: a tape that is there already is never written again, because it says what
was decided then. A new scenario is a new function and a new file.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine_service.core.decide import (
    AskOutcome,
    Complete,
    Expire,
    Fail,
    GiveUp,
    Run,
    decide,
    next_due,
)
from engine_service.core.events import (
    AnyFact,
    NodeAnswered,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    NodeWaited,
)
from engine_service.core.state import Execution, RunState
from engine_service.sdk.run_input import items_of
from shared.workflow import Item, JsonObject
from tests.support.flows import START
from tests.support.replay import Step, Tape, describe

FOLDER = Path(__file__).parent
Happens = Callable[[Execution], list[AnyFact]]


def node(node_id: str, kind: str, **parameters: Any) -> JsonObject:
    return {"id": node_id, "name": node_id.title(), "type": kind, "parameters": parameters}


def definition(nodes: list[JsonObject], wires: str) -> JsonObject:
    connections: list[JsonObject] = []
    for wire in wires.split(";"):
        left, right = (part.strip() for part in wire.split(">"))
        source, _, port = left.partition(":")
        target, _, place = right.partition("/")
        connections.append(
            {"from": source, "port": port or "main", "to": target, "input": place or "main"}
        )
    return {
        "name": "w",
        "nodes": [node("start", "trigger.manual"), *nodes],
        "connections": connections,
    }


def gives(execution: Execution, **outputs: list[Item]) -> list[AnyFact]:
    node_id, iteration = execution.key
    return [NodeFinished(node_id, iteration, execution.attempt, START, outputs)]


def passes(execution: Execution) -> list[AnyFact]:
    """Gives what came in out of its first port; a loop in batches of one."""
    items = [item for given in execution.inputs().values() for item in given]
    if execution.step.is_loop:
        return gives(execution, **{f"loop:{n}": [item] for n, item in enumerate(items)})
    return gives(execution, **{execution.step.shape.ports[0]: items})


def record(
    what: JsonObject, given: Any, happens: dict[str, Happens], *, last_first: bool = False
) -> Tape:
    """Play a definition, with time leaping to the next timer when nothing is open."""
    tape = Tape(what, given, [])
    state, now, steps = RunState(tape.flow(), items_of(given), {}), START, list[Step]()
    open_runs: list[Execution] = []
    while True:
        commands = decide(state, now)
        then: list[AnyFact] = []
        for command in commands:
            match command:
                case Run(execution):
                    open_runs.append(execution)
                case Expire(execution) | AskOutcome(execution) | GiveUp(execution):
                    then += happens[f"{execution.step.id}!"](execution)
                case Complete() | Fail():
                    steps.append(Step(now, [describe(command)], []))
                    return Tape(what, given, steps)
        if open_runs and not then:
            execution = open_runs.pop(-1 if last_first else 0)
            then = happens.get(execution.step.id, passes)(execution)
        steps.append(Step(now, [describe(command) for command in commands], then))
        for fact in then:
            state.apply(fact)
        if not then:
            due = next_due(state)
            assert due is not None
            now = due


def branches() -> Tape:
    """A diamond behind an if, one arm of which is not taken."""
    condition = {"left": "{{ $json.n }}", "type": "number", "operator": "gt", "right": 1}
    nodes = [
        node("check", "flow.if", conditions=[condition]),
        node("yes", "flow.noop"),
        node("also", "flow.noop"),
        node("no", "flow.noop"),
        node("join", "flow.merge", inputs=3),
        node("end", "flow.noop"),
    ]
    wires = (
        "start > check; check:true > yes; check:true > also; check:false > no;"
        "yes > join/input1; no > join/input2; also > join/input3; join > end"
    )
    return record(definition(nodes, wires), {"n": 2}, {}, last_first=True)


def loops() -> Tape:
    """Loops within loops, with an edge into the body and one out of it."""
    nodes = [
        node("outer", "flow.loop"),
        node("inner", "flow.loop"),
        node("table", "flow.noop"),
        node("work", "flow.merge"),
        node("report", "flow.noop"),
        node("after", "flow.noop"),
    ]
    wires = (
        "start > table; start > outer; outer:loop > inner; inner:loop > work/input1;"
        "table > work/input2; work > inner; work > report; inner:done > outer; outer:done > after;"
        "outer:done > report"
    )
    return record(definition(nodes, wires), [{"n": 1}, {"n": 2}], {})


def retries() -> Tape:
    """An effect that works at the third attempt, beside a branch that goes on."""

    def flaky(execution: Execution) -> list[AnyFact]:
        if execution.attempt == 3:
            return gives(execution, main=[{"json": {"ok": True}}])
        later = START + timedelta(seconds=10 * execution.attempt)
        return [
            NodeStarted("call", (), execution.attempt, START),
            NodeFailed("call", (), execution.attempt, START, "http_status", "503", later),
        ]

    nodes = [node("call", "test.keyed"), node("beside", "flow.noop"), node("end", "flow.noop")]
    return record(
        definition(nodes, "start > call; start > beside; call > end"), {}, {"call": flaky}
    )


def expiry() -> Tape:
    """A question that nobody answers in time."""

    def ask(execution: Execution) -> list[AnyFact]:
        if execution.waited is None:
            return [NodeWaited("ask", (), 1, START, START + timedelta(hours=1), answerable=True)]
        return gives(execution, timeout=[{"json": {"late": True}}])

    def nobody(execution: Execution) -> list[AnyFact]:
        return [NodeAnswered("ask", (), execution.attempt, START, None)]

    nodes = [node("ask", "human.approval", title="Go?"), node("late", "flow.noop")]
    return record(
        definition(nodes, "start > ask; ask:timeout > late"), {}, {"ask": ask, "ask!": nobody}
    )


def failure() -> Tape:
    """One branch fails while another is under way."""

    def breaks(execution: Execution) -> list[AnyFact]:
        return [NodeFailed("call", (), execution.attempt, START, "http_status", "500")]

    nodes = [node("call", "test.keyed"), node("other", "test.keyed"), node("end", "flow.noop")]
    wires = "start > call; start > other; call > end; other > end"
    return record(definition(nodes, wires), {}, {"call": breaks})


def circle() -> Tape:
    """A retry that leads back twice, with a node behind it in every pass and one at the end."""

    def decides(execution: Execution) -> list[AnyFact]:
        port = "true" if execution.iteration[-1] < 2 else "false"
        return gives(execution, **{port: [{"json": {"pass": execution.iteration[-1]}}]})

    condition = {"left": "{{ $json.n }}", "type": "number", "operator": "gt", "right": 1}
    nodes = [
        node("call", "test.keyed"),
        node("check", "flow.if", conditions=[condition]),
        node("note", "flow.noop"),
        node("join", "flow.merge"),
    ]
    wires = (
        "start > call; call > check; check:true > call; call > note; note > join/input1;"
        "check:false > join/input2"
    )
    return record(definition(nodes, wires), {"n": 2}, {"check": decides}, last_first=True)


SCENARIOS: dict[str, Callable[[], Tape]] = {
    "branches": branches,
    "loops": loops,
    "retries": retries,
    "expiry": expiry,
    "failure": failure,
    "circle": circle,
}


def main() -> None:
    for name, scenario in SCENARIOS.items():
        path = FOLDER / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(scenario().to_json(), indent=1) + "\n")


if __name__ == "__main__":
    main()
