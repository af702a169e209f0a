"""JSON between the engine and its journal: what is not JSON is refused here, not by PostgreSQL."""

import json
from typing import Any

import orjson

_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


class NotJson(ValueError):
    """A node gave something that cannot be written as JSON."""


def encode(value: Any) -> str:
    """A value as JSON text.

    Raises:
        NotJson: It holds something that is not JSON.
    """
    try:
        return orjson.dumps(value, option=_STRICT).decode()
    except TypeError as error:
        if "Recursion limit" in str(error):
            raise NotJson("The output is nested too deeply.") from error
    try:
        # Large integers are JSON although orjson does not say them; half characters are not.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode(errors="replace").decode()
    except (TypeError, ValueError) as error:
        raise NotJson(f"The output is not JSON: {error}") from error


def decode(text: str | bytes) -> Any:
    """The value that JSON text stands for."""
    return orjson.loads(text)
