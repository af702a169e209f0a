"""PURE. What a definition means for deciding: steps in order, edges, loops and what lies in them.

A definition, a trigger to begin at and the shape of each node come in; a `Flow` comes out, which
many runs share. Nodes that the trigger does not lead to are no part of it.

A node may lie in circles, or behind some: `circles.py` tells of those.

The body of a loop is what its port `loop` leads to, without what its port `done` leads to as well.
A node has one execution for each iteration of the loops around it (its `nest`). An edge may cross
the border of a loop: into the body it brings the same items to every iteration, out of it it
collects those of all iterations, and from the body back to the loop it is feedback.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine_service.core.circles import BEHIND, CIRCLE, find_circles, is_loop_level
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
        again: It leads back in a circle, into its next pass.
        left: Where in the nest of its source the loop stands that collects along it, if one does.
        gate: Where in the nest of its target a circle, or being behind one, begins that it leads
            into; for one that leads back, where its circle stands.
        unit: What stands there: a circle, or the node or loop that is behind one.
        stream: Things may come along it more than once, until its source's unit is through.
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
    again: bool = False
    left: int | None = None
    gate: int | None = None
    unit: str = ""
    from_unit: str = ""
    stream: bool = False


@dataclass(slots=True)
class Circle:
    """A circle of connections.

    Attributes:
        header: The id of the node it begins at.
        steps: What lies directly in it.
        ways: What leads into it: from outside in the first pass, and back in those that follow.
    """

    id: str
    header: str
    steps: list["Step"] = field(default_factory=list["Step"])
    ways: list[Edge] = field(default_factory=list[Edge])


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
        units: For a loop: how many nodes, inner loops and circles there are directly inside it.
        leaving: For a loop: edges out of it that are settled when the loop is.
        entering: For a loop: edges from outside into its body, each with how much of the
            iteration is known where it comes from.
    """

    node: Node
    shape: Shape
    place: int = 0
    nest: Nest = ()
    awaited: int = 0
    edges: list[Edge] = field(default_factory=list[Edge])
    sources: list[Edge] = field(default_factory=list[Edge])
    units: int = 0
    leaving: list[Edge] = field(default_factory=list[Edge])
    entering: list[tuple[Edge, int]] = field(default_factory=list[tuple[Edge, int]])

    id: str = field(init=False)
    is_loop: bool = field(init=False)

    def __post_init__(self) -> None:
        self.id, self.is_loop = self.node.id, self.shape.loops


class Flow:
    """A definition as seen from one trigger.

    Attributes:
        circles: By id, `@` and the node it begins at.
        gates: By unit that is a circle or behind one: the edges into it.
        outlets: Likewise the edges from it to other such units.
        most_passes: How often a circle may be gone round.
    """

    def __init__(self, workflow: Workflow, trigger: str, shapes: Mapping[str, Shape]) -> None:
        # Nothing leads back to where a run begins.
        wires = [w for w in workflow.connections if w.target != trigger and not w.attaches]
        lead = _Leads(wires, shapes)
        reachable = lead.reach([trigger])
        self.steps: dict[str, Step] = {
            node.id: Step(node, shapes[node.id]) for node in workflow.nodes if node.id in reachable
        }
        self.trigger = self.steps[trigger]
        self.circles: dict[str, Circle] = {}
        self.gates: defaultdict[str, list[Edge]] = defaultdict(list)
        self.outlets: defaultdict[str, list[Edge]] = defaultdict(list)
        self.most_passes = workflow.settings.most_passes
        self._nest(lead, wires)
        self._connect(wires)
        self.ordered = _ordered(self.steps.values(), self.trigger)
        # Along which the run's input comes.
        self.entrance = _edge(self.trigger, _ENTRANCE, self.trigger, 0)

    def _nest(self, lead: "_Leads", wires: Iterable[Connection]) -> None:
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
        # In the order of the nodes, which decides where it could be otherwise.
        ordered = {node_id: nests[node_id] for node_id in self.steps}
        self._places = find_circles(ordered, [*_forward(self.steps, ordered, wires)])
        counted: set[str] = set()
        for step in self.steps.values():
            step.nest = self._places.nests[step.id]
            self._count_unit(step, counted)

    def _count_unit(self, step: Step, counted: set[str]) -> None:
        level = step.nest[-1] if step.nest else ""
        if level.startswith(CIRCLE):
            circle = self.circles.setdefault(level, Circle(level, level.removeprefix(CIRCLE)))
            circle.steps.append(step)
        unit = level if level.startswith(CIRCLE) else step.id
        around = [one for one in step.nest if is_loop_level(one)]
        if around and unit not in counted:
            self.steps[around[-1]].units += 1
        counted.add(unit)

    def _connect(self, wires: Iterable[Connection]) -> None:
        known = [wire for wire in wires if {wire.source, wire.target} <= self.steps.keys()]
        for order, wire in enumerate(sorted(known, key=lambda wire: wire.index)):
            source, target = self.steps[wire.source], self.steps[wire.target]
            again = (source.id, target.id) in self._places.again
            edge = _edge(source, wire, target, order, again=again)
            source.edges.append(edge)
            target.sources.append(edge)
            if edge.feeds_back:
                continue
            target.awaited += 1
            if edge.left is not None:
                self.steps[_inside(source, edge.port)[edge.left]].leaving.append(edge)
            self._register(edge)

    def steps_of(self, unit: str) -> list[Step]:
        """What lies directly in a circle; or the one node that a unit is."""
        circle = self.circles.get(unit)
        return [self.steps[unit]] if circle is None else circle.steps

    def inside(self, unit: str, base: tuple[int, ...], number: int) -> tuple[int, ...]:
        """The iteration of a unit's execution; a circle that is behind none executes once."""
        nest = self.gates[unit][0].target.nest
        return (*base, number) if nest[len(base)] == BEHIND else base

    def _register(self, edge: Edge) -> None:
        """Tell the loops and circles that an edge leads into, or out of, that it does."""
        nest, start = edge.target.nest, edge.common
        if edge.gate is not None:
            start = edge.gate + 1
            if not edge.again:
                self.gates[edge.unit].append(edge)
                if edge.stream:
                    self.outlets[edge.from_unit].append(edge)
            if edge.unit.startswith(CIRCLE):
                self.circles[edge.unit].ways.append(edge)
                start = nest.index(edge.unit) + 1
        for place in range(start, len(nest)):
            last = place + 1 == len(nest) or not is_loop_level(nest[place + 1])
            if not is_loop_level(nest[place]):
                start = place + 1
            elif last:
                self.steps[nest[place]].entering.append((edge, start))


