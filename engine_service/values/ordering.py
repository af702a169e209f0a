"""The order of JSON values, as JavaScript has it: what sorts, and what is least or largest.

Two texts compare by their UTF-16 units. Anything else is compared as numbers, and what is no
number is in no order at all.
"""

import math
from collections.abc import Sequence
from functools import cmp_to_key
from typing import Any

from engine_service.values.field_types import NotOfType, convert, same

MISSING = math.nan  # in no order, unlike null, which is 0
MOST_COMPARED = 20_000


def less(left: Any, right: Any) -> bool:
    """Whether one value comes before another; false when they are in no order."""
    if isinstance(left, str) and isinstance(right, str):
        return _units(left) < _units(right)
    return _number(left) < _number(right)


def sort_by(order: list[int], values: Sequence[Any], *, descending: bool = False) -> None:
    """Sort places by the values at them, texts regardless of case; equal ones keep their order.

    Values of one kind, which they nearly always are, are sorted by keys. Mixed ones are compared
    two by two while they are few, as JavaScript does it; when they are many, those in no order
    come last.
    """
    folds = [value.lower() if isinstance(value, str) else value for value in values]
    if all(isinstance(value, str) for value in folds):
        keys: list[Any] = [_units(value) for value in folds]
        order.sort(key=keys.__getitem__, reverse=descending)
    elif all(_is_plain_number(value) for value in folds):
        keys = [value or 0 for value in folds]
        order.sort(key=keys.__getitem__, reverse=descending)
    elif len(folds) <= MOST_COMPARED:

        def compare(left: int, right: int) -> int:
            return _compare(folds[left], folds[right], descending)

        order.sort(key=cmp_to_key(compare))
    else:
        _sort_kinds(order, folds, descending)


def _sort_kinds(order: list[int], folds: Sequence[Any], descending: bool) -> None:
    """Numbers, then texts, then whatever is neither."""
    kinds = [_kind(value) for value in folds]
    keys = [
        _units(value) if kind == 1 else (_number(value) if kind == 0 else 0)
        for kind, value in zip(kinds, folds, strict=True)
    ]
    sorted_ones: list[int] = []
    for kind in range(3):
        members = [place for place in order if kinds[place] == kind]
        members.sort(key=keys.__getitem__, reverse=descending)
        sorted_ones.extend(members)
    order[:] = sorted_ones


def _kind(value: Any) -> int:
    if isinstance(value, str):
        return 1
    return 2 if value is None or math.isnan(_number(value)) else 0


def _compare(left: Any, right: Any, descending: bool) -> int:
    if same(left, right) or (left is MISSING and right is MISSING):
        return 0
    return -1 if less(left, right) != descending else 1


def _is_plain_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and value == value)


def _units(text: str) -> bytes:
    """A text so that comparing it compares UTF-16 units."""
    return text.encode("utf-16-be", "surrogatepass")


def _number(value: Any) -> float:
    if value is None:
        return 0
    try:
        return convert(value, "number")
    except NotOfType:
        return math.nan
