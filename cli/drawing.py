"""How the command line shows things to people: workflows as trees, runs as tables, JSON as JSON."""

import json
from datetime import datetime
from typing import Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

console = Console(highlight=False)

Json = dict[str, Any]

_STYLES = {
    "completed": "green",
    "approved": "green",
    "failed": "red",
    "rejected": "red",
    "cancelled": "yellow",
    "waiting": "yellow",
    "pending": "yellow",
    "skipped": "dim",
    "running": "cyan",
    "queued": "dim",
}
_MARKS = {"completed": "✓", "failed": "✗", "waiting": "…", "skipped": "·", "running": "▸"}
_LONGEST_VALUE = 60


def as_json(value: object) -> None:
    """Print for a program: one JSON document."""
    console.print_json(json.dumps(value, ensure_ascii=False), indent=2)


def workflow_tree(definition: Json) -> Tree:
    """A definition from its triggers downwards; what is reached twice is drawn once."""
    nodes = {node["id"]: node for node in definition.get("nodes", [])}
    after: dict[str, list[Json]] = {}
    targets: set[str] = set()
    for edge in definition.get("connections", []):
        after.setdefault(edge["from"], []).append(edge)
        targets.add(edge["to"])
    tree = Tree(Text(definition.get("name") or "Untitled workflow", style="bold"))
    drawn: set[str] = set()

    def draw(parent: Tree, node_id: str, port: str) -> None:
        label = _node_label(nodes[node_id], port)
        if node_id in drawn:
            parent.add(label.append("  ↑ above", style="dim"))
            return
        drawn.add(node_id)
        branch = parent.add(label)
        for edge in after.get(node_id, []):
            draw(branch, edge["to"], edge.get("port", "main"))

    for node_id in [*(one for one in nodes if one not in targets), *nodes]:
        if node_id not in drawn:
            draw(tree, node_id, "main")
    return tree


def status(name: str) -> Text:
    """A status in its colour, with its mark."""
    mark = f"{_MARKS[name]} " if name in _MARKS else ""
    return Text(f"{mark}{name}", style=_STYLES.get(name, ""))


def run_table(run: Json, title: str = "") -> Table:
    """What each node of a run did: how long it took and what it gave."""
    table = Table(title=title or None, title_justify="left", expand=False)
    for column in ("node", "status", "time", "output"):
        table.add_column(column, overflow="fold")
    nodes: list[Json] = run.get("nodes") or []
    for node in nodes:
        name = node["node_id"] + (f" [{node['iteration']}]" if node.get("iteration") else "")
        error: Json = node.get("error") or {}
        told = error.get("message") or _outputs(node.get("outputs") or {})
        table.add_row(name, status(node["status"] or ""), _duration(node), told)
    return table


def table(rows: list[Json], columns: dict[str, str]) -> Table:
    """Rows of a list: `columns` maps a field to its heading."""
    drawn = Table(expand=False)
    for heading in columns.values():
        drawn.add_column(heading, overflow="fold")
    for row in rows:
        drawn.add_row(
            *(
                status(row["status"]) if field == "status" else _cell(row, field)
                for field in columns
            )
        )
    return drawn


def short(value: object) -> str:
    """A value in one short line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _node_label(node: Json, port: str) -> Text:
    label = Text(f"{port} → ", style="cyan") if port != "main" else Text()
    label.append(node.get("name") or node["id"], style="bold")
    label.append(f"  {node['type']}", style="dim")
    if told := _tell(node.get("parameters") or {}):
        label.append(f"  {told}", style="green")
    return label


def _tell(parameters: Json) -> str:
    """The parameters that tell the most, in a few words."""
    parts = [
        short(parameters[name])
        for name in ("method", "url", "path", "rules", "title", "prompt", "conditions")
        if parameters.get(name)
    ]
    return " ".join(parts[:2])


def _outputs(outputs: Json) -> str:
    """What left by each port: the first item, and how many more."""
    told: list[str] = []
    for port, items in outputs.items():
        if not items:
            continue
        more = f" and {len(items) - 1} more" if len(items) > 1 else ""
        name = "" if port == "main" else f"{port}: "
        told.append(f"{name}{short(_essence(items[0].get('json')))}{more}")
    return "\n".join(told)


def _essence(value: Any) -> Any:
    """What a person wants to see of an item: of an HTTP request, its body."""
    if isinstance(value, dict) and {"body", "headers", "method"} <= value.keys():
        return cast("Json", value)["body"]
    return value  # pyright: ignore[reportUnknownVariableType] (JSON as it came)


def _duration(node: Json) -> str:
    if not (node.get("start_time") and node.get("end_time")):
        return ""
    begun, ended = (datetime.fromisoformat(str(node[name])) for name in ("start_time", "end_time"))
    seconds = (ended - begun).total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _cell(row: Json, field: str) -> str:
    value = row.get(field)
    return "" if value is None else str(value)
