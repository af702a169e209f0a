"""The order in which n8n would go through a workflow.

Among nodes that are ready the one drawn highest comes first, then the one furthest left, and what
follows a node comes before its siblings; before version 1 connections were followed as written.
Here ready nodes run side by side, and the definition's order says how results are put together:
so nodes and edges are written down in n8n's.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from engine_service.n8n.document import Document, Wire
from shared.workflow import JsonObject


def in_drawn_order(document: Document) -> list[JsonObject]:
    """The nodes in the order in which n8n would choose among ready ones."""
    if not document.is_legacy:
        return sorted(document.nodes, key=_place)
    by_name = {node["name"]: node for node in document.nodes}
    return [by_name[name] for name in _walk(document, by_name)]


def _place(node: JsonObject) -> tuple[float, float]:
    x, y = position_of(node) or (0.0, 0.0)
    return y, x


def position_of(node: JsonObject) -> tuple[float, float] | None:
    """Where a node is drawn: from the left, from the top."""
    found: Any = node.get("position")
    if isinstance(found, dict):
        named = cast("JsonObject", found)
        found = [named.get("x"), named.get("y")]
    match found:
        case [int() | float() as x, int() | float() as y]:
            return float(x), float(y)
        case _:
            return None


def _walk(document: Document, by_name: Mapping[str, JsonObject]) -> Iterator[str]:
    """Along the connections as they are written, as n8n did before it looked at positions."""
    after: dict[str, list[str]] = {}
    targets: set[str] = set()
    for wire in document.wires:
        after.setdefault(wire.source, []).append(wire.target)
        targets.add(wire.target)
    starts = [name for name in by_name if name not in targets]
    waiting = [*reversed(list(by_name)), *reversed(starts)]  # the end is taken first
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        waiting.extend(reversed(after.get(name, [])))


def in_running_order(document: Document) -> list[Wire]:
    """The connections in the order in which data first goes along them."""
    places = {node["name"]: _place(node) for node in document.nodes}
    after: dict[str, list[Wire]] = {}
    for wire in document.wires:
        after.setdefault(wire.source, []).append(wire)
    if not document.is_legacy:
        for wires in after.values():
            wires.sort(key=lambda wire: (wire.output, places[wire.target]))
    return list(_travel(_starts(document), after))


def _travel(starts: Sequence[str], after: Mapping[str, Sequence[Wire]]) -> Iterator[Wire]:
    reached: set[str] = set()
    for start in starts:
        if start in reached:
            continue
        reached.add(start)
        waiting = [*reversed(after.get(start, ()))]
        while waiting:
            wire = waiting.pop()
            yield wire
            if wire.target not in reached:
                reached.add(wire.target)
                waiting.extend(reversed(after.get(wire.target, ())))


def _starts(document: Document) -> list[str]:
    """Where data can begin: what nothing leads to, then everything, for circles without start."""
    targets = {wire.target for wire in document.wires}
    names = [node["name"] for node in document.nodes]
    return [*(name for name in names if name not in targets), *names]
