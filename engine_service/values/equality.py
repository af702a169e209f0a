"""Tells equal JSON values apart from others in constant time: what groups, counts and dedupes."""

import json
import re
from collections.abc import Hashable
from typing import Any, cast

import orjson

from engine_service.values.field_types import type_name

ABSENT = "\x00absent"
_WHOLE_FLOAT = re.compile(rb"\d(?:\.0|e)")


def value_key(value: Any) -> Hashable:
    """Something hashable that is equal just when the JSON values are: 1 and 1.0, never true.

    Objects and lists become bytes, so that many keys stay cheap to hold.
    """
    if not isinstance(value, list | dict):
        return (type_name(value), value)
    written = _written(value)
    # What may be a whole number written as a float is written once more, as an integer.
    return _written(_with_integers(value)) if _WHOLE_FLOAT.search(written) else written


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers past 64 bits and half characters are beyond it
        return json.dumps(value, sort_keys=True, default=str).encode()


def _with_integers(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_integers(each) for each in cast("list[Any]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _with_integers(each) for name, each in fields.items()}
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    return value
