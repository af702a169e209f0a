"""What the expressions of one execution can see of other nodes.

That is their outputs, and which item of theirs each of its own items was made from. Everything is
looked up when asked for, because most expressions ask for nothing of it. Inside a loop a node sees
the iteration it is in; from outside it sees all iterations. Of nodes in a circle, or behind one, it
sees the executions that its own data came from, whatever else has happened meanwhile.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from engine_service.core.circles import is_loop_level
from engine_service.core.events import Iteration, Key
from engine_service.core.flow import DONE, LOOP, Step
from engine_service.core.state import Execution, RunState
from engine_service.definitions.program import Program
from engine_service.expressions import NodeOutput
from shared.workflow import Item


class Outputs(Mapping[str, NodeOutput]):
    """Outputs by node name, as one execution sees them."""

    def __init__(self, program: Program, state: RunState, seen_from: Execution) -> None:
        self._program = program
        self._state = state
        self._seen_from = seen_from
        self._before: set[Key] | None = None

    def __getitem__(self, name: str) -> NodeOutput:
        step = self._program.steps_by_name[name]
        runs = [_ports(step, one, self._seen_from) for one in self._visible(step)]
        if not runs:
            raise KeyError(name)
        port = 0 if step.is_loop else step.shape.ports.index(_leading(step, self._seen_from.step))
        return NodeOutput(runs=[ports for passes in runs for ports in passes], port=port)

    def __contains__(self, name: object) -> bool:
        step = self._program.steps_by_name.get(cast("str", name))
        return step is not None and any(True for _ in self._visible(step))

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._program.steps_by_name if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _visible(self, step: Step) -> Iterator[Execution]:
        """The executions that have results, in the iterations this one is in."""
        around, iteration = self._seen_from.step.nest, self._seen_from.iteration
        if not all(map(is_loop_level, step.nest)):
            yield from self._sources(step)
            return
        common = _common(around, step.nest)
        if common == len(step.nest):
            one = self._state.executions.get((step.id, iteration[:common]))
            if one is not None and one.finished is not None:
                yield one
            return
        for one in self._state.of_step.get(step.id, ()):
            if one.finished is not None and one.iteration[:common] == iteration[:common]:
                yield one

    def _sources(self, step: Step) -> Iterator[Execution]:
        """Those of a node that this execution's data came from, in order."""
        if self._before is None:
            self._before = _before(self._state, self._seen_from)
        for one in self._state.of_step.get(step.id, ()):
            if one.finished is not None and one.key in self._before:
                yield one


def _leading(source: Step, viewer: Step) -> str:
    """The port of a node that leads to who looks at it, by the shortest way; else its first one."""
    seen = {viewer.id}
    waiting = [viewer]
    for step in waiting:
        for edge in step.sources:
            if edge.source is source:
                return edge.port if edge.port in source.shape.ports else source.shape.ports[0]
            if edge.source.id not in seen:
                seen.add(edge.source.id)
                waiting.append(edge.source)
    return source.shape.ports[0]


class Written(Mapping[str, Mapping[str, Any]]):
    """By node name: its parameters as they stand in the definition."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return self._program.steps_by_name[name].node.parameters

    def __iter__(self) -> Iterator[str]:
        return iter(self._program.steps_by_name)

    def __len__(self) -> int:
        return len(self._program.steps_by_name)


def previous(execution: Execution) -> Mapping[str, Any]:
    """The node that the first items came from, as `$prevNode` names it."""
    arrival = next((one for one in execution.arrivals if one.items), None)
    if arrival is None or arrival.edge.source is execution.step:
        return {}
    source, port = arrival.edge.source, arrival.edge.port
    place = source.shape.ports.index(port) if port in source.shape.ports else 0
    return {"name": source.node.name, "outputIndex": place, "runIndex": 0}


def _before(state: RunState, execution: Execution) -> set[Key]:
    """The executions from which an execution's items came, directly or not."""
    seen: set[Key] = set()
    waiting = [execution]
    while waiting:
        for arrival in waiting.pop().arrivals:
            source = arrival.edge.source
            key = source.id, _own(source, arrival.edge.port, arrival.iteration)
            found = state.executions.get(key)
            if found is not None and key not in seen:
                seen.add(key)
                waiting.append(found)
    return seen


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    common = 0
    while common < min(len(one), len(other)) and one[common] == other[common]:
        common += 1
    return common


