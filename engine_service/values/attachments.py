"""Files attached to items, gathered when many items become one."""

from collections.abc import Sequence
from typing import Any, cast

from engine_service.sdk.failure import Failed, NodeError
from shared.workflow import Item, JsonObject


def gather(items: Sequence[Item], *, unique: bool = False) -> JsonObject:
    """The files of all items under names of their own: the second `data` is `data_1`.

    With `unique`, of files of which everything told is the same (name, type, size) one stays.
    """
    gathered: JsonObject = {}
    seen: set[tuple[Any, ...]] = set()
    taken: dict[str, int] = {}
    for item in items:
        binary: JsonObject = item.get("binary") or {}
        for name, file in binary.items():
            mark = _told(file)
            if unique and mark in seen:
                continue
            seen.add(mark)
            gathered[_free(name, gathered, taken)] = file
    return gathered


def _told(file: Any) -> tuple[Any, ...]:
    """What tells files apart, which is not where each is kept."""
    return tuple(repr(pair) for pair in sorted(file.items()) if pair[0] not in ("id", "data"))


def _free(name: str, gathered: JsonObject, taken: dict[str, int]) -> str:
    free = name
    while free in gathered:
        taken[name] = taken.get(name, 0) + 1
        free = f"{name}_{taken[name]}"
    return free


def file_id(item: Item, name: str) -> str:
    """The id of an item's file of some name.

    Raises:
        NodeError: It has none, or what stands there is no file.
    """
    files: Any = item.get("binary") or {}
    known = cast("JsonObject", files) if isinstance(files, dict) else {}
    file: Any = known.get(name)
    found = cast("JsonObject", file).get("id") if isinstance(file, dict) else None
    if not isinstance(found, str):
        had = ", ".join(sorted(known)) or "none"
        message = f"The item has no file {name!r} (it has: {had})."
        raise NodeError(Failed("file_missing", message))
    return found
