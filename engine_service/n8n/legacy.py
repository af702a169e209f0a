"""What n8n did before version 1 of its order of execution, made visible.

There a node with several inputs did not run before something had come by each of them. A node that
no trigger led to ran for it, and so did a branch that was not taken: with one empty item. Here an
edge from the trigger leads to the one, and a gate stands before the other that lets one empty item
through when nothing comes.
"""

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from engine_service.sdk.node import MAIN
from shared.attachments import ATTACHMENTS
from shared.workflow import JsonObject

_DECIDING = frozenset({"flow.if", "flow.switch", "flow.filter", "data.compare"})
_GATE = "flow.merge"
_LEFT = 110.0


@dataclass(slots=True)
class Legacy:
    """Nodes and edges of a definition, and what is said of the changes to them."""

    nodes: list[JsonObject]
    edges: list[JsonObject]
    notes: list[str] = field(default_factory=list[str])

    def keep_order(self) -> None:
        """Add the edges and gates that the old order asks for."""
        joins = {node["id"] for node in self.nodes if self._inputs(node["id"]) > 1}
        if joins:
            self._lead_to_what_nobody_starts(joins)
            self._let_untaken_branches_run(joins)

    def _flowing(self) -> Sequence[JsonObject]:
        """The edges by which items go; what is attached runs for its user alone."""
        return [
            edge
            for edge in self.edges
            if (into := edge.get("input", MAIN)) not in ATTACHMENTS and not into.startswith("ai_")
        ]

    def _inputs(self, node_id: str) -> int:
        edges = [edge for edge in self._flowing() if edge["to"] == node_id]
        return len({edge.get("input", MAIN) for edge in edges})

    def _lead_to_what_nobody_starts(self, joins: Set[str]) -> None:
        triggers = [node["id"] for node in self.nodes if node["type"].startswith("trigger.")]
        if not triggers:
            return
        targets = {edge["to"] for edge in self._flowing()}
        for node in self.nodes:
            node_id = node["id"]
            if node_id in targets or node_id in triggers or node_id in joins:
                continue
            if self._behind(node_id) & joins:
                self.edges.append({"from": triggers[0], "to": node_id})
                self.notes.append(
                    f"Nothing leads to {node['name']!r}; n8n ran it for a node that waited for "
                    "it, so it is connected to the trigger now."
                )

    def _let_untaken_branches_run(self, joins: Set[str]) -> None:
        types = {node["id"]: node["type"] for node in self.nodes}
        for node in list(self.nodes):
            into = [edge for edge in self._flowing() if edge["to"] == node["id"]]
            deciding = [edge["from"] for edge in into if types[edge["from"]] in _DECIDING]
            if not deciding or node["id"] in joins or not self._is_awaited(node["id"], joins):
                continue
            before = [edge for edge in self._flowing() if edge["to"] in deciding]
            behind = self._behind(node["id"])
            if before and not behind & {edge["from"] for edge in before}:
                self._put_gate(node, into, before)

    def _is_awaited(self, node_id: str, joins: Set[str]) -> bool:
        """Whether a join behind it can be reached on another way as well."""
        behind = {*self._behind(node_id), node_id}
        return any(
            edge["to"] in behind & joins and edge["from"] not in behind for edge in self._flowing()
        )

    def _put_gate(
        self, node: JsonObject, into: Sequence[JsonObject], before: Sequence[JsonObject]
    ) -> None:
        gate = f"{node['id'][:52]}_gate"
        position = node.get("position")
        for edge in into:
            edge["to"], edge["input"] = gate, "input1"
        for edge in before:
            shown = {name: edge[name] for name in ("from", "port") if name in edge}
            self.edges.append({**shown, "to": gate, "input": "input2"})
        self.edges.append({"from": gate, "to": node["id"]})
        self.nodes.append(
            {
                "id": gate,
                "name": f"{node['name'][:100]} or nothing",
                "type": _GATE,
                "parameters": {"mode": "choose", "choose": "input1"},
                "position": (position[0] - _LEFT, position[1]) if position else None,
                "settings": {"always_output": True},
            }
        )
        self.notes.append(
            f"In n8n's old order {node['name']!r} runs with one empty item when its branch is not "
            f"taken; the node '{node['name']} or nothing' keeps that. Remove it if that is not "
            "what you want."
        )

    def _behind(self, node_id: str) -> set[str]:
        """All that can be reached from a node."""
        after: defaultdict[str, list[str]] = defaultdict(list)
        for edge in self._flowing():
            after[edge["from"]].append(edge["to"])
        seen: set[str] = set()
        waiting = [node_id]
        while waiting:
            for target in after[waiting.pop()]:
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        return seen
