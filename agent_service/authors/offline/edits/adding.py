"""New steps in an existing workflow: `also post the result to …`, `ask me first`, `only if …`."""

import re
from collections.abc import Sequence

from agent_service.authors.offline.clauses import split
from agent_service.authors.offline.compose import insert
from agent_service.authors.offline.conditions import read_condition
from agent_service.authors.offline.edits.change import Changed, Wish
from agent_service.authors.offline.edits.scopes import scope_behind
from agent_service.authors.offline.edits.targets import find_node, nodes_of
from agent_service.authors.offline.openings import address_in, fitting, gap_id, still_open
from agent_service.authors.offline.places import End, Place
from agent_service.authors.offline.reader import read_steps
from agent_service.authors.offline.reading import (
    Ask,
    Http,
    Judgement,
    Keep,
    Open,
    Step,
    Unmatched,
    Unread,
)
from shared.workflow import JsonObject

NEW_URL = "edit.new.url"
_ADD = re.compile(
    r"^(?:please |and |but )*(?:(?:also|additionally|then|afterwards|after that|finally|at the end"
    r"|in addition|furthermore|plus)\b[,:]?\s*)*(?:(?:add|insert|include|put in|append)\s+"
    r"(?:(?:a|an|another|one more|new)\s+)*(?:step|node)?s?\s*(?:that|which|to|for|:)?\s*)?",
    re.IGNORECASE,
)
_HAN_ADD = re.compile(
    r"^(?:请|同时|另外|还要?|再|然后|最后|也)*(?:添加|增加|加上?"
    r"|插入)?(?:一个|一步)?(?:步骤)?[,，:：]?"
)
_BEFORE = re.compile(
    r"^before (?:that|it|(?P<what>[^,]+?)),\s*(?P<rest>.+)$"
    r"|^(?P<rest2>.+?)\s+before (?:the |it |you )?(?P<what2>[^,]+)$"
    r"|^在?(?P<han>[^,，]+?)(?:之前|前)[,，]?(?P<hanrest>.+)$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"^after (?:that|it|(?P<what>[^,]+?)),\s*(?P<rest>.+)$"
    r"|^(?P<rest2>.+?)\s+(?:right |directly )?after (?:the )?(?P<what2>[^,]+)$"
    r"|^在?(?P<han>[^,，]+?)(?:之后|后)[,，]?(?P<hanrest>.+)$",
    re.IGNORECASE,
)
_ONLY = re.compile(
    r"^(?:please )?(?:(?:but |and )?(?:do (?:it|this|that)|run(?: it)?|continue|go on|proceed"
    r"|send it|post it)\s+)?only (?:if|when|for|where|continue if|run if)\s+(?P<condition>.+)$"
    r"|^(?:只有|仅(?:当|在)|只在)(?P<han>.+?)(?:时|的时候|才.*)?$",
    re.IGNORECASE,
)
_NOUN_CONDITION = re.compile(
    r"^(?:\w+\s+)?(?P<noun>\w+?)s?\s+"
    r"(?P<rest>(?:over|above|below|under|with|whose|from|that|which)\b.+)$",
    re.I,
)


def add_condition(wish: Wish) -> Changed | None:
    """`only if the amount is over 50`: a filter right behind the trigger."""
    found = _ONLY.match(wish.plain.strip(" .。"))
    if found is None:
        return None
    words = found["condition"] or found["han"]
    condition = read_condition(words, wish.text)
    if any(isinstance(test, Judgement | Unread) for test in condition.tests):
        noun = _NOUN_CONDITION.match(words)
        retried = read_condition(f"amount {noun['rest']}", wish.text) if noun else condition
        condition = retried
    node = _first_data(wish.definition)
    return _inserted_behind(wish, node, [Keep(wish.phrase, condition)]) if node else None


def _first_data(definition: JsonObject) -> JsonObject | None:
    """The first node with data that a condition may be about: a clock brings none of its own."""
    fetched = [
        node
        for node in nodes_of(definition, "http.request")
        if node.get("parameters", {}).get("method", "GET") == "GET"
    ]
    if fetched and nodes_of(definition, "trigger.schedule"):
        return fetched[0]
    triggers = [one for one in definition.get("nodes", []) if one["type"].startswith("trigger.")]
    return triggers[0] if triggers else None


def add_steps(wish: Wish) -> Changed | None:
    """Whatever reads as something to do is done at the end, or where it was said to be."""
    plain, anchor, before = _where(wish)
    bare = _HAN_ADD.sub("", _ADD.sub("", plain, count=1), count=1).strip()
    steps = read_steps(split(bare, wish.text), wish.text)
    if not steps or all(isinstance(step, Unmatched) for step in steps):
        return None
    steps, missing = _with_addresses(steps, wish)
    if missing:
        return Changed(wish.definition, [], open=missing)
    if anchor is None and isinstance(steps[0], Ask) and _first_effect(wish.definition):
        anchor, before = _first_effect(wish.definition), True
    if anchor is None:
        return _appended(wish, steps)
    if before:
        return _inserted_before(wish, anchor, steps)
    return _inserted_behind(wish, anchor, steps)


