"""Attached nodes as a model sees them: a name, a description, and arguments with a schema."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from jsonschema import Draft202012Validator

from engine_service.sdk.node import Attached, Done, Effect, Failed
from shared.llm import ToolSpec
from shared.workflow import JsonObject

_LONGEST_RESULT = 50_000
_LONGEST_DESCRIPTION = 1_000


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of an agent."""

    spec: ToolSpec
    node: Attached

    @property
    def repeatable(self) -> bool:
        """Whether it may be run again although nobody knows if its effect happened."""
        retry = self.node.definition.settings.retry
        allowed = retry is not None and "outcome_unknown" in retry.on
        return self.node.type.effect is not Effect.UNSAFE or allowed

    def misfit(self, arguments: JsonObject) -> str:
        """What is wrong with arguments; empty when nothing is."""
        validator: Any = Draft202012Validator(cast("dict[str, Any]", self.spec.parameters))
        error = next(iter(validator.iter_errors(arguments)), None)
        return "" if error is None else f"{error.json_path}: {error.message[:300]}"


def tools_of(attached: Sequence[Attached]) -> Mapping[str, Tool]:
    """The tools that nodes are, by name."""
    return {one.definition.id: Tool(_spec(one), one) for one in attached}


def _spec(node: Attached) -> ToolSpec:
    told = (type(node.type).__doc__ or "").partition("\n")[0]
    description = node.definition.notes or f"{node.definition.name}. {told}"
    properties: JsonObject = {}
    for one in node.asks_for:
        kind = {"type": one.type} if one.type else {}
        properties[one.name] = {**kind, "description": one.description or one.name}
    schema: JsonObject = {
        "type": "object",
        "properties": properties,
        "required": [one.name for one in node.asks_for if not one.has_default],
        "additionalProperties": False,
    }
    return ToolSpec(node.definition.id, description[:_LONGEST_DESCRIPTION], schema)


@dataclass(frozen=True, slots=True)
class Result:
    """What a call of a tool came to, as text for the model."""

    text: str
    is_error: bool = False


def result_of(outcome: Done | Failed) -> Result:
    """What a model is told of an outcome: the objects that came out, or why there are none."""
    if isinstance(outcome, Failed):
        return Result(f"{outcome.code}: {outcome.message}", is_error=True)
    if outcome.failures:
        failure = outcome.failures[0]
        return Result(f"{failure.code}: {failure.message}", is_error=True)
    objects = [item["json"] for items in outcome.outputs.values() for item in items]
    text = json.dumps(objects[0] if len(objects) == 1 else objects, ensure_ascii=False)
    if len(text) > _LONGEST_RESULT:
        text = f"{text[:_LONGEST_RESULT]}… (cut; {len(text)} characters in all)"
    return Result(text)
