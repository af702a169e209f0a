"""How the command line shows things to people: workflows as trees, runs as tables, JSON as JSON."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from cli.tables import Column, Json, print_fitted
from shared.attachments import ATTACHMENTS

# What is piped into another program is not shortened to the width that a terminal might have.
_PIPE_WIDTH = 1000
_piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
console = Console(highlight=False, width=_PIPE_WIDTH if _piped else None)
notices = Console(highlight=False, stderr=True, soft_wrap=True)

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
    "retrying": "yellow",
    "queued": "dim",
}
_MARKS = {
    "completed": "✓",
    "failed": "✗",
    "waiting": "…",
    "skipped": "·",
    "running": "▸",
    "retrying": "↻",
}
_OPERATORS = {"gt": ">", "gte": "≥", "lt": "<", "lte": "≤", "equals": "=", "not_equals": "≠"}
_LONGEST_VALUE = 60


def as_json(value: object) -> None:
    """Print for a program: one JSON document."""
    console.print_json(json.dumps(value, ensure_ascii=False), indent=2)


def remark(line: str) -> None:
    """Say something beside the output, yet not into a line that is being drawn."""
    (console if console.is_terminal else notices).print(line, style="dim", markup=False)


def print_list(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], empty: str) -> None:
    """Print the rows of a list, or what to do when there are none."""
    if rows:
        print_fitted(console, rows, columns)
    else:
        console.print(empty, markup=False, style="dim", soft_wrap=True)


def workflow_tree(definition: Json) -> Tree:
    """A definition from its triggers downwards; what is reached twice is drawn once.

    What is attached to a node stands below it, marked with `◂` and its kind.
    """
    nodes = {node["id"]: node for node in definition.get("nodes", [])}
    after: dict[str, list[Json]] = {}
    targets: set[str] = set()
    used_by: dict[str, list[Json]] = {}
    for edge in definition.get("connections", []):
        if edge.get("input") in ATTACHMENTS:
            used_by.setdefault(edge["to"], []).append(edge)
            targets.add(edge["from"])
        else:
            after.setdefault(edge["from"], []).append(edge)
            targets.add(edge["to"])
    tree = Tree(Text(definition.get("name") or "Untitled workflow", style="bold"))
    drawn: set[str] = set()

    def draw(parent: Tree, node_id: str, port: str, *, uses: bool = False) -> None:
        label = _node_label(nodes[node_id], port, "◂" if uses else "→")
        if node_id in drawn:
            parent.add(label.append("  ↑ above", style="dim"))
            return
        drawn.add(node_id)
        branch = parent.add(label)
        for edge in used_by.get(node_id, []):
            draw(branch, edge["from"], edge["input"], uses=True)
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
    table = Table(
        title=title or None,
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        header_style="bold",
    )
    for column in ("node", "status", "time", "output"):
        table.add_column(column, overflow="fold")
    nodes: list[Json] = run.get("nodes") or []
    for node in nodes:
        name = node["node_id"] + (f" [{node['iteration']}]" if node.get("iteration") else "")
        error: Json = node.get("error") or {}
        told = error.get("message") or _outputs(node.get("outputs") or {})
        table.add_row(name, status(node["status"] or ""), _duration(node), told)
    return table


def short(value: object) -> str:
    """A value in one short line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def seconds(value: float) -> str:
    """How long something took."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _node_label(node: Json, port: str, sign: str) -> Text:
    label = Text(f"{port} {sign} ", style="cyan") if port != "main" else Text()
    label.append(node.get("name") or node["id"], style="bold")
    label.append(f"  {node['type']}", style="dim")
    if told := _tell(node.get("parameters") or {}):
        label.append(f"  {told}", style="green")
    return label


def _tell(parameters: Json) -> str:
    """The parameters that tell the most, in a few words."""
    parts = [
        short(_conditions(parameters[name]) if name == "conditions" else parameters[name])
        for name in ("method", "url", "path", "rules", "title", "prompt", "conditions")
        if parameters.get(name)
    ]
    return " ".join(parts[:2])


def _conditions(conditions: Any) -> Any:
    """Comparisons as people write them; whatever else a definition says, as it is."""
    if not isinstance(conditions, list):
        return conditions
    told: list[str] = []
    for one in cast("list[Json]", conditions):
        if not (isinstance(one, dict) and {"left", "operator"} <= one.keys()):  # pyright: ignore[reportUnnecessaryIsInstance] (JSON as it came)
            return cast("Any", conditions)
        name = str(one["operator"])
        right = "" if one.get("right") is None else f" {one['right']}"
        told.append(f"{one['left']} {_OPERATORS.get(name, name)}{right}")
    return ", ".join(told)


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
    return seconds((ended - begun).total_seconds())
