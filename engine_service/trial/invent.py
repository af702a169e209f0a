"""Makes up what would set off a workflow, when somebody tries it out without saying.

A schedule gives its tick. A manual trigger with a form gives the form, filled plainly. For the rest
the expressions behind the trigger say which fields they read, and each gets a plausible value.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from engine_service.definitions.program import Program
from engine_service.expressions.template import find_expressions, json_paths
from engine_service.sdk.trigger import ClockTrigger, Trigger, WebhookTrigger
from engine_service.values.samples import sample_of
from shared.workflow import Item, JsonObject

_REQUEST: JsonObject = {"method": "POST", "headers": {}, "params": {}, "query": {}, "body": {}}
_PLAUSIBLE: tuple[tuple[tuple[str, ...], Any], ...] = (
    (("email", "mail"), "sample@example.com"),
    (("url", "link", "website"), "https://example.com"),
    (("amount", "total", "price", "sum", "cost"), 100),
    (("count", "number", "quantity", "age", "score", "size"), 1),
    (("date", "time", "_at"), "2026-01-01T09:00:00Z"),
    (("items", "list", "rows", "lines"), []),
)
_SAMPLE = "sample"
_DEEPEST = 8


def invent_items(program: Program, now: datetime) -> list[Item]:
    """Items such as the program's trigger might give."""
    ready = program.nodes[program.flow.trigger.id]
    trigger, parameters = ready.type, ready.fixed
    if isinstance(trigger, ClockTrigger) and parameters is not None:
        zone = program.workflow.settings.timezone
        fire_at = trigger.next_fire_at(parameters, now, zone) or now
        return [trigger.tick_item(parameters, fire_at, zone)]
    if isinstance(trigger, Trigger) and parameters is not None:
        schema = trigger.input_schema(parameters)
        if schema is not None:
            return [{"json": sample_of(schema)}]
    start: JsonObject = {}
    if isinstance(trigger, WebhookTrigger):
        start = {name: value.copy() if value == {} else value for name, value in _REQUEST.items()}
    for path in _read_paths(program):
        _plant(start, path)
    return [{"json": start}]


def _read_paths(program: Program) -> Iterable[tuple[str, ...]]:
    """The fields that the nodes right behind the trigger read, the longest paths first."""
    found = {
        path
        for edge in program.flow.trigger.edges
        for _, source in find_expressions(edge.target.node.parameters)
        for path in json_paths(source)
    }
    return sorted(found, key=lambda path: (-len(path), path))


def _plant(target: JsonObject, path: tuple[str, ...]) -> None:
    """Put a value where a path leads, unless something is there."""
    *way, last = path[:_DEEPEST]
    for step in way:
        inner = target.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        target = inner  # pyright: ignore[reportUnknownVariableType] (JSON)
    target.setdefault(last, _plausible(last))


def _plausible(name: str) -> Any:
    lower = name.lower()
    return next(
        (value for words, value in _PLAUSIBLE if any(word in lower for word in words)), _SAMPLE
    )
