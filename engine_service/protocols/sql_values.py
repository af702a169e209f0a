"""What a database gives, as JSON that loses nothing an author would miss."""

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import singledispatch
from typing import Any


@singledispatch
def to_json(value: Any) -> Any:
    """A value as JSON; what JSON does not know becomes the text that the database shows."""
    return str(value)


@to_json.register
def _(value: bool | int | str | None) -> Any:
    return value


@to_json.register
def _(value: float) -> Any:
    return value if math.isfinite(value) else str(value)


@to_json.register
def _(value: Decimal) -> Any:
    """A number where that is exact, otherwise its digits."""
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value():
        return int(value) if abs(value) < 2**53 else str(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


@to_json.register
def _(value: datetime | date | time) -> Any:
    return value.isoformat()


@to_json.register
def _(value: timedelta) -> Any:
    return value.total_seconds()


@to_json.register
def _(value: bytes | memoryview) -> Any:
    return base64.b64encode(bytes(value)).decode()


@to_json.register(Mapping)
def _(value: Mapping[str, Any]) -> Any:
    return {str(name): to_json(inner) for name, inner in value.items()}


@to_json.register(list)
@to_json.register(tuple)
def _(value: Sequence[Any]) -> Any:
    return [to_json(inner) for inner in value]
