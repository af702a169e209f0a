"""Puts lists of items together: what `flow.merge` does when it combines.

Items of two or more inputs go in; combined items come out, in the order of the first input. All
functions are pure, and copy what they change.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from engine_service.values.field_types import to_text, type_name
from engine_service.values.paths import Path, get_path
from shared.workflow import Item, JsonObject

EMPTY = (None, "")


@dataclass(frozen=True, slots=True)
class Blend:
    """How two objects become one.

    Attributes:
        deep: Merge nested objects and arrays instead of replacing them.
        keep_over_empty: A null or "" does not replace a value.
    """

    deep: bool = True
    keep_over_empty: bool = False

    def __call__(self, objects: Sequence[JsonObject]) -> JsonObject:
        """One object of many; later ones win."""
        blended: JsonObject = {}
        for each in objects:
            self._add(blended, each)
        return blended

    def _add(self, target: JsonObject, source: JsonObject) -> None:
        for key, value in source.items():
            there = key in target
            if there and self.keep_over_empty and value in EMPTY:
                continue
            target[key] = self._blend(target[key], value) if there and self.deep else value

    def _blend(self, old: Any, new: Any) -> Any:
        if isinstance(old, dict) and isinstance(new, dict):
            blended = dict(cast("JsonObject", old))
            self._add(blended, cast("JsonObject", new))
            return blended
        if isinstance(old, list) and isinstance(new, list):
            ours, theirs = cast("list[Any]", old), cast("list[Any]", new)
            pairs = [self._blend(*pair) for pair in zip(ours, theirs, strict=False)]
            return pairs + ours[len(pairs) :] + theirs[len(pairs) :]
        return new


class TooManyPairs(ValueError):
    """More pairs belong together than are wanted."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Which items of two inputs belong together: those whose named fields are equal."""

    left: Sequence[Path]
    right: Sequence[Path]
    loose: bool = False
    first_only: bool = False
    most: int = sys.maxsize

    def find(self, left: Sequence[Item], right: Sequence[Item]) -> "Matches":
        """Every pair that belongs together, and the items that stay alone.

        Raises:
            TooManyPairs: There are more than `most` of them.
        """
        by_key: dict[tuple[Any, ...], list[int]] = {}
        for index, item in enumerate(right):
            key = self._key(item, self.right)
            if key is not None:
                by_key.setdefault(key, []).append(index)
        matches = Matches()
        taken: set[int] = set()
        for index, item in enumerate(left):
            key = self._key(item, self.left)
            partners = by_key.get(key, []) if key is not None else []
            if self.first_only:
                partners = partners[:1]
            if len(matches.pairs) + len(partners) > self.most:
                raise TooManyPairs
            matches.pairs.extend((index, partner) for partner in partners)
            taken.update(partners)
            if not partners:
                matches.only_left.append(index)
        matches.in_right = sorted(taken)
        matches.only_right = [index for index in range(len(right)) if index not in taken]
        return matches

    def _key(self, item: Item, paths: Sequence[Path]) -> tuple[Any, ...] | None:
        parts: list[Any] = []
        for path in paths:
            found, value = get_path(item["json"], path)
            if not found:
                return None
            parts.append(loose_key(value) if self.loose else _exactly(value))
        return tuple(parts)


@dataclass(slots=True)
class Matches:
    """The outcome of matching, as indexes into both inputs."""

    pairs: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    in_right: list[int] = field(default_factory=list[int])
    only_left: list[int] = field(default_factory=list[int])
    only_right: list[int] = field(default_factory=list[int])


def _exactly(value: Any) -> Any:
    """Something hashable that is equal just when the JSON values are."""
    if isinstance(value, dict | list):
        return ("json", json.dumps(value, sort_keys=True))
    return (type_name(value), value)


def loose_key(value: Any) -> Any:
    """The same across types: `1` and `"1"`, `true` and `"True"`, null and `""` are equal."""
    if value in (None, "", [], {}):
        return ("empty",)
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _exactly(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, dict | list):
        return _exactly(value)
    text = to_text(value)
    return text.lower() if text.lower() in ("true", "false") else text


def with_suffix(item: Item, suffix: str) -> Item:
    """The item with every field's name ending in `_` and the suffix."""
    return {**item, "json": {f"{key}_{suffix}": value for key, value in item["json"].items()}}


def join(parts: Sequence[tuple[str, int, Item]], blend: Blend) -> Item:
    """One item of several, each with its input and index; later ones win."""
    joined: Item = {
        "json": blend([item["json"] for _, _, item in parts]),
        "paired_item": [{"input": name, "item": index} for name, index, _ in parts],
    }
    binary: Mapping[str, Any] = {}
    for _, _, item in parts:
        binary = {**binary, **(item.get("binary") or {})}
    if binary:
        joined["binary"] = binary
    return joined


def alone(name: str, index: int, item: Item) -> Item:
    """An item that comes from one input only."""
    return {**item, "paired_item": {"input": name, "item": index}}
