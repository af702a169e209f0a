"""JSON between Python and V8: what orjson cannot say, the standard library says."""

import json
from collections.abc import Mapping
from typing import Any, cast

import orjson


def to_json(value: Any) -> bytes:
    """Any JSON value as bytes: also integers of any size and lone surrogates."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return json.dumps(value, default=_plain, separators=(",", ":")).encode()


def from_json(text: str) -> Any:
    """What V8 wrote; halves of characters, which only JavaScript has, become U+FFFD."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        whole = json.dumps(json.loads(text), ensure_ascii=False)
        return orjson.loads(whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    raise TypeError(f"{type(value).__name__} is not JSON")
