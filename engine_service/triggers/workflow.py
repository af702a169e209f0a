"""`trigger.workflow`: another workflow calls this one."""

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


class CalledParameters(NodeParameters):
    """What a caller must hand over."""

    fields: list[FormField] = Field(
        default_factory=list[FormField],
        max_length=100,
        description="The fields of each item that is handed over; anything goes when there are "
        "none",
    )


class CalledTrigger(Trigger[CalledParameters]):
    """Starts a run when another workflow calls this one with `flow.call`.

    The caller's items come in as they are. With `fields` they are typed: a call whose items lack a
    field, or have it of another type, fails at the caller and starts nothing. What this workflow
    gives at its end, or answers with `flow.respond`, is what the caller gets.
    """

    Parameters = CalledParameters
    type = "trigger.workflow"
    title = "When called by another workflow"
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {},
        {
            "fields": [
                {"name": "customer", "description": "Whose orders?"},
                {"name": "days", "type": "number", "required": False, "default": 7},
            ]
        },
    )
    keywords = (
        "sub-workflow", "subworkflow", "called", "called by another workflow", "callable",
        "reusable", "子工作流", "被调用", "被其他工作流调用", "复用",
    )  # fmt: skip

    def run(self, given: NodeInput[CalledParameters]) -> Outcome:
        defaults = defaults_of(given.parameters_for(0).fields)
        if not defaults:
            return Done({MAIN: given.items})
        filled = [{**item, "json": {**defaults, **item["json"]}} for item in given.items]
        return Done({MAIN: filled})

    def input_schema(self, parameters: CalledParameters) -> JsonObject | None:
        return form_schema(parameters.fields) if parameters.fields else None

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        del given
        return form_shape(parameters.get("fields"))

    @classmethod
    def check(cls, parameters: CalledParameters) -> Sequence[tuple[str, str, str]]:
        return list(check_fields(parameters.fields))
