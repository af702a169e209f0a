"""Tells equal JSON values apart from others in constant time: what groups, counts and dedupes."""

from collections.abc import Hashable
from typing import Any, cast

from engine_service.values.field_types import type_name

ABSENT = ("absent",)


def value_key(value: Any) -> Hashable:
    """Something hashable that is equal just when the JSON values are: 1 and 1.0, never true."""
    if isinstance(value, list):
        return ("array", *map(value_key, cast("list[Any]", value)))
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return ("object", frozenset((name, value_key(each)) for name, each in fields.items()))
    return (type_name(value), value)
