"""A stored definition in plain words, whoever wrote it, and why its latest run failed."""

from collections.abc import Sequence

from agent_service.author import FailedRun
from agent_service.authors.offline.planner import describe_rule
from shared.workflow import JsonObject


def explain(definition: JsonObject, failed: FailedRun | None, language: str) -> str:
    """What a workflow does, node by node in the order of its edges."""
    chinese = language == "zh"
    name = definition.get("name", "")
    parts = [f"**{name}**"]
    parts.append("\n".join(f"- {line}" for line in _lines(definition, chinese=chinese)))
    if failed is not None:
        parts.append(_failure(definition, failed, chinese=chinese))
    return "\n\n".join(part for part in parts if part)


def _lines(definition: JsonObject, *, chinese: bool) -> list[str]:
    nodes = {node["id"]: node for node in definition.get("nodes", [])}
    edges: list[JsonObject] = definition.get("connections", [])
    lines: list[str] = []
    for node_id in _in_order(list(nodes), edges):
        node = nodes[node_id]
        onward = [
            f"{edge['port']} → {nodes[edge['to']]['name']}"
            for edge in edges
            if edge["from"] == node_id
            and edge.get("port", "main") != "main"
            and edge["to"] in nodes
        ]
        ways = f" ({'; '.join(onward)})" if onward else ""
        lines.append(f"{_node(node, chinese=chinese)}{ways}")
    return lines


def _in_order(ids: Sequence[str], edges: Sequence[JsonObject]) -> list[str]:
    """Ids from the triggers onwards; what nothing leads to comes first."""
    targets = {edge["to"] for edge in edges}
    waiting = [one for one in ids if one not in targets]
    ordered: list[str] = []
    while waiting:
        current = waiting.pop(0)
        if current in ordered:
            continue
        ordered.append(current)
        waiting = [edge["to"] for edge in edges if edge["from"] == current] + waiting
    return [*ordered, *(one for one in ids if one not in ordered)]


def _node(node: JsonObject, *, chinese: bool) -> str:
    given: JsonObject = node.get("parameters", {})
    name, node_type = node["name"], node["type"]
    match node_type:
        case "trigger.schedule":
            said = "; ".join(
                describe_rule(rule, chinese=chinese) for rule in given.get("rules", [])
            )
            return f"{name}: {said}"
        case "trigger.webhook":
            return f"{name}: {', '.join(given.get('methods', ['POST']))} /{given.get('path', '')}"
        case "http.request":
            return f"{name}: {given.get('method', 'GET')} {given.get('url', '')}"
        case "flow.wait" if "amount" in given:
            return f"{name}: {given['amount']} {given.get('unit', 'hours')}"
        case "human.approval":
            return f"{name}: {given.get('title', '')}"
        case _:
            return f"{name} (`{node_type}`)"


def _failure(definition: JsonObject, failed: FailedRun, *, chinese: bool) -> str:
    names = {node["id"]: node["name"] for node in definition.get("nodes", [])}
    node = names.get(failed.node_id, failed.node_id)
    if chinese:
        where = f"“{node}”处" if node else ""
        return (
            f"最近一次失败的运行 `{failed.run_id}` "
            f"在{where}停止：{failed.message}（`{failed.code}`）"
        )
    where = f" at “{node}”" if node else ""
    return (
        f"Its latest failed run, `{failed.run_id}`, stopped{where}: {failed.message} "
        f"(`{failed.code}`)"
    )
