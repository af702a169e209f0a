"""How a value looks inside a text: as JavaScript would print it, objects as JSON.

`String({})` is "[object Object]", which nobody means; wherever that would appear, JSON stands.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

from engine_service.expressions.scope import Json

_EXPONENT = re.compile(r"e([+-])0*")
_LARGEST_INDEX = 2**32 - 2


def to_text(value: Json) -> str:
    """The value as part of a text; nothing is the empty text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, Mapping) or _holds_mapping(value):
        return to_json_text(value)
    return ",".join(to_text(element) for element in cast("Sequence[Json]", value))


def number_text(number: float) -> str:
    """A number as JavaScript prints it: 1, 0.000001, 1e-7, 1e+21."""
    if isinstance(number, int):
        return str(number)
    if not number:
        return "0"
    if 1e-6 <= abs(number) < 1e21:
        digits = format(Decimal(repr(number)), "f")
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    return _EXPONENT.sub(r"e\1", repr(number)).replace(".0e", "e")


def to_json_text(value: Json) -> str:
    """A value as `JSON.stringify` prints it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool | int | float):
        return "null" if value is None else to_text(value)
    if isinstance(value, Mapping):
        entries = _in_javascript_order(cast("Mapping[str, Json]", value))
        return "{" + ",".join(f"{to_json_text(k)}:{to_json_text(v)}" for k, v in entries) + "}"
    return "[" + ",".join(to_json_text(element) for element in cast("Sequence[Json]", value)) + "]"


def _holds_mapping(value: Json) -> bool:
    if isinstance(value, Mapping):
        return True
    if isinstance(value, str) or not isinstance(value, Sequence):
        return False
    return any(_holds_mapping(element) for element in cast("Sequence[Json]", value))


def _in_javascript_order(mapping: Mapping[str, Json]) -> list[tuple[str, Json]]:
    """JavaScript objects list number-like keys first, ascending."""
    numbered = [key for key in mapping if _is_index(key)]
    if not numbered:
        return list(mapping.items())
    first = sorted(numbered, key=int)
    return [(key, mapping[key]) for key in (*first, *(k for k in mapping if not _is_index(k)))]


def _is_index(key: str) -> bool:
    if not (key.isascii() and key.isdigit()) or (key[0] == "0" and key != "0"):
        return False
    return len(key) <= 10 and int(key) <= _LARGEST_INDEX