def _ports(step: Step, one: Execution, seen_from: Execution) -> list[list[list[Item]]]:
    """What an execution gave out of each port; of a loop around the viewer, batch by batch."""
    outputs = one.finished.outputs if one.finished else {}
    if not step.is_loop:
        return [[outputs.get(port, []) for port in step.shape.ports]]
    if step.id in seen_from.step.nest:
        current = seen_from.iteration[len(step.nest)]
        return [[outputs.get(f"{LOOP}:{number}", [])] for number in range(current + 1)]
    return [[outputs.get(DONE, [])]]


class Pairs(Mapping[str, Sequence[int | None]]):
    """By node name: from which item of that node's output each input item was made."""

    def __init__(self, program: Program, state: RunState, seen_from: Execution) -> None:
        self._program = program
        self._state = state
        self._seen_from = seen_from

    def __getitem__(self, name: str) -> Sequence[int | None]:
        step = self._program.steps_by_name[name]
        first = self._seen_from.step.shape.inputs[0]
        count = sum(len(a.items) for a in self._seen_from.arrivals if a.edge.input == first)
        return [self._trace(step, first, index) for index in range(count)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._program.steps_by_name)

    def __len__(self) -> int:
        return len(self._program.steps_by_name)

    def _trace(self, wanted: Step, name: str, index: int) -> int | None:
        """Follow one item back along the edges it came by."""
        execution = self._seen_from
        while True:
            arrived = _arrival(execution, name, index)
            if arrived is None:
                return None
            source, port, iteration, index = arrived
            if execution.step is self._program.flow.trigger:
                return None  # the run's input: there is nothing before it
            if source is wanted:
                return index if port in (_leading(source, self._seen_from.step), DONE) else None
            found = self._state.executions.get((source.id, _own(source, port, iteration)))
            if found is None or found.finished is None:
                return None
            execution = found
            made_from = _made_from(found, port, iteration, index)
            if made_from is None:
                return None
            name, index = made_from


def _arrival(
    execution: Execution, name: str, index: int
) -> tuple[Step, str, Iteration, int] | None:
    for arrival in execution.arrivals:
        if arrival.edge.input != name:
            continue
        if index < len(arrival.items):
            return arrival.edge.source, arrival.edge.port, arrival.iteration, index
        index -= len(arrival.items)
    return None


def _own(source: Step, port: str, iteration: Iteration) -> Iteration:
    """The iteration of the execution itself; what leaves a loop by `loop` is one level deeper."""
    return iteration[:-1] if source.is_loop and port == LOOP else iteration


def _made_from(
    execution: Execution, port: str, iteration: Iteration, index: int
) -> tuple[str, int] | None:
    """Which input item an output item says it was made from."""
    step = execution.step
    name = f"{LOOP}:{iteration[-1]}" if step.is_loop and port == LOOP else port
    outputs = execution.finished.outputs if execution.finished else {}
    items = outputs.get(name, [])
    if index >= len(items) or (step.is_loop and port == DONE):
        return None
    paired: Any = items[index].get("paired_item")
    if isinstance(paired, list) and paired:
        paired = cast("list[Any]", paired)[0]
    if isinstance(paired, dict):
        pair = cast("dict[str, Any]", paired)
        inner, place = pair.get("input", step.shape.inputs[0]), pair.get("item")
        return (inner, place) if isinstance(place, int) else None
    return (step.shape.inputs[0], paired) if isinstance(paired, int) else None
