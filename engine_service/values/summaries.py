"""Figures computed from a list of values: sums, counts, extremes, lists of them."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from engine_service.values.equality import value_key
from engine_service.values.field_types import to_text
from engine_service.values.ordering import less

Kind = Literal["append", "average", "concatenate", "count", "count_unique", "max", "min", "sum"]

# How a figure's name begins.
SUMMARIES: dict[Kind, str] = {
    "append": "appended",
    "average": "average",
    "concatenate": "concatenated",
    "count": "count",
    "count_unique": "unique_count",
    "max": "max",
    "min": "min",
    "sum": "sum",
}


def summarize(
    kind: Kind, values: Sequence[Any], *, include_empty: bool = False, separator: str = ","
) -> Any:
    """The figure of a kind; null where nothing is there to compute it from."""
    taken = list(values) if include_empty else [each for each in values if not _is_empty(each)]
    match kind:
        case "append":
            return taken
        case "concatenate":
            return separator.join(map(to_text, taken))
        case "count":
            return len(taken)
        case "count_unique":
            return len({value_key(each) for each in taken})
        case "sum":
            return _total(_numbers(values))
        case "average":
            numbers = _numbers(values)
            return _whole(_total(numbers) / len(numbers)) if numbers else None
        case "min" | "max":
            return _extreme(values, largest=kind == "max")


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value)


def _numbers(values: Sequence[Any]) -> list[int | float]:
    return [each for each in values if isinstance(each, int | float) and not isinstance(each, bool)]


def _total(numbers: Sequence[int | float]) -> int | float:
    """The sum, added up one after another as JavaScript would."""
    total: int | float = 0
    for number in numbers:
        total += number
    return total


def _whole(number: float) -> int | float:
    return int(number) if math.isfinite(number) and number.is_integer() else number


def _extreme(values: Sequence[Any], *, largest: bool) -> Any:
    found: Any = None
    for value in values:
        if _is_empty(value):
            continue
        if found is None or (less(found, value) if largest else less(value, found)):
            found = value
    return found
