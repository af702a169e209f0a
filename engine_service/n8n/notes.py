"""Sticky notes and pinned items: what stands beside the nodes."""

from collections.abc import Iterable
from typing import Any, cast

from engine_service.n8n.order import position_of
from shared.workflow import Item, JsonObject

STICKY = "n8n-nodes-base.stickyNote"
_MOST_TEXT = 20_000


def is_sticky(node: JsonObject) -> bool:
    """Whether it is a note and no step."""
    return node["type"] == STICKY


def sticky_notes(nodes: Iterable[JsonObject]) -> list[JsonObject]:
    """The notes, with their places."""
    return [_note(node) for node in nodes if is_sticky(node)]


def _note(node: JsonObject) -> JsonObject:
    found: Any = node.get("parameters")
    parameters = cast("JsonObject", found) if isinstance(found, dict) else {}
    text = str(parameters.get("content", ""))[:_MOST_TEXT].replace("\0", "")
    note: JsonObject = {"text": text, "position": position_of(node)}
    width, height = parameters.get("width", 240), parameters.get("height", 160)
    if isinstance(width, int | float) and isinstance(height, int | float):
        note["size"] = [width, height]
    return note


def read_items(items: Iterable[Any]) -> list[Item]:
    """Items as n8n pinned them: with or without `json` around, never with their pairing."""
    return [_item(item) for item in items]


def _item(item: Any) -> Item:
    if not isinstance(item, dict):
        return {"json": {"data": item}}
    found = cast("JsonObject", item)
    if not isinstance(found.get("json"), dict):
        return {"json": {name: found[name] for name in found if name != "binary"}}
    return {"json": found["json"]}
