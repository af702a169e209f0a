"""Forms as a browser sends them: texts, which become what the form's schema says they are.

What cannot become that is left as it is, for the schema to complain about.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from engine_service.values.field_types import NotOfType, convert, to_text
from shared.workflow import JsonObject

_ON = frozenset({"on", "true", "1", "yes"})


def read_fields(schema: JsonObject, sent: Mapping[str, Any]) -> JsonObject:
    """The values of a form's fields; one that was left empty is absent, an unticked box false.

    Args:
        schema: The form's JSON Schema.
        sent: By the field's name a text, or a list of texts.
    """
    properties: dict[str, JsonObject] = schema.get("properties", {})
    values: JsonObject = {name: sent[name] for name in sent if name not in properties}
    for name, wanted in properties.items():
        texts = _texts(sent.get(name))
        value = _list(wanted, texts) if kind_of(wanted) == "array" else _one(wanted, texts)
        if value is not None:
            values[name] = value
    return values


def kind_of(wanted: JsonObject) -> str:
    """The JSON type of a field, which may be absent as well."""
    kind: Any = wanted.get("type", "string")
    return cast("list[str]", kind)[0] if isinstance(kind, list) else str(kind)


def _texts(given: Any) -> list[str]:
    found = cast("list[Any]", given) if isinstance(given, list) else [given]
    texts = [one.replace("\r\n", "\n") for one in found if isinstance(one, str)]
    return [text for text in texts if text.strip()]


def _one(wanted: JsonObject, texts: list[str]) -> Any:
    kind = kind_of(wanted)
    if kind == "boolean" and "enum" not in wanted:
        return bool(texts) and texts[-1].lower() in _ON
    if not texts:
        return None
    text = texts[-1]
    if "enum" in wanted:
        return _choice(wanted["enum"], text)
    if kind == "number":
        try:
            return convert(text.strip(), "number")
        except NotOfType:
            return text
    if kind == "object":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _list(wanted: JsonObject, texts: list[str]) -> list[Any] | None:
    choices = cast("JsonObject", wanted.get("items", {})).get("enum")
    if choices is not None:
        chosen = [_choice(choices, text) for text in texts]
    else:
        lines = [line.strip() for text in texts for line in text.split("\n")]
        chosen = [line for line in lines if line]
    return chosen or None


def _choice(choices: list[Any], text: str) -> Any:
    """The choice that a text stands for."""
    return next((one for one in choices if one is not None and to_text(one) == text), text)