def _where(wish: Wish) -> tuple[str, JsonObject | None, bool]:
    """What is to be added, next to which node, and whether before it."""
    plain = wish.plain.strip(" .。")
    for pattern, before in ((_BEFORE, True), (_AFTER, False)):
        found = pattern.match(plain)
        if found is None:
            continue
        what = found["what"] or found["what2"] or found["han"] or ""
        node = find_node(what, wish.text, wish.definition) if what else None
        rest = found["rest"] or found["rest2"] or found["hanrest"]
        if node is not None and not (before and node["type"].startswith("trigger.")):
            return rest, node, before
    return plain, None, False


def _with_addresses(steps: Sequence[Step], wish: Wish) -> tuple[list[Step], list[Open]]:
    """Requests without an address take the answered one, or ask for it."""
    answered = fitting(NEW_URL, wish.answers) or address_in(wish.answers.get(gap_id(1), ""))
    filled: list[Step] = []
    for step in steps:
        if isinstance(step, Http) and step.url is None:
            if not answered:
                asked = Open(NEW_URL, "url", step.purpose or step.phrase)
                return list(steps), still_open(asked, wish.answers)
            filled.append(Http(step.phrase, step.method, answered, step.body, step.headers))
        else:
            filled.append(step)
    return filled, []


def _first_effect(definition: JsonObject) -> JsonObject | None:
    """The first node that acts on the world: what an approval should come before."""
    found = nodes_of(definition, "http.request")
    sending = [one for one in found if one.get("parameters", {}).get("method", "GET") != "GET"]
    return next(iter([*sending, *found]), None)


def _appended(wish: Wish, steps: Sequence[Step]) -> Changed | None:
    """At the end: behind the last node of the main way."""
    edges: list[JsonObject] = wish.definition.get("connections", [])
    sources = {edge["from"] for edge in edges}
    endings = [
        node
        for node in wish.definition.get("nodes", [])
        if node["id"] not in sources
        and node["type"] != "flow.stop"
        and not _is_refusal(node, edges)
    ]
    return _inserted_behind(wish, endings[-1], steps) if endings else None


def _is_refusal(node: JsonObject, edges: Sequence[JsonObject]) -> bool:
    """Whether only a refusal or a time-out leads to a node."""
    into = [edge.get("port", "main") for edge in edges if edge["to"] == node["id"]]
    return bool(into) and all(port in ("rejected", "timeout", "error") for port in into)


def _inserted_behind(wish: Wish, node: JsonObject, steps: Sequence[Step]) -> Changed | None:
    after = wish.copy()
    edges: list[JsonObject] = after.setdefault("connections", [])
    port = {"human.approval": "approved", "flow.if": "true", "flow.loop": "done"}.get(
        node["type"], "main"
    )
    cut = [
        edge for edge in edges if edge["from"] == node["id"] and edge.get("port", "main") == port
    ]
    after["connections"] = [edge for edge in edges if edge not in cut]
    place = Place([End(node["id"], port)], scope_behind(wish.definition, node["id"]))
    return _built(wish, after, place, steps, cut)


def _inserted_before(wish: Wish, node: JsonObject, steps: Sequence[Step]) -> Changed | None:
    after = wish.copy()
    edges: list[JsonObject] = after.setdefault("connections", [])
    cut = [edge for edge in edges if edge["to"] == node["id"]]
    if not cut:
        return None
    after["connections"] = [edge for edge in edges if edge not in cut]
    ends = [End(edge["from"], edge.get("port", "main")) for edge in cut]
    place = Place(ends, scope_behind(wish.definition, cut[0]["from"]))
    return _built(wish, after, place, steps, cut[:1])


def _built(
    wish: Wish, after: JsonObject, place: Place, steps: Sequence[Step], onward: Sequence[JsonObject]
) -> Changed | None:
    known = {node["id"] for node in after["nodes"]}
    composed = insert(after, steps, place, wish.catalogue, wish.language, onward)
    fresh = [node["id"] for node in composed.definition["nodes"] if node["id"] not in known]
    if not fresh:
        return None
    return Changed(
        composed.definition,
        [*fresh, *_rewired(wish.definition, composed.definition)],
        composed.unmatched,
    )


def _rewired(before: JsonObject, after: JsonObject) -> list[str]:
    """Nodes whose parameters had to follow, such as a webhook that now waits for a reply."""
    old = {node["id"]: node for node in before["nodes"]}
    return [node["id"] for node in after["nodes"] if node["id"] in old and node != old[node["id"]]]
