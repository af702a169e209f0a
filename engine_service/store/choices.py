"""Conditions on fields of a JSON column, in SQL; names and values are bound, never written in."""

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from engine_service.sdk.tenant_data import Choice, Condition

_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def where(choice: Choice, column: str, own: Collection[str] = ()) -> tuple[str, Mapping[str, Any]]:
    """A condition, and what is bound in it; columns of `own` can be asked for by their names."""
    values: dict[str, Any] = {}
    parts: list[str] = []
    for place, condition in enumerate(choice.conditions):
        if condition.field in own:
            there = f"to_jsonb({condition.field})"
        else:
            there = f"{column} -> :field{place}"
            values[f"field{place}"] = condition.field
        if condition.operator not in ("empty", "filled"):
            values[f"value{place}"] = _bound(condition)
        parts.append(f"({_one(condition, there, f'CAST(:value{place} AS jsonb)', place)})")
    return (" OR " if choice.any_of else " AND ").join(parts) or "true", values


def _bound(condition: Condition) -> str:
    if condition.operator == "contains":
        return str(condition.value).lower()
    return orjson.dumps(condition.value).decode()


def _one(condition: Condition, there: str, value: str, place: int) -> str:
    match condition.operator:
        case "equals":
            return f"coalesce({there}, 'null') = {value}"
        case "not_equals":
            return f"coalesce({there}, 'null') <> {value}"
        case "contains":
            return f"strpos(lower(({there}) #>> '{{}}'), :value{place}) > 0"
        case "empty":
            return f"coalesce({there}, 'null') IN ('null', '\"\"', '[]', '{{}}')"
        case "filled":
            return f"coalesce({there}, 'null') NOT IN ('null', '\"\"', '[]', '{{}}')"
        case _:
            sign = _COMPARED[condition.operator]
            return f"jsonb_typeof({there}) = jsonb_typeof({value}) AND ({there}) {sign} {value}"
