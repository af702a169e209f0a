"""`trigger.manual`: a person, or a call of the API, starts the run."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from engine_service.sdk.node import MAIN, Done, NodeInput, NodeParameters, Outcome
from engine_service.sdk.shape import Shape
from engine_service.sdk.trigger import Trigger
from engine_service.values.forms import (
    FormField,
    check_fields,
    defaults_of,
    form_schema,
    form_shape,
)
from shared.workflow import JsonObject


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
        defaults = defaults_of(given.parameters_for(0).fields)
        if not defaults:
            return Done({MAIN: given.items})
        filled = [{**item, "json": {**defaults, **item["json"]}} for item in given.items]
        return Done({MAIN: filled})

    def input_schema(self, parameters: ManualParameters) -> JsonObject | None:
        return form_schema(parameters.fields) if parameters.fields else None

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        del given
        return form_shape(parameters.get("fields"))

    @classmethod
    def check(cls, parameters: ManualParameters) -> Sequence[tuple[str, str, str]]:
        return list(check_fields(parameters.fields))
