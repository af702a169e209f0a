"""What data stands at a place of an existing definition, whoever wrote it."""

from agent_service.authors.offline.scope import REQUEST, RESPONSE, Scope, Subject
from shared.workflow import JsonObject

_GATES = ("flow.", "human.")


def scope_behind(definition: JsonObject, node_id: str) -> Scope:
    """The data behind a node: its way from the trigger, followed step by step."""
    nodes = {node["id"]: node for node in definition.get("nodes", [])}
    way = _way_to(definition, node_id)
    scope = _at_start(nodes[way[0]])
    for name in way[1:]:
        scope = _passed(scope, nodes[name])
    return scope


def scope_at(definition: JsonObject, node_id: str) -> Scope:
    """The data that arrives at a node."""
    way = _way_to(definition, node_id)
    return scope_behind(definition, way[-2] if len(way) > 1 else node_id)


def _way_to(definition: JsonObject, node_id: str) -> list[str]:
    """Ids from a trigger to a node, by the first edge into each."""
    into: dict[str, str] = {}
    for edge in definition.get("connections", []):
        into.setdefault(edge["to"], edge["from"])
    way = [node_id]
    while way[0] in into and into[way[0]] not in way:
        way.insert(0, into[way[0]])
    return way


def _at_start(node: JsonObject) -> Scope:
    is_webhook = node["type"] == "trigger.webhook"
    methods = node.get("parameters", {}).get("methods", ["POST"])
    root = ("query" if methods == ["GET"] else "body") if is_webhook else ""
    parts = REQUEST if is_webhook else ()
    subject = Subject(node["name"], root, single=True, parts=parts)
    return Scope(subject, subject, subject)


def _passed(scope: Scope, node: JsonObject) -> Scope:
    given: JsonObject = node.get("parameters", {})
    name, node_type = node["name"], node["type"]
    if node_type.startswith(_GATES):
        return scope
    match node_type:
        case "ai.chat" if "output_schema" in given:
            return scope.made(Subject(name, "data"))
        case "ai.chat":
            return scope.made(Subject(name, text="text"))
        case "data.set" if given.get("include") == "all" and scope.direct:
            before = scope.subject
            return scope.made(Subject(name, before.root, before.single, parts=before.parts))
        case "http.request" if given.get("full_response"):
            return scope.made(Subject(name, "body", parts=RESPONSE))
        case _:
            return scope.made(Subject(name))
