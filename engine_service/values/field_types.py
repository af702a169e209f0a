"""The types a person may ask a value to be, and how a value becomes one.

Conditions, `data.set` and forms convert through here.

The rules are those of JavaScript and of the form fields that n8n users know: `"12"` is a number,
`1` and `"TRUE"` are booleans, a JSON text (even one written loosely) is an object. With `strict`
a value must be of its type already.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal, cast

import pyjson5

from engine_service.values.dates import parse_date

FieldType = Literal[
    "any",
    "string",
    "number",
    "boolean",
    "date_time",
    "time",
    "object",
    "array",
    "binary",
    "url",
    "jwt",
    "identifier",
]

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?)", re.ASCII)
_RADIX = re.compile(r"0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2})?([-+]\d{4})?([-+]\d{1,2}(:\d{2})?)?", re.ASCII)
_URL = re.compile(r"(https?|ftp|file)://\S+|www\.\S+", re.ASCII)
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LARGEST_PLAIN = 1e21
_PLAIN: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
}
"""What needs no conversion; it is most of what there is."""


class NotOfType(ValueError):
    """A value cannot be what was asked for; the message says so in a line."""


def convert(value: Any, wanted: FieldType, *, strict: bool = False, zone: tzinfo = UTC) -> Any:
    """The value as the type that is wanted; None stays None.

    Raises:
        NotOfType: It is not and cannot become one, or `strict` and it is not one.
    """
    if value is None or wanted == "any":
        return value
    if type(value) in _PLAIN.get(wanted, ()) and value == value:  # and so no NaN
        return value
    if strict and not _is_already(value, wanted):
        raise NotOfType(f"expected {_article(wanted)} but got {describe(value)}")
    try:
        if wanted == "date_time":
            return _to_date_time(value, zone)
        return _CONVERSIONS[wanted](value)
    except ValueError as error:
        raise NotOfType(
            f"expected {_article(wanted)} but got {describe(value)}, which cannot become one"
        ) from error


def describe(value: Any) -> str:
    """A value in an error message: its type, and the value itself when it is short and plain."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str):
        return f"the string {value!r}" if len(value) <= 80 else f"a string of {len(value)} signs"
    return f"the {type_name(value)} {to_text(value)}"


def type_name(value: Any) -> str:
    """The JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case datetime():
            return "date_time"
        case _:
            return "object"


def same(left: Any, right: Any) -> bool:
    """Equality of JSON values: 1 equals 1.0, but never true; NaN equals nothing."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        ours, theirs = cast("list[Any]", left), cast("list[Any]", right)
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(left, dict) and isinstance(right, dict):
        mine, yours = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
        return mine.keys() == yours.keys() and all(same(mine[key], yours[key]) for key in mine)
    return left == right


def to_text(value: Any) -> str:
    """A value as text, the way JavaScript writes it; objects and arrays as JSON."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case float():
            return _number_to_text(value)
        case int():
            return str(value)
        case datetime():
            return value.isoformat(timespec="milliseconds")
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=to_text)


def _number_to_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value.is_integer() and abs(value) < _LARGEST_PLAIN:
        return str(int(value))
    digits, mark, exponent = repr(value).partition("e")
    return f"{digits}e{int(exponent):+d}" if mark else digits


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun.replace('_', ' ')}"


def _is_already(value: Any, wanted: FieldType) -> bool:
    if wanted in ("string", "number", "boolean", "array"):
        return type_name(value) == wanted
    if wanted == "object":
        return isinstance(value, dict)
    return True  # the others are written as text, which conversion checks


def _to_number(value: Any) -> int | float:
    match value:
        case bool():
            return int(value)
        case int() | float():
            if math.isnan(value):
                raise ValueError(value)
            return value
        case str():
            return _text_to_number(value.strip())
        case datetime():
            return int(value.timestamp() * 1000)
        case []:
            return 0
        case [alone]:
            return _to_number("" if alone is None else to_text(alone))
        case _:
            raise ValueError(type_name(value))


def _text_to_number(text: str) -> int | float:
    if not text:
        return 0
    if _RADIX.fullmatch(text):
        return int(text, 0)
    if text.lstrip("+-") == "Infinity" and len(text) <= len("+Infinity"):
        return float(text)
    if not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    number = float(text)
    if number.is_integer() and abs(number) < 2**53:
        return int(number)
    return number


def _to_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.lower()
        if word in ("true", "false"):
            return word == "true"
        if not value.strip():
            raise ValueError(value)
    number = _to_number(value)
    if number not in (0, 1):
        raise ValueError(value)
    return number == 1


def _to_date_time(value: Any, zone: tzinfo) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str | int | float):
        moment = parse_date(to_text(value), zone)
        if moment is not None:
            return moment
    raise ValueError(value)


def _to_object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    if isinstance(value, list | bool | int | float):
        raise ValueError(type_name(value))
    read = _read_json(to_text(value))
    if read is not None and not isinstance(read, dict):
        raise ValueError(value)
    return cast("dict[str, Any] | None", read)


def _to_array(value: Any) -> list[Any]:
    if isinstance(value, list):
        return cast("list[Any]", value)
    read = _read_json(to_text(value))
    if not isinstance(read, list):
        raise ValueError(value)
    return cast("list[Any]", read)


def _read_json(text: str) -> Any:
    """A JSON text, also with bare names, single quotes and trailing commas."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return pyjson5.loads(text)
    except pyjson5.Json5Exception as error:
        raise ValueError(text) from error


def _to_binary(value: Any) -> dict[str, Any]:
    match value:
        case {"mimeType": str(), "data": str()} | {"mimeType": str(), "id": str()}:
            return value
        case _:
            raise ValueError(type_name(value))


def _to_url(value: Any) -> str:
    text = to_text(value)
    return _matching(text if "://" in text else f"http://{text}", _URL)


def _matching(value: Any, pattern: re.Pattern[str]) -> str:
    text = to_text(value)
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


_CONVERSIONS: dict[FieldType, Callable[[Any], Any]] = {
    "string": to_text,
    "number": _to_number,
    "boolean": _to_boolean,
    "time": lambda value: _matching(value, _TIME),
    "object": _to_object,
    "array": _to_array,
    "binary": _to_binary,
    "url": _to_url,
    "jwt": lambda value: _matching(value, _JWT),
    "identifier": lambda value: _matching(value, _IDENTIFIER),
}