def _inside(source: Step, port: str) -> Nest:
    """The loops around what leaves by a port; what leaves by `loop` is inside already."""
    return (*source.nest, source.id) if source.is_loop and port == LOOP else source.nest


def _forward(
    steps: Mapping[str, Step], nests: Mapping[str, Nest], wires: Iterable[Connection]
) -> Iterable[tuple[str, str]]:
    """The wires of a flow, without those from a body to its loop and from a loop to its body."""
    for wire in sorted(wires, key=lambda wire: wire.index):
        if wire.source in steps and wire.target in steps:
            inside = nests[wire.source]
            if steps[wire.source].is_loop:
                inside = (*inside, wire.source) if wire.port == LOOP else inside
            home = (*nests[wire.target], wire.target)
            if not (steps[wire.target].is_loop and inside[: len(home)] == home):
                yield wire.source, wire.target


def _gate(source: Step, target: Step, common: int) -> tuple[int | None, str]:
    """Where an edge leads into a circle, or to what is behind one; and to which unit."""
    nest = target.nest
    gate: int | None = None
    if common < len(nest) and not is_loop_level(nest[common]):
        gate = common
    elif common > 0 and nest[common - 1] == BEHIND and source is not target:
        gate = common - 1
    if gate is None:
        return None, ""
    return gate, unit_at(nest, target.id, gate)


def unit_at(nest: Nest, node_id: str, gate: int) -> str:
    """The unit at a place of a nest: what stands there or, behind a circle, next to it."""
    if gate >= len(nest):
        return node_id
    if nest[gate] == BEHIND:
        return nest[gate + 1] if len(nest) > gate + 1 else node_id
    return nest[gate]


def _edge(source: Step, wire: Connection, target: Step, order: int, *, again: bool = False) -> Edge:
    nest = _inside(source, wire.port)
    common = 0
    for outer, inner in zip(nest, target.nest, strict=False):
        if outer != inner:
            break
        common += 1
    home = (*target.nest, target.id)
    feeds_back = target.is_loop and nest[: len(home)] == home
    gate, unit = _gate(source, target, common)
    if again:
        gate = max(place for place in range(common) if nest[place].startswith(CIRCLE))
        unit = nest[gate]
    left = next((place for place in range(common, len(nest)) if is_loop_level(nest[place])), None)
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
        again=again,
        left=None if feeds_back else left,
        gate=None if feeds_back else gate,
        unit=unit,
        from_unit="" if gate is None else unit_at(nest, source.id, gate),
        stream=gate is not None and len(nest) > gate and not is_loop_level(nest[gate]),
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
    forward = [edge for edge in step.edges if not edge.feeds_back and not edge.again]
    forward.sort(key=lambda edge: (edge.port == DONE and step.is_loop, rank[edge.target.id]))
    return iter([edge.target for edge in reversed(forward)])
