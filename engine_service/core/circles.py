"""PURE. Circles of connections: where a run goes round, and what then happens more than once.

A circle is a set of nodes that lead to each other without a `flow.loop` between: an `if` that leads
back to a request, say. It is gone round in *passes*. The first begins with what comes in from
outside; whatever leads back in one pass begins the next; when nothing does, the circle is through.
So its nodes have a number more in their iteration: the pass.

What comes out of a circle comes out in every pass, one after another. So the nodes *behind* it run
once for each arrival, and those behind them: their number counts their executions. Where several
such streams meet, the first arrivals of all come together, then the second ones, and so on, as they
come out of each circle; never as time would have it.

Here nodes are given their place: `@node` stands in a nest for the circle that begins at a node, `~`
for being behind a circle. A loop and its body count as one node of whatever surrounds them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine_service.core.graph import Graph

Nest = tuple[str, ...]
Wire = tuple[str, str]
"""From a node to a node, by id."""
BEHIND = "~"
CIRCLE = "@"


def is_loop_level(level: str) -> bool:
    """Whether a level of a nest is a loop, not a circle or behind one."""
    return level[0] not in (BEHIND, CIRCLE)


@dataclass(slots=True)
class Places:
    """Where circles are.

    Attributes:
        nests: What surrounds each node, the outermost first: loops, circles, being behind one.
        again: The wires that lead back in a circle, and so into its next pass.
    """

    nests: dict[str, Nest]
    again: set[Wire] = field(default_factory=set[Wire])


def find_circles(nests: Mapping[str, Nest], wires: Sequence[Wire]) -> Places:
    """Find the circles among nodes that may lie in loops.

    Args:
        nests: The loops around each node, in the order of the nodes.
        wires: Without those that lead from a loop's body back to the loop.
    """
    marks: dict[str, Nest] = {}
    places = Places({})
    by_region: defaultdict[Nest, list[Wire]] = defaultdict(list)
    for source, target in wires:
        region = _common(nests[source], nests[target])
        by_region[region].append((source, target))
    for region, within in by_region.items():
        _Region(region, nests, within).mark(marks, places.again, wires)
    for node_id, loops in nests.items():
        nest: Nest = ()
        for loop in loops:
            nest = (*nest, *marks.get(loop, ()), loop)
        places.nests[node_id] = (*nest, *marks.get(node_id, ()))
    return places


def _common(one: Nest, other: Nest) -> Nest:
    common = 0
    while common < min(len(one), len(other)) and one[common] == other[common]:
        common += 1
    return one[:common]


class _Region:
    """What lies directly in a loop, or in none: nodes, and loops with their bodies, as units."""

    def __init__(self, region: Nest, nests: Mapping[str, Nest], wires: Iterable[Wire]) -> None:
        self._region = region
        self._nests = nests
        self._wires = [(self._unit(s), self._unit(t), (s, t)) for s, t in wires]
        units = [one for one, nest in nests.items() if nest == region]
        self._units = units
        self._number = {unit: number for number, unit in enumerate(units)}

    def _unit(self, node_id: str) -> str:
        nest = self._nests[node_id]
        return nest[len(self._region)] if len(nest) > len(self._region) else node_id

    def mark(self, marks: dict[str, Nest], again: set[Wire], everywhere: Iterable[Wire]) -> None:
        """Mark the units of circles, and those behind them."""
        own = {source for source, _, wire in self._wires if wire[0] == wire[1]}
        edges: list[tuple[int, int]] = []
        into: defaultdict[str, set[str]] = defaultdict(set)
        for source, target, _ in self._wires:
            if source != target:
                edges.append((self._number[source], self._number[target]))
                into[target].add(source)
        for numbers in Graph(len(self._units), edges).components():
            members = {self._units[number] for number in numbers}
            sources = {one for member in members for one in into[member]} - members
            behind = any(marks.get(one) for one in sources)
            prefix: Nest = (BEHIND,) if behind else ()
            if len(members) > 1 or members & own:
                header = self._header(members, everywhere)
                again |= self._leading_back(header, members, own)
                prefix = (*prefix, CIRCLE + header)
            if prefix:
                marks.update(dict.fromkeys(members, prefix))

    def _header(self, members: set[str], wires: Iterable[Wire]) -> str:
        """Where a circle begins: the first of its units that something outside leads to."""
        entered = {
            self._unit(target)
            for source, target in wires
            if self._is_within(target)
            and self._unit(target) in members
            and not (self._is_within(source) and self._unit(source) in members)
        }
        return min(entered or members, key=lambda unit: self._number[unit])

    def _is_within(self, node_id: str) -> bool:
        return self._nests[node_id][: len(self._region)] == self._region

    def _leading_back(self, header: str, members: set[str], own: set[str]) -> set[Wire]:
        """The wires from a unit to one on the way from the header to it."""
        after: defaultdict[str, list[tuple[str, Wire]]] = defaultdict(list)
        for source, target, wire in self._wires:
            if source in members and target in members and (source != target or source in own):
                after[source].append((target, wire))
        back: set[Wire] = set()
        on_way, seen = {header}, {header}
        path = [(header, iter(after[header]))]
        while path:
            unit, rest = path[-1]
            found = next(rest, None)
            if found is None:
                on_way.discard(unit)
                path.pop()
            elif found[0] in on_way:
                back.add(found[1])
            elif found[0] not in seen:
                seen.add(found[0])
                on_way.add(found[0])
                path.append((found[0], iter(after[found[0]])))
        return back
