"""`data.validate`: holds items against a JSON Schema."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, cast

from pydantic import Field

from engine_service.sdk.node import (
    Done,
    Failed,
    ItemFailure,
    NodeInput,
    NodeParameters,
    Outcome,
    PureNode,
)
from engine_service.values.fields import FieldNames
from engine_service.values.schemas import BadSchema, Schema
from shared.workflow import Item, JsonObject

VALID, INVALID = "valid", "invalid"


class ValidateParameters(NodeParameters):
    """What must hold, of what, and what becomes of the others."""

    json_schema: Any = Field(
        alias="schema", description="The JSON Schema (2020-12), as an object or its text"
    )
    field: str = Field(
        default="", description="The field to check; the whole item when empty. Dots reach deeper"
    )
    on_invalid: Literal["port", "fail"] = Field(
        default="port",
        description="Whether items that do not fit leave by `invalid`, or fail",
    )
    errors_field: str = Field(
        default="errors",
        min_length=1,
        description="The field of invalid items that says what is wrong",
    )


class DataValidate(PureNode[ValidateParameters]):
    """Holds each item, or one field of it, against a JSON Schema.

    What fits leaves by `valid`, unchanged. What does not leaves by `invalid`, with a list in
    `errors`: for each mistake a `pointer` to where it is, the `keyword` that says so and a
    `message`. With `on_invalid: fail` such items fail instead, and the node's error handling
    decides.

    References inside the schema work; nothing is fetched from outside. The formats `date`,
    `date-time`, `email`, `ipv4`, `ipv6` and `uuid` are checked.
    """

    Parameters = ValidateParameters
    type = "data.validate"
    title = "Validate"
    outputs = (VALID, INVALID)
    verbatim = ("schema",)
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "schema": {
                "type": "object",
                "required": ["email"],
                "properties": {"email": {"type": "string", "format": "email"}},
            }
        },
        {"field": "tags", "schema": {"type": "array", "items": {"type": "string"}}},
    )
    keywords = (
        "validate", "json schema", "check data", "verify input", "schema", "required fields",
        "data quality", "校验", "验证数据", "数据检查",
    )  # fmt: skip

    def run(self, given: NodeInput[ValidateParameters]) -> Outcome:
        parameters = given.parameters_for(0)
        valid: list[Item] = []
        invalid: list[Item] = []
        failures: list[ItemFailure] = []
        try:
            schema = _schema(parameters)
            for index, item in enumerate(given.items):
                violations = schema.violations(_checked(item["json"], parameters))
                if not violations:
                    valid.append({**item, "paired_item": index})
                elif parameters.on_invalid == "fail":
                    failures.append(ItemFailure(index, "invalid", _told(violations)))
                else:
                    fields = {**item["json"], parameters.errors_field: violations}
                    invalid.append({**item, "json": fields, "paired_item": index})
        except BadSchema as error:
            return Failed("bad_schema", str(error))
        return Done({VALID: valid, INVALID: invalid}, failures)

    @classmethod
    def check(cls, parameters: ValidateParameters) -> Sequence[tuple[str, str, str]]:
        try:
            _schema(parameters)
        except BadSchema as error:
            return [("/schema", "bad_schema", str(error))]
        return []


def _schema(parameters: ValidateParameters) -> Schema:
    written: object = parameters.json_schema
    if isinstance(written, str):
        try:
            written = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise BadSchema(f"the schema is not JSON: {error}") from error
    if not isinstance(written, dict | bool):
        raise BadSchema("a schema is an object")
    return Schema(cast("JsonObject | bool", written))


def _checked(fields: JsonObject, parameters: ValidateParameters) -> Any:
    return FieldNames().get(fields, parameters.field) if parameters.field else fields


def _told(violations: list[JsonObject]) -> str:
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return f"{first['pointer'] or 'the value'}: {first['message']}{more}"
