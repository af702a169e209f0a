"""JSON Patch on definitions: applied safely, made as small as can be, and kept to what was asked.

Whatever an author writes as a patch, what is published and stored is the smallest one with the
same effect, in which nodes and connections are recognized by what they are and not by their place.
"""

import copy
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import jsonpatch
import jsonpointer

from shared.workflow import JsonObject

_WHOLE_SECTIONS = frozenset({"", "/nodes", "/connections"})
_SECTIONS = ("name", "description", "settings")


def apply(definition: JsonObject, operations: Sequence[JsonObject]) -> JsonObject | None:
    """The definition after a patch; None when it does not apply, or replaces whole sections."""
    if any(
        operation.get("op") in ("replace", "remove") and operation.get("path") in _WHOLE_SECTIONS
        for operation in operations
    ):
        return None
    try:
        patch = jsonpatch.JsonPatch(list(operations))
        after: JsonObject = patch.apply(copy.deepcopy(definition))
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError):
        return None
    return after


def difference(before: JsonObject, after: JsonObject) -> list[JsonObject]:
    """The smallest patch that turns one definition into the other, order of lists apart."""
    return [
        *_sections(before, after),
        *_nodes(before.get("nodes", []), after.get("nodes", [])),
        *_connections(before.get("connections", []), after.get("connections", [])),
    ]


def outside(before: JsonObject, after: JsonObject, touches: Iterable[str]) -> list[str]:
    """What changed although the change is not about it: node ids and names of sections.

    Connections belong to the nodes at their ends.
    """
    allowed = set(touches)
    old, new = _by_id(before), _by_id(after)
    changed_nodes = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    strays = {name for name in changed_nodes if name not in allowed}
    strays |= {name for name in _SECTIONS if before.get(name) != after.get(name)} - allowed
    rewired = {_edge(one) for one in before.get("connections", [])} ^ {
        _edge(one) for one in after.get("connections", [])
    }
    if "connections" not in allowed:
        ends = [(edge[0], edge[2]) for edge in rewired]
        strays |= {
            f"{source}→{target}" for source, target in ends if not {source, target} & allowed
        }
    return sorted(strays)


def _by_id(definition: JsonObject) -> dict[str, JsonObject]:
    return {node["id"]: node for node in definition.get("nodes", [])}


def _sections(before: JsonObject, after: JsonObject) -> list[JsonObject]:
    kept = {name: before[name] for name in _SECTIONS if name in before}
    wanted = {name: after[name] for name in _SECTIONS if name in after}
    return _inside("", kept, wanted)


def _inside(path: str, before: Any, after: Any) -> list[JsonObject]:
    """The library's own patch between two values, moved below a path."""
    return [
        {**operation, "path": path + operation["path"]}
        | ({"from": path + operation["from"]} if "from" in operation else {})
        for operation in jsonpatch.make_patch(before, after)
    ]


def _nodes(before: list[JsonObject], after: list[JsonObject]) -> list[JsonObject]:
    old = {node["id"]: place for place, node in enumerate(before)}
    new = {node["id"]: node for node in after}
    operations = list(
        itertools.chain.from_iterable(
            _inside(f"/nodes/{place}", before[place], new[name])
            for name, place in old.items()
            if name in new
        )
    )
    removed = [place for name, place in old.items() if name not in new]
    operations += [{"op": "remove", "path": f"/nodes/{place}"} for place in reversed(removed)]
    operations += [
        {"op": "add", "path": "/nodes/-", "value": node}
        for name, node in new.items()
        if name not in old
    ]
    return operations


def _edge(one: JsonObject) -> tuple[str, str, str, str, int]:
    return (
        one["from"],
        one.get("port", "main"),
        one["to"],
        one.get("input", "main"),
        one.get("index", 0),
    )


def _connections(before: list[JsonObject], after: list[JsonObject]) -> list[JsonObject]:
    wanted = {_edge(one) for one in after}
    known = {_edge(one) for one in before}
    removed = [place for place, one in enumerate(before) if _edge(one) not in wanted]
    operations: list[JsonObject] = [
        {"op": "remove", "path": f"/connections/{place}"} for place in reversed(removed)
    ]
    added = [one for one in after if _edge(one) not in known]
    if added and not before:
        return [*operations, {"op": "add", "path": "/connections", "value": added}]
    return operations + [{"op": "add", "path": "/connections/-", "value": one} for one in added]
