"""Definitions for tests of the engine, written down shortly."""

from typing import Any

from shared.workflow import JsonObject

START: JsonObject = {"id": "start", "name": "Start", "type": "trigger.manual"}


def node(
    node_id: str, kind: str, settings: JsonObject | None = None, **parameters: Any
) -> JsonObject:
    return {
        "id": node_id,
        "name": node_id.title(),
        "type": kind,
        "parameters": parameters,
        "settings": settings or {},
    }


def a_set(node_id: str, **values: Any) -> JsonObject:
    assignments = [{"name": name, "value": value} for name, value in values.items()]
    return node(node_id, "data.set", assignments=assignments, include="all")


def definition(nodes: list[JsonObject], wires: str, **settings: Any) -> JsonObject:
    """Nodes behind START; wires such as `start > a; a:true > b; b > c/input2`."""
    connections: list[JsonObject] = []
    for wire in filter(str.strip, wires.split(";")):
        left, right = (part.strip() for part in wire.split(">"))
        source, _, port = left.partition(":")
        target, _, place = right.partition("/")
        ends = {"from": source, "port": port or "main", "to": target, "input": place or "main"}
        connections.append(ends)
    nodes = [START, *nodes]
    return {"name": "w", "nodes": nodes, "connections": connections, "settings": settings}
