"""`data.set`: puts fields into items."""

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any, ClassVar, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from engine_service.sdk.node import (
    MAIN,
    Done,
    ItemFailure,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.sdk.shape import UNKNOWN, Kind, Shape, kind_of
from engine_service.values.field_types import NotOfType, convert
from engine_service.values.fields import FieldNames
from engine_service.values.paths import parse_path
from shared.workflow import Item, JsonObject

AssignedType = Literal["any", "string", "number", "boolean", "array", "object", "date_time"]


class Assignment(BaseModel):
    """One field to set."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1,
        description="The field; `customer.address.city` and `lines[0].price` reach into it",
    )
    value: Any = Field(default=None, description="Its value, usually with an expression")
    type: AssignedType = Field(
        default="any", description="Converts the value; `any` keeps it as it is"
    )


class SetParameters(NodeParameters):
    """What to set and what to keep."""

    mode: Literal["fields", "json"] = Field(
        default="fields", description="`fields` sets one by one, `json` gives a whole object"
    )
    assignments: list[Assignment] = Field(
        default_factory=list[Assignment], max_length=500, description="The fields to set, in order"
    )
    json_output: Any = Field(
        default=None,
        alias="json",
        description="In mode `json`: the object, or its text; expressions may stand inside",
    )
    include: Literal["none", "all", "selected", "except"] = Field(
        default="none",
        description="Which fields of the input item stay: none, all, only `fields`, or all but "
        "`fields`",
    )
    fields: list[str] = Field(
        default_factory=list[str],
        max_length=500,
        description="Field names for `include` selected or except; dots reach into them: what is "
        "selected so comes under the last part of its name",
    )
    missing: Literal["null", "leave_out"] = Field(
        default="null",
        description="What a field becomes whose expression gives nothing, such as a path that "
        "leads nowhere: null, or no field at all",
    )
    dot_notation: bool = Field(
        default=True, description="Whether dots and brackets in names reach into objects"
    )
    ignore_conversion_errors: bool = Field(
        default=False, description="Keep a value that cannot be converted instead of failing"
    )
    include_binary: bool = Field(
        default=True, description="Whether files attached to the input item stay, if fields do"
    )


_GAP = re.compile(r""""(?:[^"\\]|\\.)*"|(?P<colon>:)\s*(?=[,}])""", re.DOTALL)
"""A place in a JSON text where a value would stand, had an expression given one."""


class Unsettable(ValueError):
    """A field cannot be given its value."""


