"""Definitions in a line, and runs without I/O: for tests of what decides."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from engine_service.core.decide import Command, Complete, Expire, Fail, Run, decide, next_due
from engine_service.core.events import AnyFact, Key, NodeAnswered, NodeFinished
from engine_service.core.flow import Flow, Shape
from engine_service.core.state import Execution, RunState
from shared.workflow import Connection, Item, Node, Workflow

START = datetime(2026, 1, 1, tzinfo=UTC)
Behaviour = Callable[[Execution], AnyFact]


def workflow(wires: str, **settings: dict[str, object]) -> Workflow:
    """A definition such as `start > a; a:true > b; b > c/right`, nodes in order of mention.

    `a:port > b/input`; port and input are `main` unless said. `settings` are by node id.
    """
    connections = [_wire(wire) for wire in wires.split(";")]
    ids = dict.fromkeys(name for wire in connections for name in (wire.source, wire.target))
    nodes = [
        Node.model_validate(
            {"id": name, "name": name.title(), "type": "test.node", **settings.get(name, {})}
        )
        for name in ids
    ]
    return Workflow(nodes=nodes, connections=connections)


def _wire(text: str) -> Connection:
    left, right = (part.strip() for part in text.split(">"))
    source, _, port = left.partition(":")
    target, _, place = right.partition("/")
    name, _, index = place.partition("#")
    return Connection.model_validate(
        {
            "from": source,
            "port": port or "main",
            "to": target,
            "input": name or "main",
            "index": int(index or 0),
        }
    )


def flow(wires: str, loops: Sequence[str] = (), ask: Sequence[str] = (), trigger: str = "") -> Flow:
    """A flow whose nodes have the ports that its wires name; `loops` and `ask` name some nodes."""
    definition = workflow(wires)
    return flow_of(definition, loops, ask, trigger)


def flow_of(
    definition: Workflow, loops: Sequence[str] = (), ask: Sequence[str] = (), trigger: str = ""
) -> Flow:
    """The flow of a definition, from its first node unless said otherwise."""
    shapes = {
        node.id: Shape(
            inputs=_names("main", [w.input for w in definition.connections if w.target == node.id]),
            ports=_names("main", [w.port for w in definition.connections if w.source == node.id]),
            loops=node.id in loops,
            repeatable=node.id not in ask,
        )
        for node in definition.nodes
    }
    return Flow(definition, trigger or definition.nodes[0].id, shapes)


def _names(first: str, more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([first, *sorted(more)]))


def items(*values: object) -> list[Item]:
    """Items that hold a value each."""
    return [{"json": {"v": value}} for value in values]


def values(given: Sequence[Item]) -> list[object]:
    """What `items` was given."""
    return [item["json"]["v"] for item in given]


def finished(execution: Execution, **outputs: list[Item]) -> NodeFinished:
    """The execution's latest attempt came to these outputs."""
    node_id, iteration = execution.key
    return NodeFinished(node_id, iteration, execution.attempt, START, outputs)


def passes_on(execution: Execution) -> NodeFinished:
    """Gives what comes in by any input out of every port; a loop one item at a time."""
    everything = [item for given in execution.inputs().values() for item in given]
    if execution.step.is_loop:
        batches = {f"loop:{number}": [item] for number, item in enumerate(everything)}
        return finished(execution, **batches)
    return finished(execution, **dict.fromkeys(execution.step.shape.ports, everything))


class Player:
    """Plays a run to its end: commands that are open are carried out in an order of its choice."""

    def __init__(
        self,
        of: Flow,
        given: list[Item],
        behaviours: Mapping[str, Behaviour] | None = None,
        journal: Mapping[Key, Sequence[AnyFact]] | None = None,
    ) -> None:
        self.state = RunState(of, given, journal or {})
        self.now = START
        self.ran: list[Key] = []
        self.facts: list[AnyFact] = []
        self._behaviours = behaviours or {}

    def turn(self) -> list[Command]:
        """What is decided now."""
        return decide(self.state, self.now)

    def carry_out(self, command: Command) -> None:
        """Do what is commanded."""
        match command:
            case Run(execution):
                self.ran.append(execution.key)
                behaviour = self._behaviours.get(execution.step.id, passes_on)
                self.tell(behaviour(execution))
            case Expire(execution):
                node_id, iteration = execution.key
                self.tell(NodeAnswered(node_id, iteration, execution.attempt, self.now, None))
            case _:
                raise AssertionError(f"nobody told the player how to {command}")

    def tell(self, fact: AnyFact) -> None:
        """Something happened."""
        self.facts.append(fact)
        self.state.apply(fact)

    def play(self, chance: random.Random | None = None) -> Complete | Fail:
        """Go on until the run ends; time leaps to the next timer when nothing else is open."""
        pending: list[Command] = []
        while True:
            pending.extend(self.turn())
            for command in pending:
                if isinstance(command, Complete | Fail):
                    return command
            if pending:
                index = chance.randrange(len(pending)) if chance else 0
                self.carry_out(pending.pop(index))
                continue
            due = next_due(self.state)
            assert due is not None, "the run neither ends nor waits for anything"
            self.now = max(self.now + timedelta(microseconds=1), due)
