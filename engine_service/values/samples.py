"""Values that satisfy a JSON Schema, for simulations: plain, and the same every time."""

from typing import Any, cast

from shared.workflow import JsonObject

_TEXTS = {
    "date-time": "2026-01-01T09:00:00Z",
    "date": "2026-01-01",
    "email": "sample@example.com",
    "uri": "https://example.com",
    "url": "https://example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_DEEPEST = 12


def sample_of(schema: JsonObject, depth: int = 0) -> Any:
    """A value for a schema: its default, example or first choice, or the plainest of its type."""
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    for name in ("enum", "examples"):
        if schema.get(name):
            return schema[name][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return sample_of(cast("list[JsonObject]", schema[name])[0], depth)
    if depth >= _DEEPEST:
        return None
    return _of_type(schema, depth)


def _of_type(schema: JsonObject, depth: int) -> Any:
    kind: Any = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = cast("list[str]", kind)[0]
    match kind:
        case "object":
            properties = cast("dict[str, JsonObject]", schema.get("properties", {}))
            return {name: sample_of(each, depth + 1) for name, each in properties.items()}
        case "array":
            count = max(1, schema.get("minItems", 1))
            return [sample_of(schema.get("items") or {}, depth + 1) for _ in range(count)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            text = _TEXTS.get(schema.get("format", ""), "sample")
            return text.ljust(schema.get("minLength", 0), ".")
