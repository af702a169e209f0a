"""What a source touches: for the batch that evaluates it, and for static checks."""

from dataclasses import dataclass, field

from engine_service.expressions.names import ITEM_NAMES, MUTATORS, SCOPE_NAMES

_PER_ITEM_PROPERTIES = frozenset({"item", "itemMatching", "pairedItem"})
_PARAMETERS = frozenset({"params", "parameter"})
_RANDOM = frozenset({"random", "randomItem"})


@dataclass(slots=True)
class Facts:
    """What a source touches.

    Attributes:
        names: Names of the scope. unknown: Names that nobody here knows.
        seen: Names of the scope that it reaches by another item, as in `$item(0).$json`.
        nodes: Names of nodes, where they are written out; `dynamic_nodes` if some are computed.
        properties: Every property it mentions by name.
        json_paths: Chains on `$json`, as far as they are literal.
        changes_data: It may change what it is given.
    """

    names: set[str] = field(default_factory=set[str])
    unknown: set[str] = field(default_factory=set[str])
    seen: set[str] = field(default_factory=set[str])
    nodes: set[str] = field(default_factory=set[str])
    dynamic_nodes: bool = False
    properties: set[str] = field(default_factory=set[str])
    json_paths: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])
    changes_data: bool = False

    def note_property(self, name: str) -> None:
        """A property is read or a method called."""
        self.properties.add(name)
        if name in MUTATORS:
            self.changes_data = True
        if name in SCOPE_NAMES:
            self.seen.add(name)
            self.dynamic_nodes = self.dynamic_nodes or name in ("$", "$node")

    @property
    def pairs_items(self) -> bool:
        """Whether it may ask which item of another node belongs to the current one."""
        asks = bool(self.properties & _PER_ITEM_PROPERTIES)
        return "$node" in self.names | self.seen or (asks and "$" in self.names | self.seen)

    @property
    def asks_for_parameters(self) -> bool:
        """Whether it may read what was written of a node."""
        return bool(self.properties & _PARAMETERS) or bool(
            self.names & {"$parameter", "$rawParameter"}
        )

    @property
    def differs_by_item(self) -> bool:
        """Whether its value may differ from item to item."""
        asks = bool(self.properties & _PER_ITEM_PROPERTIES) and bool(self.names & {"$", "$input"})
        return bool(self.names & ITEM_NAMES) or asks or bool(self.properties & _RANDOM)
