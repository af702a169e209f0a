"""What the checks of a definition have in common: the definition, laid out, and what they say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from typing import Any

from engine_service.catalogue import Catalogue
from engine_service.core.graph import Graph
from engine_service.sdk.node import NodeType
from engine_service.sdk.trigger import Trigger
from shared.workflow import Node, Workflow


class Severity(StrEnum):
    """How much a diagnostic matters: an error keeps the workflow from running."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong, or suspicious, in a definition.

    Attributes:
        pointer: Where: a JSON Pointer into the definition.
        code: What: stable, lower snake case.
        suggestion: What would mend it, when that is known.
    """

    pointer: str
    code: str
    message: str
    suggestion: str = ""
    severity: Severity = Severity.ERROR


class Nearest:
    """Suggests the name that was probably meant.

    Comparing words is the one slow thing about checking, so a definition gets so many comparisons.
    """

    def __init__(self, comparisons: int = 5_000) -> None:
        self._left = comparisons

    def __call__(self, word: str, names: Iterable[str]) -> str:
        if self._left <= 0 or len(word) > 100:
            return ""
        by_lower = {name.lower(): name for name in names}
        self._left -= len(by_lower)
        close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
        return f"Did you mean {by_lower[close[0]]!r}?" if close else ""


class Subject:
    """A well-formed definition under examination, with what every check asks about it.

    Attributes:
        index: A node's place by its id; the first one's where an id repeats.
        edges: (place of the connection, place of its source, place of its target), for the
            connections whose both ends exist. What attaches a node leads the other way here: who
            uses it is before it, and it sees what was there before its user ran.
        graph: The same as a graph.
        nearest: Suggests names, sparingly.
    """

    def __init__(self, workflow: Workflow, catalogue: Catalogue) -> None:
        self.workflow = workflow
        self.nodes = workflow.nodes
        self.catalogue = catalogue
        self.nearest = Nearest()
        self.index = {node.id: place for place, node in reversed([*enumerate(workflow.nodes)])}
        self.edges = [
            (place, self.index[edge.target], self.index[edge.source])
            if edge.attaches
            else (place, self.index[edge.source], self.index[edge.target])
            for place, edge in enumerate(workflow.connections)
            if edge.source in self.index and edge.target in self.index
        ]
        self.graph = Graph(len(self.nodes), [(source, target) for _, source, target in self.edges])

    def type_of(self, node: Node) -> NodeType[Any] | None:
        """The node's type, if there is one of that name; the latest, if not of that version."""
        return self.catalogue.find(node.type, node.version) or self.catalogue.find(node.type)

    def triggers(self) -> Iterator[tuple[int, Node, Trigger[Any]]]:
        """The nodes that are triggers, disabled ones too, with their places and types."""
        for place, node in enumerate(self.nodes):
            node_type = self.type_of(node)
            if isinstance(node_type, Trigger):
                yield place, node, node_type

    @cached_property
    def ancestors(self) -> list[int]:
        """For each place the places upstream of it, as bits."""
        return self.graph.ancestors()
