"""What a run is given, as items. Pure."""

from typing import Any, cast

from shared.workflow import Item, JsonObject

_FIELDS = frozenset({"json", "binary", "paired_item"})


def items_of(given: Any) -> list[Item]:
    """A run's input as the items its trigger hands on.

    A list gives an item for each entry, anything else a single one. What looks like an item
    (`{"json": {...}}`) is one; other objects become an item's data, other values its field `value`.
    """
    entries = cast("list[Any]", given) if isinstance(given, list) else [given]
    return [_item(entry) for entry in entries]


def _item(entry: Any) -> Item:
    if not isinstance(entry, dict):
        return {"json": {} if entry is None else {"value": entry}}
    fields = cast("JsonObject", entry)
    if isinstance(fields.get("json"), dict) and fields.keys() <= _FIELDS:
        return fields
    return {"json": fields}
