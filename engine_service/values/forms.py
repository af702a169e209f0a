"""Forms: the typed fields that a person fills in to start a run or to answer a question."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal, cast

from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel, ConfigDict, Field
from referencing import Registry

from engine_service.sdk.shape import UNKNOWN, Kind, Shape
from engine_service.values.field_types import NotOfType, convert
from shared.errors import Violation
from shared.workflow import JsonObject, pointer

_KINDS: dict[str, Kind] = {
    "string": "string", "number": "number", "boolean": "boolean", "date_time": "string",
    "array": "array", "object": "object",
}  # fmt: skip
_MOST_MISFITS = 20
_LONGEST_MESSAGE = 300
_FORMATS = FormatChecker(formats=())
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ADDRESS = re.compile(r"[^@\s,;<>\"\x00-\x1f\x7f]{1,64}@[^@\s,;<>\"\x00-\x1f\x7f]{1,255}")
_URL = re.compile(r"https?://[^\s\"<>\x00-\x1f\x7f]{1,2000}")


class FormField(BaseModel):
    """One field of a form."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$", description="Its name in the item: `$json.name`"
    )
    type: Literal["string", "number", "boolean", "date_time", "array", "object"] = Field(
        default="string", description="Its type"
    )
    title: str = Field(default="", max_length=200, description="What a form calls it")
    description: str = Field(default="", max_length=2_000, description="What to fill in")
    format: Literal["", "multiline", "email", "url", "date"] = Field(
        default="",
        description="For texts, more exactly what it is: of several lines, an e-mail address, an "
        "http(s) address, a day such as 2027-01-31",
    )
    required: bool = Field(default=True, description="Whether it must be filled in")
    default: Any = Field(default=None, description="Its value when it is not filled in")
    choices: list[Any] = Field(
        default_factory=list[Any], max_length=200, description="The only values it may have"
    )


def form_schema(fields: Sequence[FormField]) -> JsonObject:
    """The JSON Schema of a filled form; a name that no field has is refused."""
    return {
        "type": "object",
        "properties": {field.name: _schema_of(field) for field in fields},
        "required": [field.name for field in fields if field.required and field.default is None],
        "additionalProperties": False,
    }


def form_shape(fields: Any) -> Shape:
    """What is known of filled forms with these fields, as written; of none, nothing is known."""
    rows = cast("list[Any]", fields) if isinstance(fields, list) else []
    kinds: dict[str, Kind] = {}
    for row in rows:
        if not isinstance(row, dict):
            return UNKNOWN
        written = cast("JsonObject", row)
        kinds[str(written.get("name"))] = _KINDS.get(str(written.get("type", "string")), "any")
    return Shape(kinds) if kinds else UNKNOWN


def form_validator(schema: JsonObject) -> Draft202012Validator:
    """What holds filled forms against a schema; nothing outside of the schema is ever fetched."""
    return Draft202012Validator(schema, registry=Registry(), format_checker=_FORMATS)


def misfits(
    validator: Draft202012Validator, filled: Any, at: Sequence[str | int]
) -> list[Violation]:
    """Where a filled form, which stands at some place of a request, does not fit."""
    errors: Iterator[Any] = validator.iter_errors(filled)  # pyright: ignore[reportUnknownMemberType] (its stub leaves the argument open)
    return [
        Violation(
            pointer([*at, *error.absolute_path]),
            str(error.validator),
            # The library quotes the value, however long it is.
            error.message[:_LONGEST_MESSAGE],
        )
        for error in islice(errors, _MOST_MISFITS)
    ]


def is_address(text: str) -> bool:
    """Whether a text is an e-mail address."""
    return _ADDRESS.fullmatch(text) is not None


def defaults_of(fields: Sequence[FormField]) -> JsonObject:
    """The values that stand where nothing is filled in."""
    return {field.name: field.default for field in fields if field.default is not None}


def check_fields(fields: Sequence[FormField]) -> Iterator[tuple[str, str, str]]:
    """Findings for a node's `check`: names there twice, defaults that do not fit."""
    seen: set[str] = set()
    for index, field in enumerate(fields):
        if field.name in seen:
            yield f"/fields/{index}/name", "duplicate", f"{field.name} is there twice."
        seen.add(field.name)
        if field.default is not None and not _fits(field, field.default):
            yield f"/fields/{index}/default", "wrong_type", f"The default is no {field.type}."


def _schema_of(field: FormField) -> JsonObject:
    kind = "string" if field.type == "date_time" else field.type
    schema: JsonObject = {"type": kind if field.required else [kind, "null"]}
    if field.type == "date_time":
        schema["format"] = "date-time"
    elif field.format and field.type == "string":
        schema["format"] = field.format
    if field.choices and field.type == "array":
        schema["items"] = {"enum": field.choices}
        schema["uniqueItems"] = True
        if field.required:
            schema["minItems"] = 1
    elif field.choices:
        schema["enum"] = [*field.choices, *([] if field.required else [None])]
    for name in ("title", "description", "default"):
        value = getattr(field, name)
        if value not in ("", None):
            schema[name] = value
    return schema


@_FORMATS.checks("date-time")
def _is_date_time(value: Any) -> bool:
    return not isinstance(value, str) or _is_moment(value)


@_FORMATS.checks("date")
def _is_day(value: Any) -> bool:
    return not isinstance(value, str) or (bool(_DAY.fullmatch(value)) and _is_moment(value))


@_FORMATS.checks("email")
def _is_no_other_text(value: Any) -> bool:
    return not isinstance(value, str) or is_address(value)


@_FORMATS.checks("url")
def _is_url(value: Any) -> bool:
    return not isinstance(value, str) or _URL.fullmatch(value) is not None


def _is_moment(text: str) -> bool:
    try:
        return convert(text, "date_time") is not None
    except NotOfType:
        return False


def _fits(field: FormField, value: Any) -> bool:
    try:
        convert(value, field.type, strict=True)
    except NotOfType:
        return False
    return True
