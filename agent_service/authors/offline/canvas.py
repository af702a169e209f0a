"""The definition while it is being built: nodes with unused names, in columns, and their edges."""

from dataclasses import dataclass, field

from agent_service.authors.offline.labels import slug
from agent_service.authors.offline.places import End, Place, edge
from agent_service.authors.offline.verdicts import FALLIBLE
from agent_service.catalogue import Catalogue
from shared.workflow import JsonObject

COLUMN, ROW = 220, 140
PLACEHOLDER = "flow.noop"


@dataclass(slots=True)
class Canvas:
    """Nodes and edges so far; `unmatched` are the ids of those that somebody has to fill in."""

    catalogue: Catalogue
    nodes: list[JsonObject] = field(default_factory=list[JsonObject])
    connections: list[JsonObject] = field(default_factory=list[JsonObject])
    unmatched: list[str] = field(default_factory=list[str])
    columns: dict[str, int] = field(default_factory=dict[str, int])
    rows: int = 0

    def add(
        self, node_type: str, label: str, given: JsonObject, place: Place, notes: str = ""
    ) -> JsonObject:
        """Add a node behind the place's ends; a type that is not there becomes a placeholder."""
        if node_type not in self.catalogue and PLACEHOLDER in self.catalogue:
            return self.placeholder(label, place, f"{node_type}: {notes or label}")
        column = max((self.columns[end.node_id] for end in place.ends), default=-1) + 1
        ids, names = ({node[key] for node in self.nodes} for key in ("id", "name"))
        node: JsonObject = {
            "id": _unused(slug(label, node_type.rpartition(".")[2]), ids, "_"),
            "name": _unused(label, names, " "),
            "type": node_type,
        }
        if given:
            node["parameters"] = given
        node["position"] = [column * COLUMN, place.row * ROW]
        if notes:
            node["notes"] = notes
        self.nodes.append(node)
        self.columns[node["id"]] = column
        self.connections.extend(edge(end, node["id"]) for end in place.ends)
        return node

    def placeholder(self, label: str, place: Place, notes: str) -> JsonObject:
        """Add a node that does nothing; its notes say what is to be done there."""
        node = self.add(PLACEHOLDER, label, {}, place, notes)
        self.unmatched.append(node["id"])
        return node

    def next_row(self) -> int:
        """A row of the picture that nothing stands in."""
        self.rows += 1
        return self.rows

    def error_of(self, node_id: str) -> End:
        """The end by which items leave that a node failed on."""
        node = next(node for node in self.nodes if node["id"] == node_id)
        node.setdefault("settings", {})["on_error"] = "error_port"
        return End(node_id, "error")

    def may_fail(self, place: Place) -> bool:
        """Whether all that leads to a place are nodes of which people say that they fail."""
        types = {node["id"]: node["type"] for node in self.nodes}
        return all(end.port == "main" and types[end.node_id] in FALLIBLE for end in place.ends)


def _unused(wanted: str, taken: "set[str]", joint: str) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}{joint}{number}", number + 1
    return name
