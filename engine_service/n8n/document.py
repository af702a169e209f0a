"""An n8n document as it lies in a file: whichever wrapper is around it, whatever is missing."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, cast

from shared.errors import InvalidInput, Violation
from shared.workflow import JsonObject

MAIN = "main"
_WRAPPERS = ("workflow", "workflowData", "data")
_DEEPEST_WRAPPER = 3


@dataclass(frozen=True, slots=True)
class Wire:
    """A connection as n8n wrote it; `kind` is `main`, or `ai_…` for what is attached."""

    source: str
    kind: str
    output: int
    target: str
    input: int


@dataclass(frozen=True, slots=True)
class Document:
    """An n8n workflow.

    Attributes:
        lost: What could not be read, in words.
    """

    name: str
    nodes: Sequence[JsonObject]
    wires: Sequence[Wire]
    settings: JsonObject
    pinned: Mapping[str, list[Any]]
    raw: JsonObject
    lost: Sequence[str] = field(default_factory=list[str])

    @property
    def is_legacy(self) -> bool:
        """Whether its branches run in the order that n8n used before version 1."""
        return self.settings.get("executionOrder") != "v1"


def find_workflow(value: Any) -> JsonObject | None:
    """The n8n workflow in a document, or None when there is none."""
    for _ in range(_DEEPEST_WRAPPER):
        if isinstance(value, list) and len(cast("list[Any]", value)) == 1:
            value = cast("list[Any]", value)[0]
        if not isinstance(value, dict):
            return None
        found = cast("JsonObject", value)
        if isinstance(found.get("nodes"), list):
            return None if isinstance(found.get("connections"), list) else found
        value = next((found[name] for name in _WRAPPERS if name in found), None)
    return None


def read(raw: JsonObject) -> Document:
    """Read a workflow.

    Raises:
        InvalidInput: Its nodes are not such as n8n writes.
    """
    nodes = [_node(place, node) for place, node in enumerate(cast("list[Any]", raw["nodes"]))]
    names = Counter(node["name"] for node in nodes)
    lost = [
        f"{count} nodes are called {name!r}; only the last was read."
        for name, count in names.items()
        if count > 1
    ]
    nodes = list({node["name"]: node for node in nodes}.values())
    wires = list(_wires(_object(raw.get("connections")), names.keys(), lost))
    return Document(
        name=str(raw.get("name") or "Imported workflow"),
        nodes=nodes,
        wires=wires,
        settings=_object(raw.get("settings")),
        pinned={
            name: cast("list[Any]", items)
            for name, items in _object(raw.get("pinData")).items()
            if isinstance(items, list)
        },
        raw=raw,
        lost=lost,
    )


def version_of(node: JsonObject) -> float:
    """A node's type version; 1 where none is written."""
    found = node.get("typeVersion", 1)
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else 1.0


def _node(place: int, node: Any) -> JsonObject:
    found = _object(node)
    if not isinstance(found.get("type"), str) or not isinstance(found.get("name"), str):
        violation = Violation(f"/nodes/{place}", "malformed", "A node needs a name and a type.")
        raise InvalidInput(
            "The document is no workflow.", reason="MALFORMED_DOCUMENT", violations=[violation]
        )
    return found


def _wires(connections: JsonObject, names: Set[str], lost: list[str]) -> Iterator[Wire]:
    seen: Counter[Wire] = Counter()
    for source, kinds in connections.items():
        for kind, outputs in _object(kinds).items():
            for output, targets in enumerate(_list(outputs)):
                for target in map(_object, _list(targets)):
                    wire = Wire(
                        source, kind, output, str(target.get("node")), _index(target.get("index"))
                    )
                    seen[wire] += 1
                    if seen[wire] > 1:
                        continue
                    if {source, wire.target} <= names:
                        yield wire
                    else:
                        lost.append(
                            f"A connection from {source!r} to {wire.target!r} leads nowhere."
                        )


def _index(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _object(value: Any) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
