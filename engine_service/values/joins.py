"""Puts lists of items together: what `flow.merge` does when it combines.

Items of two or more inputs go in; combined items come out, in the order of the first input. All
functions are pure, and copy what they change.
"""

import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, cast

from engine_service.values.equality import value_key
from engine_service.values.field_types import to_text
from engine_service.values.fields import FieldNames
from engine_service.values.likeness import are_alike, likeness_keys
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
            pairs = [self._member(*pair) for pair in zip(ours, theirs, strict=False)]
            return pairs + ours[len(pairs) :] + theirs[len(pairs) :]
        return new

    def _member(self, old: Any, new: Any) -> Any:
        return old if self.keep_over_empty and new in EMPTY else self._blend(old, new)


class TooManyPairs(ValueError):
    """More pairs belong together than are wanted."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Which items of two inputs belong together: those whose named fields are equal.

    Attributes:
        left: The fields' names in the one input. right: Their names in the other.
        names: How names of fields are read.
        loose: Values of different types may be alike; see `likeness`.
    """

    left: Sequence[str]
    right: Sequence[str]
    names: FieldNames
    loose: bool = False
    first_only: bool = False
    most: int = sys.maxsize

    def find(self, left: Sequence[Item], right: Sequence[Item]) -> "Matches":
        """Every pair that belongs together, and the items that stay alone.

        Raises:
            TooManyPairs: There are more than `most` of them.
        """
        theirs = [self._values(item, self.right, gaps=self.loose) for item in right]
        by_key: dict[Hashable, list[int]] = {}
        for index, values in enumerate(theirs):
            for key in self._keys(values):
                by_key.setdefault(key, []).append(index)
        matches = Matches()
        taken: set[int] = set()
        for index, item in enumerate(left):
            partners = self._partners(item, theirs, by_key)
            if len(matches.pairs) + len(partners) > self.most:
                raise TooManyPairs
            matches.pairs.extend((index, partner) for partner in partners)
            taken.update(partners)
            if not partners:
                matches.only_left.append(index)
        matches.in_right = sorted(taken)
        matches.only_right = [index for index in range(len(right)) if index not in taken]
        return matches

    def _partners(
        self, item: Item, theirs: Sequence["_Values"], by_key: Mapping[Hashable, list[int]]
    ) -> list[int]:
        ours = self._values(item, self.left, gaps=False)
        if ours is None:
            return []
        found = [place for key in self._keys(ours) for place in by_key.get(key, ())]
        if self.loose:
            found = sorted(place for place in set(found) if _all_alike(ours, theirs[place]))
        return found[:1] if self.first_only else found

    def _values(self, item: Item, names: Sequence[str], *, gaps: bool) -> "_Values":
        """The values of the fields; None when one is not there, unless gaps are as good as null."""
        found = [self.names.find(item["json"], name) for name in names]
        return [value for _, value in found] if gaps or all(there for there, _ in found) else None

    def _keys(self, values: "_Values") -> Iterator[Hashable]:
        if values is None:
            return
        if self.loose:
            yield from product(*map(likeness_keys, values))
        else:
            yield tuple(map(value_key, values))


def look_up(
    left: Sequence[Item], right: Sequence[Item], names: tuple[str, str], fields: FieldNames
) -> list[tuple[int, int | None]]:
    """Each item of the left that has the named field, and the last of the right that bears it.

    Values are compared as texts: 1 is "1"; what is empty, true or false, or no single value is
    nobody's name.
    """
    by_name: dict[str, int] = {}
    for index, item in enumerate(right):
        value = fields.get(item["json"], names[1])
        if value and _is_name(value):
            by_name[to_text(value)] = index
    wanted = [fields.find(item["json"], names[0]) for item in left]
    return [
        (index, by_name.get(to_text(value)) if _is_name(value) else None)
        for index, (there, value) in enumerate(wanted)
        if there
    ]


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


_Values = list[Any] | None


def _all_alike(ours: Sequence[Any], theirs: _Values) -> bool:
    return theirs is not None and all(map(are_alike, ours, theirs))


@dataclass(slots=True)
class Matches:
    """The outcome of matching, as indexes into both inputs."""

    pairs: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    in_right: list[int] = field(default_factory=list[int])
    only_left: list[int] = field(default_factory=list[int])
    only_right: list[int] = field(default_factory=list[int])


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
