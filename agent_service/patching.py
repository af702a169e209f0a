"""JSON Patch on definitions: applied safely, made as small as can be, and kept to what was asked.

Whatever an author writes as a patch, what is published and stored is the smallest one with the
same effect, in which nodes and connections are recognized by what they are and not by their place.
"""

import copy
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, cast

import jsonpatch
import jsonpointer

from shared.workflow import JsonObject

_WHOLE_SECTIONS = frozenset({"", "/nodes", "/connections"})
_SECTIONS = ("name", "description", "settings")
_Edge = tuple[str, str, str, str, int]


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
    rewired = {_edge(one) for one in _edges(before)} ^ {_edge(one) for one in _edges(after)}
    if "connections" not in allowed:
        edges = {_edge(one) for one in [*_edges(before), *_edges(after)]}
        strays |= {
            f"{one}→{other}"
            for one, _, other, *_ in rewired
            if not {one, other} & allowed and not _leads(one, other, allowed, edges)
        }
    return sorted(strays)


def _edges(definition: JsonObject) -> list[JsonObject]:
    return definition.get("connections", [])


def _leads(source: str, target: str, through: "set[str]", edges: Iterable[_Edge]) -> bool:
    """Whether touched nodes lie, or lay, between two others: then their edge had to move."""
    onward: dict[str, set[str]] = {}
    for one, _, other, *_ in edges:
        onward.setdefault(one, set()).add(other)
    waiting, seen = [source], {source}
    while waiting:
        following = onward.get(waiting.pop(), set())
        if target in following and len(seen) > 1:
            return True
        fresh = (following & through) - seen
        seen |= fresh
        waiting.extend(fresh)
    return False


def _by_id(definition: JsonObject) -> dict[str, JsonObject]:
    return {node["id"]: node for node in definition.get("nodes", [])}


def _sections(before: JsonObject, after: JsonObject) -> list[JsonObject]:
    kept = {name: before[name] for name in _SECTIONS if name in before}
    wanted = {name: after[name] for name in _SECTIONS if name in after}
    return _inside("", kept, wanted)


def _inside(path: str, before: Any, after: Any) -> list[JsonObject]:
    """The patch between two values. Lists of another length are replaced whole: clearer to read."""
    if before == after:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        return _inside_object(path, cast("JsonObject", before), cast("JsonObject", after))
    old, new = cast("object", before), cast("object", after)
    if isinstance(old, list) and isinstance(new, list):
        rows, wanted = cast("list[Any]", old), cast("list[Any]", new)
        if len(rows) == len(wanted):
            pairs = enumerate(zip(rows, wanted, strict=True))
            return [one for place, pair in pairs for one in _inside(f"{path}/{place}", *pair)]
    return [{"op": "replace", "path": path, "value": new}]


def _inside_object(path: str, before: JsonObject, after: JsonObject) -> list[JsonObject]:
    operations: list[JsonObject] = []
    for name in before:
        place = f"{path}/{_escaped(name)}"
        if name in after:
            operations += _inside(place, before[name], after[name])
        else:
            operations.append({"op": "remove", "path": place})
    operations += [
        {"op": "add", "path": f"{path}/{_escaped(name)}", "value": after[name]}
        for name in after
        if name not in before
    ]
    return operations


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


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


def _edge(one: JsonObject) -> _Edge:
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
