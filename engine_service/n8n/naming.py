"""Names, ids and the order of nodes.

Expressions refer to names, so names stay as they are unless they are too long or empty; ids are
made from them. The order in which nodes stand decides which of several ready nodes comes first:
n8n goes from the top, then from the left.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from engine_service.n8n.document import Document
from shared.workflow import JsonObject

_MOST_NAME = 120
_MOST_ID = 48
_NOT_IN_IDS = re.compile(r"[^a-z0-9]+")


class Naming:
    """What nodes are called from now on.

    Attributes:
        ids: By name in the document, the node's id.
        names: By name in the document, its name.
        renamed: Those whose name had to change.
        told: The same in words.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.ids: dict[str, str] = {}
        self.names: dict[str, str] = {}
        taken: set[str] = set()
        for name in names:
            self.names[name] = _fresh(name.strip()[:_MOST_NAME] or "Node", self.names.values())
            slug = _NOT_IN_IDS.sub("_", name.lower()).strip("_")[:_MOST_ID] or "node"
            slug = slug if slug[0].isalpha() else f"n_{slug}"
            self.ids[name] = _fresh(slug, taken)
            taken.add(self.ids[name])
        self.renamed = {old: new for old, new in self.names.items() if old != new}
        self.told = [f"{old!r} is called {new!r} now." for old, new in self.renamed.items()]


def _fresh(wanted: str, taken: Iterable[str]) -> str:
    """The name itself, or with the first number that nobody has."""
    known, made, number = set(taken), wanted, 2
    while made in known:
        tail = f"_{number}"
        made, number = f"{wanted[: _MOST_NAME - len(tail)]}{tail}", number + 1
    return made


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
