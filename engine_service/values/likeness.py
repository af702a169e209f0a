"""Tells values alike that are only written otherwise: 1 and "1", true and "TRUE", null and "".

Two values of one type are alike when they are equal. Being alike is not handed on: 1 is like true
and like "1", and true is like "true", which "1" is not. So finding what is alike takes two steps:
values that share one of their keys may be, and `are_alike` says whether they are.
"""

from collections.abc import Hashable
from typing import Any, cast

import orjson

from engine_service.values.equality import value_key
from engine_service.values.field_types import same, to_text, type_name

_EMPTY = "\x00empty"
_WORDS = {True: ("true", "1"), False: ("false", "0")}
_OF_JSON = ("object", "array")


def are_alike(one: Any, other: Any) -> bool:
    """Whether two values are equal but for how they are written."""
    if one is not None and other is not None and type_name(one) == type_name(other):
        return same(one, other)
    if _is_empty(one) or _is_empty(other):
        return _is_empty(one) and _is_empty(other)
    if isinstance(one, bool) or isinstance(other, bool):
        flag, value = (one, other) if isinstance(one, bool) else (other, one)
        return not isinstance(value, dict | list) and to_text(value).lower() in _WORDS[flag is True]
    kinds = {type_name(one), type_name(other)}
    if kinds == {"number", "string"}:
        return to_text(one) == to_text(other)
    text, value = (one, other) if isinstance(one, str) else (other, one)
    return isinstance(text, str) and type_name(value) in _OF_JSON and same(_read(text), value)


def likeness_keys(value: Any) -> list[Hashable]:
    """Keys of a value; values that are alike have one in common."""
    if _is_empty(value):
        return [_EMPTY]
    match value:
        case bool():
            return list(_WORDS[value])
        case str():
            keys: list[Hashable] = [value, value.lower()]
            read = _read(value) if value[:1] in ("{", "[") else None
            return list(dict.fromkeys([*keys, value_key(read)] if read is not None else keys))
        case dict() | list():
            return [value_key(cast("Any", value))]
        case _:
            return [to_text(value)]


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [])


def _read(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
