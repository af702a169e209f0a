"""An app of n8n's that has a connector here: its operations, by resource and operation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, SourceNode
from shared.workflow import JsonObject

Build = Callable[[Fields], JsonObject]
"""The connector's parameters; raises CannotMap when there is no counterpart after all."""


@dataclass(frozen=True, slots=True)
class App:
    """An app's operations by `resource:operation`; the defaults are n8n's.

    Attributes:
        node_type: The connector.
        elsewhere: The connectors of operations that are another's.
    """

    node_type: str
    operations: Mapping[str, Build]
    resource: str
    operation: str
    elsewhere: Mapping[str, str] = field(default_factory=dict[str, str])

    def translate(self, node: SourceNode) -> Mapped:
        """The operation as the connector does it.

        Raises:
            CannotMap: It is none of the table.
        """
        fields = node.fields
        fields.ignore("authentication")
        resource = str(fields.fixed("resource", self.resource))
        key = f"{resource}:{fields.fixed('operation', self.operation)}"
        if key not in self.operations:
            raise CannotMap(f"There is no counterpart of its operation {key!r} yet.")
        return Mapped(self.elsewhere.get(key, self.node_type), filled(self.operations[key](fields)))


def filled(parameters: JsonObject) -> JsonObject:
    """Parameters without what nobody wrote."""
    return {
        name: value
        for name, value in parameters.items()
        if name == "limit" or value not in (None, "", [], {})
    }


def limit(fields: Fields, default: int) -> JsonObject:
    """How many items are wanted; null is all."""
    if fields.flag("returnAll"):
        return {"limit": None}
    return {"limit": int(fields.number("limit", default))}
