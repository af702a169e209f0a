"""What an import says of itself: a line for every node, and what concerns the whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class SourceFormat(StrEnum):
    """Whose format a document was of."""

    FLOWLOOM = "flowloom"
    N8N = "n8n"


class Verdict(StrEnum):
    """What became of a node."""

    MAPPED = "mapped"
    DIFFERENT = "mapped_with_difference"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What became of one node of the document.

    Attributes:
        name: What it is called there.
        type: Its type there, with its version.
        node_id: The node that it became, or became part of; empty when it is a note now.
        mapped_to: The type of that node.
        differences: What behaves otherwise, or was not carried over; for an unmatched node, why.
    """

    name: str
    type: str
    version: str
    verdict: Verdict
    node_id: str = ""
    mapped_to: str = ""
    differences: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a document.

    Attributes:
        notes: What concerns no single node.
    """

    format: SourceFormat
    nodes: Sequence[NodeReport] = ()
    notes: Sequence[str] = ()

    def count(self, verdict: Verdict) -> int:
        """How many nodes met this fate."""
        return sum(node.verdict is verdict for node in self.nodes)
