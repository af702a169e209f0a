"""Takes secrets out of what people are shown: filled parameters come in, harmless JSON goes out.

A value is a secret when its field says so (`writeOnly`), when its name says so (`authorization`,
`api_key`, …), or when it stands where addresses carry secrets.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel

from engine_service.definitions.hidden import HIDDEN, SECRET_WORDS, is_secret_name

_USER_PART = re.compile(r"(?<=://)[^/?#@\s]+@")
_QUERY_PART = re.compile(rf"([?&][^=&#\s]*(?:{SECRET_WORDS})[^=&#\s]*=)[^&#\s]+", re.IGNORECASE)


def redact(value: Any, name: str = "") -> Any:
    """A JSON value, or a model of one, without its secrets; defaults of a model are left out."""
    if isinstance(value, BaseModel):
        return _redact_model(value)
    if isinstance(value, Mapping):
        return _redact_object(cast("Mapping[str, Any]", value))
    if isinstance(value, str):
        if name and value and is_secret_name(name):
            return HIDDEN
        return _QUERY_PART.sub(rf"\1{HIDDEN}", _USER_PART.sub(f"{HIDDEN}@", value))
    if isinstance(value, Sequence):
        return [redact(inner, name) for inner in cast("Sequence[Any]", value)]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value), name)


def _redact_model(model: BaseModel) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if value == field.get_default(call_default_factory=True, validated_data={}):
            continue
        secret = field.json_schema_extra == {"writeOnly": True}
        shown[field.alias or name] = HIDDEN if secret else redact(value, name)
    return shown


def _redact_object(value: Mapping[str, Any]) -> dict[str, Any]:
    named = value.get("name")
    if isinstance(named, str) and "value" in value and is_secret_name(named):
        # A header or field written as a pair.
        value = {**value, "value": HIDDEN}
    return {key: redact(inner, key) for key, inner in value.items()}
