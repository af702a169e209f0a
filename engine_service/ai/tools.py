"""Attached nodes as a model sees them: a name, a description, and arguments with a schema."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from jsonschema import Draft202012Validator

from engine_service.sdk.node import Attached, Done, Effect, Failed, Offer, ToolSource
from shared.llm import ToolSpec
from shared.workflow import JsonObject

_LONGEST_RESULT = 50_000
_LONGEST_DESCRIPTION = 1_000
_LONGEST_NAME = 64
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of an agent; `offer` is set when its node offers it of its own."""

    spec: ToolSpec
    node: Attached
    offer: Offer | None = None

    @property
    def offered(self) -> str | None:
        """Which of its node's offers it is."""
        return None if self.offer is None else self.offer.name

    @property
    def repeatable(self) -> bool:
        """Whether it may be run again although nobody knows if its effect happened."""
        if self.offer is not None and self.offer.repeatable:
            return True
        retry = self.node.definition.settings.retry
        allowed = retry is not None and "outcome_unknown" in retry.on
        harmless = self.offer is None and self.node.type.effect is not Effect.UNSAFE
        return harmless or allowed

    def misfit(self, arguments: JsonObject) -> str:
        """What is wrong with arguments; empty when nothing is."""
        validator: Any = Draft202012Validator(cast("dict[str, Any]", self.spec.parameters))
        error = next(iter(validator.iter_errors(arguments)), None)
        return "" if error is None else f"{error.json_path}: {error.message[:300]}"


async def tools_of(attached: Sequence[Attached], index: int) -> Mapping[str, Tool]:
    """The tools that nodes are or offer, by name, for an item of the agent.

    Raises:
        NodeError: A node cannot say what it offers.
    """
    tools: dict[str, Tool] = {}
    # Nodes have names of their own; what a source brings has to take others.
    for one in sorted(attached, key=lambda one: isinstance(one.type, ToolSource)):
        # Whoever wrote what a model is to fill in wants to be asked for that.
        if not one.type.offers_tools or one.asks_for:
            tools[one.definition.id] = Tool(_spec(one), one)
            continue
        for offer in await one.offers(index):
            name = _name(offer, one, tools)
            tools[name] = Tool(_offered(name, offer, one), one, offer)
    return tools


def _name(offer: Offer, node: Attached, taken: Mapping[str, Tool]) -> str:
    """A name that models take and no other tool has."""
    own = node.definition.id
    names = [offer.name, f"{own}_{offer.name}"] if offer.name else [own]
    plain = [_NO_NAME.sub("_", name)[:_LONGEST_NAME] for name in names]
    free = next((name for name in plain if name not in taken), "")
    return free or f"{plain[-1][: _LONGEST_NAME - 4]}_{len(taken)}"


def _offered(name: str, offer: Offer, node: Attached) -> ToolSpec:
    description = offer.description if offer.name else node.definition.notes or offer.description
    return ToolSpec(name, description[:_LONGEST_DESCRIPTION], offer.arguments)


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
