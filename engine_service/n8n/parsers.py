"""Parsers of answers: a JSON Schema, written out or shown by an example."""

import json
from collections.abc import Mapping
from typing import Any, cast

from engine_service.n8n.mapping import CannotMap, Fields, SourceNode
from shared.workflow import JsonObject

_STRUCTURED = "outputParserStructured"
_FIXING = "outputParserAutofixing"
_ALL_REQUIRED_SINCE = 1.3
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema_of(parser: SourceNode) -> tuple[JsonObject, tuple[str, ...]]:
    """The schema that an answer is to satisfy, and the nodes that say so.

    Raises:
        CannotMap: It is another parser, or its schema is not that of an object.
    """
    kind = parser.type.rpartition(".")[2]
    if kind == _FIXING:
        return _fixed(parser)
    if kind != _STRUCTURED:
        raise CannotMap(f"There is no counterpart of {parser.type}.")
    fields = parser.fields
    schema = read_schema(fields, parser.version)
    if fields.flag("autoFix"):
        _tell_of_fixing(fields)
    fields.ignore("customizeRetryPrompt", "prompt")
    models = parser.attached.get("ai_languageModel", ())
    return schema, (parser.name, *(model.name for model in models))


def _fixed(parser: SourceNode) -> tuple[JsonObject, tuple[str, ...]]:
    """A parser around another one, which has a model mend what does not fit."""
    inner = parser.attached.get("ai_outputParser", ())
    if not inner:
        raise CannotMap("Its parser mends answers of another one, which is not attached.")
    schema, names = schema_of(inner[0])
    parser.fields.section("options").ignore("prompt")
    _tell_of_fixing(parser.fields)
    models = parser.attached.get("ai_languageModel", ())
    return schema, (parser.name, *names, *(model.name for model in models))


def _tell_of_fixing(fields: Fields) -> None:
    fields.differ(
        "An answer that does not fit goes back once to the model that gave it, with what is wrong."
    )


def read_schema(fields: Fields, version: float) -> JsonObject:
    """The schema that is written out, or shown by an example.

    Raises:
        CannotMap: It is not that of an object.
    """
    schema = _schema(fields, version)
    if schema.get("type") != "object":
        raise CannotMap("It asks for something that is no object, which is not possible.")
    return schema


def _schema(fields: Fields, version: float) -> JsonObject:
    by_example = fields.fixed("schemaType", "fromJson") == "fromJson"
    if fields.has("jsonSchema"):  # as the first versions had it
        return _parsed(fields.verbatim("jsonSchema"))
    if by_example:
        fields.ignore("inputSchema")
        example = fields.verbatim("jsonSchemaExample", '{"state": "", "cities": [""]}')
        return _schema_like(_parsed(example), required=version >= _ALL_REQUIRED_SINCE)
    fields.ignore("jsonSchemaExample")
    return _parsed(fields.verbatim("inputSchema", '{"type": "object"}'))


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError as error:
        raise CannotMap("The schema of its parser is not JSON.") from error


def _schema_like(example: Any, *, required: bool) -> JsonObject:
    """The schema of values that look like an example."""
    if isinstance(example, Mapping):
        members = cast("Mapping[str, Any]", example)
        properties = {
            name: _schema_like(value, required=required) for name, value in members.items()
        }
        schema: JsonObject = {"type": "object", "properties": properties}
        return {**schema, "required": list(properties)} if required and properties else schema
    if isinstance(example, list):
        values = cast("list[Any]", example)
        items = _schema_like(values[0], required=required) if values else {}
        return {"type": "array", "items": items}
    kind = next((name for of, name in _TYPES.items() if isinstance(example, of)), "")
    return {"type": kind} if kind else {}
