"""Paths into JSON values, as people write them: `customer.address.city`, `lines[0].price`.

Nodes that name fields read, write and remove through here. Writing copies what it changes, so
items that share parts never see each other's changes.
"""

import re
from functools import lru_cache
from typing import Any, cast

Path = tuple[str | int, ...]

LARGEST_INDEX = 100_000
_STEP = re.compile(
    r"""\[(?P<index>\d+)\]|\[(?P<quote>["'])(?P<quoted>.*?)(?P=quote)\]|\.?(?P<name>[^.\[\]]+)""",
    re.ASCII,
)
_INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """The steps of a path; a text that is none is a single step."""
    steps: list[str | int] = []
    end = 0
    for match in _STEP.finditer(text):
        if match.start() != end:
            return (text,)
        end = match.end()
        steps.append(_step(match))
    return tuple(steps) if steps and end == len(text) else (text,)


def _step(match: re.Match[str]) -> str | int:
    if match["quoted"] is not None:
        return match["quoted"]
    text = match["index"] or match["name"]
    return int(text) if _INDEX.fullmatch(text) else text


def get_path(value: Any, path: Path) -> tuple[bool, Any]:
    """Whether the path leads anywhere, and what is there."""
    for step in path:
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            key = str(step)
            if key not in fields:
                return False, None
            value = fields[key]
        elif isinstance(value, list) and isinstance(step, int):
            members = cast("list[Any]", value)
            if step >= len(members):
                return False, None
            value = members[step]
        else:
            return False, None
    return True, value


def put_path(target: dict[str, Any], path: Path, value: Any) -> None:
    """Put a value where the path leads, making objects and arrays on the way.

    Raises:
        ValueError: An index is past LARGEST_INDEX.
    """
    if len(path) == 1:
        target[str(path[0])] = value
        return
    target[str(path[0])] = _with(target.get(str(path[0])), path[1:], value)


def _with(part: Any, path: Path, value: Any) -> Any:
    """A copy of `part` with the value at the path."""
    step = path[0]
    if isinstance(part, list) and isinstance(step, int):
        return _with_member(cast("list[Any]", part), path, value)
    if isinstance(part, dict):
        fields = dict(cast("dict[str, Any]", part))
        fields[str(step)] = _with(fields.get(str(step)), path[1:], value) if path[1:] else value
        return fields
    # Whatever else is in the way gives way to what the path needs.
    return _with([] if isinstance(step, int) else {}, path, value)


def _with_member(members: list[Any], path: Path, value: Any) -> list[Any]:
    index = cast("int", path[0])
    if index > LARGEST_INDEX:
        raise ValueError(f"the index {index} is past {LARGEST_INDEX}")
    copy = members + [None] * (index + 1 - len(members))
    copy[index] = _with(copy[index], path[1:], value) if path[1:] else value
    return copy


def remove_path(target: dict[str, Any], path: Path) -> None:
    """Remove what the path leads to, if it leads anywhere."""
    found, _ = get_path(target, path)
    if not found:
        return
    if len(path) == 1:
        del target[str(path[0])]
        return
    target[str(path[0])] = _without(target[str(path[0])], path[1:])


def _without(part: Any, path: Path) -> Any:
    if isinstance(part, dict):
        fields = dict(cast("dict[str, Any]", part))
        if len(path) == 1:
            del fields[str(path[0])]
        else:
            fields[str(path[0])] = _without(fields[str(path[0])], path[1:])
        return fields
    members = list(cast("list[Any]", part))
    index = cast("int", path[0])
    if len(path) == 1:
        del members[index]
    else:
        members[index] = _without(members[index], path[1:])
    return members
