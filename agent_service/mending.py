"""Repairs that need no thought: for each code the engine's check may give, what mends it.

A rule gets a copy of the definition and the place of a finding, and changes the copy. What no rule
knows stays as it is, for the author to think about.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import jsonpointer

from agent_service.catalogue import Catalogue
from shared.session_events import Finding
from shared.workflow import JsonObject

_SUGGESTED = re.compile(r"'([^']+)'")
_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}

Rule = Callable[[JsonObject, Sequence[str], Finding, Catalogue], None]


def mend(
    definition: JsonObject, findings: Sequence[Finding], catalogue: Catalogue
) -> JsonObject | None:
    """The definition with everything mended that a rule can mend; None when that is nothing."""
    mended = copy.deepcopy(definition)
    # From behind, so that removing a row does not move the places of other findings.
    for finding in sorted(findings, key=_place, reverse=True):
        rule = RULES.get(finding.code)
        if rule is not None:
            rule(mended, finding.pointer.split("/")[1:], finding, catalogue)
    return None if mended == definition else mended


def _place(finding: Finding) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in finding.pointer.split("/")
    ]


def _suggested(finding: Finding) -> str:
    found = _SUGGESTED.search(finding.suggestion)
    return found.group(1) if found else ""


def _at(document: JsonObject, path: Sequence[str]) -> Any:
    """The value at a path, or None."""
    return jsonpointer.resolve_pointer(document, "".join(f"/{part}" for part in path), None)


def _nearest_type(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    node = _at(definition, path[:2])
    nearest = catalogue.nearest(node["type"]) or _suggested(finding)
    if nearest in catalogue:
        node["type"] = nearest


def _known_version(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    del finding
    node = _at(definition, path[:2])
    if known := catalogue.find(node["type"]):
        node["version"] = known.version


def _drop(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    """Remove the connection that the finding is about."""
    del finding, catalogue
    if path[0] == "connections":
        definition["connections"].pop(int(path[1]))


def _known_end(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    """Lead a connection to the node, port or input that was meant; drop it when none is near."""
    meant = _suggested(finding)
    if meant:
        definition["connections"][int(path[1])][path[2]] = meant
    else:
        _drop(definition, path, finding, catalogue)


def _connect(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    """Hook a node that nothing leads to behind the one written before it."""
    del finding
    place = int(path[1])
    node = definition["nodes"][place]
    known = catalogue.find(node["type"])
    if place == 0 or known is None or not known.inputs:
        return
    before = definition["nodes"][place - 1]
    source = catalogue.find(before["type"])
    if source is None or "main" not in source.outputs:
        return
    definition.setdefault("connections", []).append({"from": before["id"], "to": node["id"]})


def _start_by_hand(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    """Put a manual trigger in front of whatever nothing leads to."""
    del path, finding
    if "trigger.manual" not in catalogue:
        return
    nodes: list[JsonObject] = definition.setdefault("nodes", [])
    targets = {edge["to"] for edge in definition.get("connections", [])}
    heads = [node["id"] for node in nodes if node["id"] not in targets]
    taken = {node["id"] for node in nodes}
    name = next(name for name in ("start", "start_by_hand", "manual_start") if name not in taken)
    nodes.insert(0, {"id": name, "name": "Start", "type": "trigger.manual"})
    edges: list[JsonObject] = definition.setdefault("connections", [])
    edges.extend({"from": name, "to": head} for head in heads)


def _other_name(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    del catalogue
    if meant := _suggested(finding):
        definition["nodes"][int(path[1])][path[2]] = meant


def _time_zone(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    del path, catalogue
    definition["settings"]["timezone"] = _suggested(finding) or "UTC"


def _rename_or_drop_parameter(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    del catalogue
    parent = _at(definition, path[:-1])
    if not isinstance(parent, dict) or path[-1] not in parent:
        return
    parameters = cast("JsonObject", parent)
    value = parameters.pop(path[-1])
    if meant := _suggested(finding):
        parameters.setdefault(meant, value)


def _coerce(
    definition: JsonObject, path: Sequence[str], finding: Finding, catalogue: Catalogue
) -> None:
    """Turn a value into the type that its parameter has, where that loses nothing."""
    del finding
    node = _at(definition, path[:2])
    known = catalogue.find(node["type"])
    if known is None or len(path) != 4:
        return
    name, parameters = path[-1], cast("JsonObject", node.get("parameters", {}))
    if name in parameters:
        wanted = known.properties.get(name, {}).get("type")
        parameters[name] = _as_type(parameters[name], wanted)


def _as_type(value: Any, wanted: Any) -> Any:
    text = value.strip() if isinstance(value, str) else ""
    match wanted:
        case "integer" | "number" if re.fullmatch(r"-?\d+(\.\d+)?", text):
            return int(text) if re.fullmatch(r"-?\d+", text) else float(text)
        case "boolean" if text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        case "array" if not isinstance(value, list):
            return [value]
        case "string" if isinstance(value, int | float):
            return str(value).lower() if isinstance(value, bool) else str(value)
        case _:
            return cast("object", value)


RULES: Mapping[str, Rule] = {
    "unknown_node_type": _nearest_type,
    "unknown_node_version": _known_version,
    "duplicate_connection": _drop,
    "unknown_node": _known_end,
    "unknown_port": _known_end,
    "unknown_input": _known_end,
    "cycle": _drop,
    "unreachable_node": _connect,
    "no_trigger": _start_by_hand,
    "duplicate_node_id": _other_name,
    "duplicate_node_name": _other_name,
    "unknown_timezone": _time_zone,
    "unknown_parameter": _rename_or_drop_parameter,
    "invalid_parameter": _coerce,
}
"""By diagnostic code, what mends it."""
