"""What workflows can be made of: the node types, as the engine tells them."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class NodeType:
    """One node type. `outputs` are those that do not depend on parameters."""

    type: str
    version: int
    family: str
    title: str
    description: str
    documentation: str
    parameters_schema: JsonObject
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    examples: tuple[JsonObject, ...]
    credential_types: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    @property
    def properties(self) -> Mapping[str, Any]:
        """The parameters that it has, by name, each with its JSON Schema.

        Of a type whose parameters are those of one of several operations, those of all.
        """
        schema = self.parameters_schema
        named: Mapping[str, JsonObject] = schema.get("$defs", {})
        ways = [named[way["$ref"].rpartition("/")[2]] for way in schema.get("oneOf", ())]
        return {
            name: shape
            for each in (*reversed(ways), schema)
            for name, shape in each.get("properties", {}).items()
        }


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All node types there are."""

    node_types: tuple[NodeType, ...]
    _by_type: Mapping[str, NodeType] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_type", {one.type: one for one in self.node_types})

    @classmethod
    def of(cls, node_types: Iterable[NodeType]) -> "Catalogue":
        return cls(tuple(sorted(node_types, key=lambda one: one.type)))

    def __contains__(self, node_type: object) -> bool:
        return node_type in self._by_type

    def find(self, node_type: str) -> NodeType | None:
        """The node type with this name, if there is one."""
        return self._by_type.get(node_type)

    def types(self) -> Sequence[str]:
        """Every name, sorted."""
        return list(self._by_type)

    def nearest(self, node_type: str) -> str | None:
        """The name that is probably meant by a wrong one, if any is near enough."""
        wanted = node_type.strip().lower().replace(" ", "_").replace("-", "_")
        if near := difflib.get_close_matches(wanted, self._by_type, n=1, cutoff=0.75):
            return near[0]
        tail = wanted.rpartition(".")[2]
        same_tail = [name for name in self._by_type if name.rpartition(".")[2] == tail]
        return same_tail[0] if len(same_tail) == 1 else None