class DataSet(PureNode[SetParameters]):
    """Sets fields of each item: new values, renamed or computed ones, or a whole new object.

    Every input item gives one output item. By default the output holds **only** the fields set
    here; `include: all` keeps the others too, `selected` and `except` keep some.

    - A name with dots (`customer.city`) or brackets (`tags[0]`) reaches into the object; set
      `dot_notation` to false for names that contain dots.
    - A `type` converts: `"12"` becomes 12 as number, `"true"` becomes true as boolean, a JSON text
      becomes an object or array. What cannot be converted fails the item.
    - Mode `json` takes one object instead of a list of fields.

    Example: `{"name": "full_name", "value": "{{ $json.first }} {{ $json.last }}"}`.
    """

    Parameters = SetParameters
    type = "data.set"
    title = "Set fields"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "assignments": [
                {"name": "greeting", "value": "Hello {{ $json.name }}", "type": "string"},
                {"name": "order.total", "value": "{{ $json.price }}", "type": "number"},
            ],
            "include": "all",
        },
        {"mode": "json", "json": {"status": "new", "tags": ["a", "b"]}},
        {"include": "selected", "fields": ["id", "customer.name"]},
    )
    keywords = (
        "set", "edit fields", "assign", "rename", "transform", "map", "format", "add field",
        "constant", "prepare data", "设置字段", "赋值", "编辑字段", "转换", "整理数据", "添加字段",
    )  # fmt: skip

    def run(self, given: NodeInput[SetParameters]) -> Outcome:
        made: list[Item] = []
        failures: list[ItemFailure] = []
        for index, item in enumerate(given.items):
            try:
                made.append(_build(item, index, given.parameters_for(index), given))
            except Unsettable as error:
                failures.append(ItemFailure(index, "wrong_type", str(error)))
        return Done({MAIN: made}, failures)

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        kept = _kept_shape(parameters, given)
        if parameters.get("mode") == "json":
            written = parameters.get("json")
            if not isinstance(written, dict):
                return Shape(kept.fields, True)
            fields = cast("JsonObject", written).items()
            return kept.extended({_first(name, parameters): _kind(value) for name, value in fields})
        found: Any = parameters.get("assignments")
        rows = cast("list[Any]", found) if isinstance(found, list) else []
        made: dict[str, Kind] = {}
        for row in rows:
            if not isinstance(row, dict) or not isinstance(row.get("name"), str):  # pyright: ignore[reportUnknownMemberType] (as an author wrote it)
                return UNKNOWN
            assignment = cast("JsonObject", row)
            name = _first(assignment["name"], parameters)
            made[name] = "any" if name != assignment["name"] else _assigned_kind(assignment)
        return kept.extended(made)

    @classmethod
    def check(cls, parameters: SetParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.mode == "json" and parameters.json_output is None:
            return [("/json", "missing", "Mode json needs the object to set.")]
        if parameters.include in ("selected", "except") and not parameters.fields:
            return [("/fields", "missing", f"Say which fields; include is {parameters.include}.")]
        return []


def _build(
    item: Item, index: int, parameters: SetParameters, given: NodeInput[SetParameters]
) -> Item:
    names = FieldNames(parameters.dot_notation)
    fields = _kept(item["json"], parameters, names)
    if parameters.mode == "json":
        for name, value in _object(parameters.json_output).items():
            _put(fields, name, value, names)
    for assignment in parameters.assignments if parameters.mode == "fields" else ():
        if parameters.missing == "leave_out" and "value" not in assignment.model_fields_set:
            names.drop(fields, assignment.name)
        else:
            _put(fields, assignment.name, _value(assignment, parameters, given), names)
    built: Item = {"json": fields, "paired_item": index}
    if parameters.include != "none" and parameters.include_binary and item.get("binary"):
        built["binary"] = item["binary"]
    return built


_KINDS: dict[str, Kind] = {
    "string": "string", "number": "number", "boolean": "boolean", "array": "array",
    "object": "object", "date_time": "string",
}  # fmt: skip


def _assigned_kind(assignment: JsonObject) -> Kind:
    return _KINDS.get(str(assignment.get("type", "any"))) or _kind(assignment.get("value"))


def _kind(value: Any) -> Kind:
    """The kind of a value as written; a text may hold an expression that gives anything."""
    return "any" if isinstance(value, str) and "{{" in value else kind_of(value)


def _first(name: str, parameters: JsonObject) -> str:
    """The field of the item into which a name reaches."""
    return name if parameters.get("dot_notation") is False else str(parse_path(name)[0])


def _kept_shape(parameters: JsonObject, given: Shape) -> Shape:
    names: Any = parameters.get("fields")
    listed = [str(name) for name in cast("list[Any]", names)] if isinstance(names, list) else []
    match parameters.get("include", "none"):
        case "none":
            return Shape()
        case "selected":
            found: dict[str, Kind] = {
                name.rpartition(".")[2]: given.fields.get(name, "any") for name in listed
            }
            return Shape(found) if not any("{{" in name for name in listed) else UNKNOWN
        case "except":
            return given.without(listed)
        case _:
            return given


def _put(fields: JsonObject, name: str, value: Any, names: FieldNames) -> None:
    try:
        names.put(fields, name, value)
    except ValueError as error:
        raise Unsettable(f"{name}: {error}") from error


def _kept(fields: JsonObject, parameters: SetParameters, names: FieldNames) -> JsonObject:
    match parameters.include:
        case "none":
            return {}
        case "all":
            return dict(fields)
        case "selected":
            kept: JsonObject = {}
            for name in parameters.fields:
                found, value = names.find(fields, name)
                if found:
                    _put(kept, name.rpartition(".")[2] if names.dots else name, value, names)
            return kept
        case "except":
            rest = dict(fields)
            for name in parameters.fields:
                names.drop(rest, name)
            return rest


def _value(
    assignment: Assignment, parameters: SetParameters, given: NodeInput[SetParameters]
) -> Any:
    if assignment.type == "any":
        return assignment.value
    try:
        value = convert(assignment.value, assignment.type, zone=given.now.tzinfo or UTC)
    except NotOfType as error:
        if parameters.ignore_conversion_errors:
            return assignment.value
        raise Unsettable(f"{assignment.name}: {error}") from error
    return value.isoformat(timespec="milliseconds") if assignment.type == "date_time" else value


def _object(value: Any) -> JsonObject:
    """The object that mode json was given, as such or as text."""
    try:
        text = _GAP.sub(_filled, value) if isinstance(value, str) else value
        read: object = convert(text, "object")
    except NotOfType as error:
        raise Unsettable(f"json: {error}") from error
    if not isinstance(read, dict):
        raise Unsettable("json: expected an object")
    return cast("JsonObject", read)


def _filled(found: re.Match[str]) -> str:
    return found[0] if found["colon"] is None else f"{found['colon']} null"
