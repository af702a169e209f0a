"""`trigger.manual`: a person, or a call of the API, starts the run."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine_service.field_types import NotOfType, convert
from engine_service.node import MAIN, Done, NodeInput, NodeParameters, Outcome
from engine_service.trigger import Trigger
from shared.workflow import JsonObject


class FormField(BaseModel):
    """One field that the run's input must or may have."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$", description="Its name in the item: `$json.name`"
    )
    type: Literal["string", "number", "boolean", "date_time", "array", "object"] = Field(
        default="string", description="Its type"
    )
    title: str = Field(default="", max_length=200, description="What a form calls it")
    description: str = Field(default="", max_length=2_000, description="What to fill in")
    required: bool = Field(default=True, description="Whether the input must have it")
    default: Any = Field(default=None, description="Its value when the input has none")
    choices: list[Any] = Field(
        default_factory=list[Any], max_length=200, description="The only values it may have"
    )


class ManualParameters(NodeParameters):
    """What a run is given."""

    fields: list[FormField] = Field(
        default_factory=list[FormField],
        max_length=100,
        description="The fields of the input; any object will do when there are none",
    )


class ManualTrigger(Trigger[ManualParameters]):
    """Starts a run by hand: by the button, the command line, or a call of the API.

    With `fields` the input is a typed form: missing and mistyped fields are refused before the
    run begins. Without, any object is taken. The run's first item holds the input.
    """

    Parameters = ManualParameters
    type = "trigger.manual"
    title = "Start by hand"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {},
        {
            "fields": [
                {"name": "city", "title": "City", "description": "For which city?"},
                {"name": "days", "type": "number", "required": False, "default": 3},
                {"name": "unit", "choices": ["celsius", "fahrenheit"], "default": "celsius"},
            ]
        },
    )
    keywords = (
        "manual", "button", "by hand", "start", "run now", "on demand", "form", "input",
        "手动", "按钮", "立即运行", "启动", "表单",
    )  # fmt: skip

    def run(self, given: NodeInput[ManualParameters]) -> Outcome:
        fields = given.parameters_for(0).fields
        defaults = {field.name: field.default for field in fields if field.default is not None}
        if not defaults:
            return Done({MAIN: given.items})
        filled = [{**item, "json": {**defaults, **item["json"]}} for item in given.items]
        return Done({MAIN: filled})

    def input_schema(self, parameters: ManualParameters) -> JsonObject | None:
        fields = parameters.fields
        if not fields:
            return None
        needed = [field.name for field in fields if field.required and field.default is None]
        return {
            "type": "object",
            "properties": {field.name: _schema_of(field) for field in fields},
            "required": needed,
            "additionalProperties": False,
        }

    @classmethod
    def check(cls, parameters: ManualParameters) -> Sequence[tuple[str, str, str]]:
        findings: list[tuple[str, str, str]] = []
        seen: set[str] = set()
        for index, field in enumerate(parameters.fields):
            if field.name in seen:
                findings.append(
                    (f"/fields/{index}/name", "duplicate", f"{field.name} is there twice.")
                )
            seen.add(field.name)
            if field.default is not None and not _fits(field, field.default):
                findings.append(
                    (f"/fields/{index}/default", "wrong_type", f"It is no {field.type}.")
                )
        return findings


def _schema_of(field: FormField) -> JsonObject:
    kind = "string" if field.type == "date_time" else field.type
    schema: JsonObject = {"type": kind if field.required else [kind, "null"]}
    if field.type == "date_time":
        schema["format"] = "date-time"
    if field.choices:
        schema["enum"] = [*field.choices, *([] if field.required else [None])]
    for name in ("title", "description", "default"):
        value = getattr(field, name)
        if value not in ("", None):
            schema[name] = value
    return schema


def _fits(field: FormField, value: Any) -> bool:
    try:
        convert(value, field.type, strict=True)
    except NotOfType:
        return False
    return True
