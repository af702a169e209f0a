"""PURE. What a definition means for deciding: steps in order, edges, loops and what lies in them.

A definition, a trigger to begin at and the shape of each node come in; a `Flow` comes out, which
many runs share. Nodes that the trigger does not lead to are no part of it.

The body of a loop is what its port `loop` leads to, without what its port `done` leads to as well.
A node has one execution for each iteration of the loops around it (its `nest`). An edge may cross
the border of a loop: into the body it brings the same items to every iteration, out of it it
collects those of all iterations, and from the body back to the loop it is feedback.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.workflow import Connection, Node, Workflow

LOOP_TYPE = "flow.loop"
LOOP = "loop"
DONE = "done"
Nest = tuple[str, ...]
_ENTRANCE = Connection.model_validate({"from": "run", "to": "run"})


@dataclass(frozen=True, slots=True)
class Shape:
    """What deciding must know of a node beyond its definition.

    Attributes:
        inputs: Names of its inputs.
        ports: Names of its outputs.
        loops: It is a loop: its outputs are the batches `loop:0`, `loop:1`, …
        repeatable: After a crash it may simply be run again.
    """

    inputs: tuple[str, ...]
    ports: tuple[str, ...]
    loops: bool = False
    repeatable: bool = True


@dataclass(slots=True, eq=False)
class Edge:
    """A connection between two steps of a flow.

    Attributes:
        order: Its place among the edges into the same target.
        common: How many loops surround both its ends.
        leaves: It leads out of loops that surround its source.
        enters: It leads into loops that do not surround its source.
        feeds_back: It leads from the body of a loop to the loop itself.
    """

    source: "Step"
    port: str
    target: "Step"
    input: str
    order: int
    common: int
    leaves: bool
    enters: bool
    feeds_back: bool


@dataclass(slots=True, eq=False)
class Step:
    """A node as part of a flow.

    Attributes:
        id: The node's id.
        is_loop: It runs its body once for each batch.
        place: Its place in an order in which every edge leads forward, feedback aside.
        nest: The loops around it, the outermost first.
        awaited: How many edges must be settled before it runs or is skipped.
        edges: What leads away from it.
        body: For a loop: the steps directly inside it.
        leaving: For a loop: edges out of it that are settled when the loop is.
        entering: For a loop: edges from outside into its body.
    """

    node: Node
    shape: Shape
    place: int = 0
    nest: Nest = ()
    awaited: int = 0
    edges: list[Edge] = field(default_factory=list[Edge])
    sources: list[Edge] = field(default_factory=list[Edge])
    body: list["Step"] = field(default_factory=list["Step"])
    leaving: list[Edge] = field(default_factory=list[Edge])
    entering: list[Edge] = field(default_factory=list[Edge])

    id: str = field(init=False)
    is_loop: bool = field(init=False)

    def __post_init__(self) -> None:
        self.id, self.is_loop = self.node.id, self.shape.loops


class Flow:
    """A definition as seen from one trigger."""

    def __init__(self, workflow: Workflow, trigger: str, shapes: Mapping[str, Shape]) -> None:
        # Nothing leads back to where a run begins.
        wires = [w for w in workflow.connections if w.target != trigger and not w.attaches]
        lead = _Leads(wires, shapes)
        reachable = lead.reach([trigger])
        self.steps: dict[str, Step] = {
            node.id: Step(node, shapes[node.id]) for node in workflow.nodes if node.id in reachable
        }
        self.trigger = self.steps[trigger]
        self._nest(lead)
        self._connect(wires)
        self.ordered = _ordered(self.steps.values(), self.trigger)
        # Along which the run's input comes.
        self.entrance = _edge(self.trigger, _ENTRANCE, self.trigger, 0)

    def _nest(self, lead: "_Leads") -> None:
        """Say which loops surround each step: a chain, in which each lies in the one before."""
        bodies = lead.bodies([step.id for step in self.steps.values() if step.is_loop])
        outermost_first = sorted(bodies, key=lambda loop: -len(bodies[loop]))
        nests: dict[str, Nest] = {}
        for node_id in [*outermost_first, *(self.steps.keys() - bodies.keys())]:
            nest: Nest = ()
            for loop in outermost_first:
                if loop == node_id:
                    break  # a loop lies in loops that come before it only, so never in a circle
                if node_id in bodies[loop] and nests[loop] == nest:
                    nest = (*nest, loop)
            nests[node_id] = nest
        for step in self.steps.values():
            step.nest = nests[step.id]
            if step.nest:
                self.steps[step.nest[-1]].body.append(step)

    def _connect(self, wires: Iterable[Connection]) -> None:
        known = [wire for wire in wires if {wire.source, wire.target} <= self.steps.keys()]
        for order, wire in enumerate(sorted(known, key=lambda wire: wire.index)):
            source, target = self.steps[wire.source], self.steps[wire.target]
            if source.id == target.id and not source.is_loop:
                continue  # a node that waits for itself would never run
            edge = _edge(source, wire, target, order)
            source.edges.append(edge)
            target.sources.append(edge)
            if edge.feeds_back:
                continue
            target.awaited += 1
            if edge.leaves:
                self.steps[_inside(source, edge.port)[edge.common]].leaving.append(edge)
            if edge.enters:
                self.steps[target.nest[-1]].entering.append(edge)


def _inside(source: Step, port: str) -> Nest:
    """The loops around what leaves by a port; what leaves by `loop` is inside already."""
    return (*source.nest, source.id) if source.is_loop and port == LOOP else source.nest


def _edge(source: Step, wire: Connection, target: Step, order: int) -> Edge:
    nest = _inside(source, wire.port)
    common = 0
    for outer, inner in zip(nest, target.nest, strict=False):
        if outer != inner:
            break
        common += 1
    home = (*target.nest, target.id)
    feeds_back = target.is_loop and nest[: len(home)] == home
    return Edge(
        source,
        wire.port,
        target,
        wire.input,
        order,
        common,
        leaves=not feeds_back and len(nest) > common,
        enters=not feeds_back and len(target.nest) > common,
        feeds_back=feeds_back,
    )


class _Leads:
    """What leads where, by node id and port."""

    def __init__(self, connections: Iterable[Connection], shapes: Mapping[str, Shape]) -> None:
        self._after: defaultdict[str, list[str]] = defaultdict(list)
        self._by_port: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for wire in connections:
            if wire.source in shapes and wire.target in shapes:
                self._after[wire.source].append(wire.target)
                self._by_port[wire.source, wire.port].append(wire.target)

    def reach(self, starts: Iterable[str], without: Container[str] = ()) -> set[str]:
        """The starts and all that lies behind them, not going through some nodes."""
        seen = {start for start in starts if start not in without}
        waiting = list(seen)
        while waiting:
            for after in self._after[waiting.pop()]:
                if after not in seen and after not in without:
                    seen.add(after)
                    waiting.append(after)
        return seen

    def bodies(self, loops: Sequence[str]) -> dict[str, set[str]]:
        """What lies in each loop, inner loops and their bodies included."""
        behind = {loop: self.reach(self._by_port[loop, LOOP], {loop}) for loop in loops}
        bodies: dict[str, set[str]] = {}
        for loop in loops:
            # The way back through a loop further out leads everywhere and says nothing.
            outer = {other for other in loops if loop in behind[other]} | {loop}
            inside = self.reach(self._by_port[loop, LOOP], outer)
            bodies[loop] = inside - self.reach(self._by_port[loop, DONE], outer)
        return bodies


def _ordered(steps: Iterable[Step], trigger: Step) -> list[Step]:
    """The steps such that edges lead forward; what follows a loop comes after its body.

    Among steps that could stand either way, the definition's order decides.
    """
    rank = {step.id: number for number, step in enumerate(steps)}
    finished: list[Step] = []
    seen = {trigger.id}
    path = [(trigger, _followers(trigger, rank))]
    while path:
        step, rest = path[-1]
        following = next((after for after in rest if after.id not in seen), None)
        if following is None:
            finished.append(step)
            path.pop()
        else:
            seen.add(following.id)
            path.append((following, _followers(following, rank)))
    finished.reverse()
    for place, step in enumerate(finished):
        step.place = place
    return finished


def _followers(step: Step, rank: Mapping[str, int]) -> Iterable[Step]:
    forward = [edge for edge in step.edges if not edge.feeds_back]
    forward.sort(key=lambda edge: (edge.port == DONE and step.is_loop, rank[edge.target.id]))
    return iter([edge.target for edge in reversed(forward)])
