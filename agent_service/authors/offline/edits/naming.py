"""Names: `rename it to “Orders”`, `rename the step “Reply” to “Answer”`."""

import json
import re

from agent_service.authors.offline.edits.change import Changed, Wish
from agent_service.authors.offline.edits.targets import find_node

_RENAME = re.compile(
    r"^(?:please )?(?:rename|retitle|call|name|title)\s+(?P<what>.*?)\s*"
    r"(?:\b(?:to|as|into)\b\s*|(?=[\ue000-\uf8ff]\s*$))(?P<name>.+)$"
    r"|^change (?:the |its )?(?:name|title)(?: of (?P<of>.+?))? to (?P<name2>.+)$"
    r"|^(?:把|将)?(?P<han>.*?)"
    r"(?:的?(?:名字|名称|标题)(?:改|换)(?:为|成)|(?:重命名|改名|命名)(?:为|成)?)(?P<name3>.+)$",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"^(?:please )?(?:call|name|title) (?:it|this|the workflow)\s+(?P<name>.+)$", re.IGNORECASE
)
_WHOLE = re.compile(
    r"^(?:it|this|(?:the|this) (?:workflow|automation|flow)|它|工作流|流程|这个工作流)?$",
    re.IGNORECASE,
)


def rename(wish: Wish) -> Changed | None:
    """Another name for the workflow or one of its nodes; expressions that name the node follow."""
    plain = wish.plain.strip(" .。")
    if called := _CALL.match(plain):
        return _rename_workflow(wish, called["name"])
    found = _RENAME.match(plain)
    if found is None:
        return None
    what = (found["what"] or found["of"] or found["han"] or "").strip()
    name = found["name"] or found["name2"] or found["name3"]
    if _WHOLE.match(what):
        return _rename_workflow(wish, name)
    node = find_node(what, wish.text, wish.definition)
    return None if node is None else _rename_node(wish, node["id"], node["name"], name)


def _name(wish: Wish, words: str) -> str:
    literal = wish.text.literal(words, "quote")
    return (literal or wish.text.restore(words)).strip(" .。\"'")


def _rename_workflow(wish: Wish, words: str) -> Changed | None:
    name = _name(wish, words)
    if not name:
        return None
    return Changed({**wish.copy(), "name": name[:200]}, ["name"])


def _rename_node(wish: Wish, node_id: str, old: str, words: str) -> Changed | None:
    name = _name(wish, words)[:120]
    if not name:
        return None
    after = wish.copy()
    touches = [node_id]
    old_reference, new_reference = _reference(old), _reference(name)
    for node in after["nodes"]:
        if node["id"] == node_id:
            node["name"] = name
        given = json.dumps(node.get("parameters", {}), ensure_ascii=False)
        if old_reference in given:
            node["parameters"] = json.loads(given.replace(old_reference, new_reference))
            touches.append(node["id"])
    return Changed(after, touches)


def _reference(name: str) -> str:
    """`$('Name'` as it stands in the JSON text of parameters."""
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    return json.dumps(f"$('{quoted}'", ensure_ascii=False)[1:-1]
