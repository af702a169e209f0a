"""The fields of a form on a page: from a JSON Schema to what a browser shows, and what it sent.

The engine decides what fits; here is only how it looks, and what is said where it does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl

import orjson

from shared.errors import InvalidInput, Violation

Sent = Mapping[str, Sequence[str]]
PREFIX = "field."
"""What names of the form's own fields begin with, so that they are never taken for ours."""
_MOST_FIELDS = 500
_INPUTS = {"email": "email", "url": "url", "date": "date", "date-time": "datetime-local"}
_COMPLAINTS = {
    "type": "This is not of the right type.",
    "format": "This does not have the right form.",
    "enum": "Choose one of the values that are offered.",
    "minItems": "Choose at least one.",
    "uniqueItems": "Each value may be there once.",
    "required": "This is needed.",
}
_SHORTEST_FOR_RADIOS = 6


@dataclass(frozen=True, slots=True)
class Option:
    """One value that can be chosen."""

    value: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """One field, ready to be shown.

    Attributes:
        kind: text, multiline, number, checkbox, select, radios, checkboxes, or an input's type.
        error: What is wrong with what was sent; empty when nothing is.
    """

    name: str
    label: str
    hint: str
    kind: str
    required: bool
    value: str = ""
    options: Sequence[Option] = field(default_factory=tuple[Option, ...])
    error: str = ""

    @property
    def id(self) -> str:
        """Its id on the page."""
        return f"field-{self.name}"


def read_body(body: bytes, content_type: str) -> dict[str, list[str]]:
    """What a browser's form sent.

    Raises:
        InvalidInput: It is no such form.
    """
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise InvalidInput("The page sends a form, and nothing else.", reason="NOT_A_FORM")
    sent: dict[str, list[str]] = {}
    try:
        for name, value in parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        ):
            sent.setdefault(name, []).append(value)
    except ValueError as error:
        raise InvalidInput("The form cannot be read.", reason="NOT_A_FORM") from error
    return sent


def own_fields(sent: Sent) -> bytes:
    """The form's own fields, as JSON: by name a list of texts."""
    own = {name[len(PREFIX) :]: texts for name, texts in sent.items() if name.startswith(PREFIX)}
    return orjson.dumps(own)


def fields_of(
    schema: Mapping[str, Any] | None, sent: Sent | None = None, wrong: Sequence[Violation] = ()
) -> list[Field]:
    """The fields of a schema, filled as they were sent or with what stands there by default."""
    if not schema:
        return []
    properties = cast("Mapping[str, dict[str, Any]]", schema.get("properties", {}))
    required = frozenset(cast("list[str]", schema.get("required", [])))
    return [
        _field(name, wanted, name in required, sent, _complaint(name, wrong))
        for name, wanted in properties.items()
    ]


def _field(
    name: str, wanted: Mapping[str, Any], required: bool, sent: Sent | None, error: str
) -> Field:
    kind, choices = _kind(wanted)
    texts = _filled(wanted, name, sent)
    options = [Option(_text(one), _text(one) in texts) for one in choices if one is not None]
    value = "on" if kind == "checkbox" and texts else "\n".join(texts)
    return Field(
        name=name,
        label=str(wanted.get("title") or name.replace("_", " ").capitalize()),
        hint=str(wanted.get("description") or ""),
        kind=kind,
        # A box that must be there may still be left unticked: that is its way to say no.
        required=required and kind not in ("checkbox", "checkboxes"),
        value=value,
        options=options,
        error=error,
    )


def _kind(wanted: Mapping[str, Any]) -> tuple[str, list[Any]]:
    kind = wanted.get("type", "string")
    if isinstance(kind, list):
        kind = cast("list[str]", kind)[0]
    items = cast("Mapping[str, Any]", wanted.get("items") or {})
    if kind == "array" and "enum" in items:
        return "checkboxes", items["enum"]
    if "enum" in wanted:
        choices = cast("list[Any]", wanted["enum"])
        return ("radios" if len(choices) < _SHORTEST_FOR_RADIOS else "select"), choices
    match kind:
        case "boolean":
            return "checkbox", []
        case "number" | "integer":
            return "number", []
        case "array" | "object":
            return "multiline", []
        case _:
            form = str(wanted.get("format", ""))
            return ("multiline" if form == "multiline" else _INPUTS.get(form, "text")), []


def _filled(wanted: Mapping[str, Any], name: str, sent: Sent | None) -> list[str]:
    if sent is not None:
        return [text for text in sent.get(PREFIX + name, ()) if text]
    default: Any = wanted.get("default")
    if default in (None, False):
        return []
    return [_text(one) for one in (default if isinstance(default, list) else [default])]  # pyright: ignore[reportUnknownVariableType] (JSON)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _complaint(name: str, wrong: Sequence[Violation]) -> str:
    for one in wrong:
        parts = one.pointer.split("/")[2:]
        if parts[:1] == [name]:
            return _COMPLAINTS.get(one.code, "This does not fit.")
        if one.code == "required" and not parts and f"'{name}'" in one.message:
            return _COMPLAINTS["required"]
    return ""
