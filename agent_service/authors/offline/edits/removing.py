"""Nodes go: `remove the approval`, `don't wait`, 去掉审批."""

import re

from agent_service.authors.offline.edits.change import Changed, Wish
from agent_service.authors.offline.edits.targets import find_node
from shared.workflow import JsonObject

_REMOVE = re.compile(
    r"^(?:please |also )?(?:remove|delete|drop|get rid of|take out|take away|skip|leave out"
    r"|eliminate|cut|without|no(?: more)?|stop)\s+(?:the |any |that |this )?(?P<what>.+)$"
    r"|^(?:please )?(?:don'?t|do not|no longer|never)\s+(?P<verb>.+)$"
    r"|^(?:it )?(?:doesn'?t|does not) need (?:the |an |a |any )?(?P<need>.+)$"
    r"|(?:去掉|删除|删掉|移除|取消|不要|不需要|别)(?P<han>.+)$",
    re.IGNORECASE,
)
_ENTRIES = {"flow.if": "true", "human.approval": "approved", "flow.loop": "done", "flow.switch": ""}


def remove(wish: Wish) -> Changed | None:
    """Take a node away and join what it stood between."""
    found = _REMOVE.search(wish.plain.strip(" .。"))
    if found is None:
        return None
    what = next(words for words in found.groups() if words)
    node = find_node(what, wish.text, wish.definition)
    if node is None or node["type"].startswith("trigger."):
        return None
    after = wish.copy()
    removed = _without(after, node)
    return Changed(after, removed)


def _without(definition: JsonObject, node: JsonObject) -> list[str]:
    """Remove a node, bridge its main way, and remove what only its other ways led to."""
    node_id = node["id"]
    edges: list[JsonObject] = definition.get("connections", [])
    into = [edge for edge in edges if edge["to"] == node_id and edge["from"] != node_id]
    onward_port = _ENTRIES.get(node["type"], "main")
    onward = [
        edge
        for edge in edges
        if edge["from"] == node_id and edge.get("port", "main") == onward_port
    ]
    kept = [edge for edge in edges if node_id not in (edge["from"], edge["to"])]
    known = {_key(edge) for edge in kept}
    for before in into:
        for behind in onward:
            bridge = {key: value for key, value in before.items() if key in ("from", "port")}
            bridge |= {
                key: value for key, value in behind.items() if key in ("to", "input", "index")
            }
            if _key(bridge) not in known and bridge["from"] != bridge["to"]:
                known.add(_key(bridge))
                kept.append(bridge)
    definition["connections"] = kept
    definition["nodes"] = [one for one in definition["nodes"] if one["id"] != node_id]
    return [node_id, *_drop_unreachable(definition)]


def _key(edge: JsonObject) -> tuple[str, str, str, str]:
    return edge["from"], edge.get("port", "main"), edge["to"], edge.get("input", "main")


def _drop_unreachable(definition: JsonObject) -> list[str]:
    """Remove nodes that no trigger leads to any more; their ids."""
    edges: list[JsonObject] = definition["connections"]
    reached = {one["id"] for one in definition["nodes"] if one["type"].startswith("trigger.")}
    waiting = list(reached)
    while waiting:
        current = waiting.pop()
        following = {edge["to"] for edge in edges if edge["from"] == current} - reached
        reached |= following
        waiting.extend(following)
    lost = [one["id"] for one in definition["nodes"] if one["id"] not in reached]
    definition["nodes"] = [one for one in definition["nodes"] if one["id"] in reached]
    definition["connections"] = [edge for edge in edges if edge["from"] in reached]
    return lost
