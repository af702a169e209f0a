"""What a mapping is: it says what one family of n8n's nodes is here.

One file in `mappings/` holds one family. It reads the node's parameters through `Fields`, applying
what n8n assumes where nothing is written, and gives the node of ours that does the same, or says
why there is none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from engine_service.n8n.fields import CannotMap, Fields
from engine_service.sdk.node import MAIN
from shared.workflow import JsonObject

__all__ = ["CannotMap", "Fields", "Mapped", "NodeMapping", "SourceNode", "Translate"]


@dataclass(frozen=True, slots=True)
class SourceNode:
    """A node as n8n wrote it.

    Attributes:
        type: Its type, such as `n8n-nodes-base.set`.
        version: Its type's version; behaviour and parameters depend on it.
        fields: Its parameters.
        raw: All of it.
        outputs_used: How many outputs lead anywhere.
        attached: Nodes attached by `ai_*` connections, by the connection's type.
    """

    name: str
    type: str
    version: float
    fields: Fields
    raw: JsonObject
    outputs_used: int = 1
    attached: Mapping[str, Sequence["SourceNode"]] = field(
        default_factory=dict[str, Sequence["SourceNode"]]
    )

    @property
    def credentials(self) -> Mapping[str, Any]:
        """Its credentials by type; an export holds names, never secrets."""
        found: Any = self.raw.get("credentials")
        return cast("JsonObject", found) if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Mapped:
    """The node of ours that does the same.

    Attributes:
        outputs: Our port for each of n8n's outputs, in order; several where one output is several.
        inputs: Our input for each of n8n's inputs, in order.
        absorbs: Names of attached nodes that are part of it now.
        notes: What is said of it, such as a tool's description, where the author noted nothing.
    """

    type: str
    parameters: JsonObject
    outputs: tuple[str | tuple[str, ...], ...] = (MAIN,)
    inputs: tuple[str, ...] = (MAIN,)
    absorbs: tuple[str, ...] = ()
    notes: str = ""


Translate = Callable[[SourceNode], Mapped]
"""Raises CannotMap when the node has no counterpart; says differences to `node.fields.differ`."""


@dataclass(frozen=True, slots=True)
class NodeMapping:
    """What to do with nodes of these types."""

    types: tuple[str, ...]
    translate: Translate
