"""What is known of the items of each node before any run, followed along the connections.

A definition, laid out, comes in; for each node the shape of what comes to it and of what it gives
goes out. In circles nothing is known.
"""

from collections import defaultdict
from dataclasses import dataclass

from engine_service.definitions.checks.diagnostic import Subject
from engine_service.sdk.node import ERROR
from engine_service.sdk.shape import UNKNOWN, Shape


@dataclass(frozen=True, slots=True)
class Shapes:
    """By a node's place: what comes to it, and what it gives by any port but that for errors."""

    given: list[Shape]
    made: list[Shape]


def shapes_of(subject: Subject) -> Shapes:
    """Follow the shapes through a definition."""
    into: defaultdict[int, list[tuple[int, bool]]] = defaultdict(list)
    after: defaultdict[int, set[int]] = defaultdict(set)
    for place, source, target in subject.edges:
        edge = subject.workflow.connections[place]
        if not edge.attaches:
            into[target].append((source, edge.port == ERROR))
            after[source].add(target)
    count = len(subject.nodes)
    shapes = Shapes([UNKNOWN] * count, [UNKNOWN] * count)
    left = [len({source for source, _ in into[place]}) for place in range(count)]
    ready = [place for place in range(count) if left[place] == 0]
    while ready:
        place = ready.pop()
        _work_out(subject, place, into[place], shapes)
        for target in after[place]:
            left[target] -= 1
            if left[target] == 0:
                ready.append(target)
    return shapes


def _work_out(
    subject: Subject, place: int, sources: list[tuple[int, bool]], shapes: Shapes
) -> None:
    given = UNKNOWN
    for at, (source, is_error) in enumerate(sources):
        shape = UNKNOWN if is_error else shapes.made[source]
        given = given.joined(shape) if at else shape
    node = subject.nodes[place]
    node_type = subject.type_of(node)
    shapes.given[place] = given
    if node.disabled or node_type is None:
        shapes.made[place] = given if node.disabled else UNKNOWN
        return
    made = node_type.gives(node.parameters, given)
    if node.settings.on_error == "continue":
        made = made.joined(given)
    if node.settings.always_output:
        made = Shape(made.fields, True)  # an item that has nothing may stand for none
    shapes.made[place] = made
