"""`data.remember`: lets through what earlier runs have not seen."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from shared.workflow import Item, JsonObject

_SEEN = "seen"


class RememberParameters(NodeParameters):
    """What is remembered, and for how long."""

    operation: Literal["new", "above", "forget"] = Field(
        default="new",
        description="`new` lets items through whose `key` no earlier run saw, `above` those whose "
        "`value` is beyond the largest so far, `forget` begins anew",
    )
    key: Any = Field(
        default=None,
        description="For new: what tells one item from another, usually an expression; the whole "
        "item when it is not there",
    )
    value: float | str | None = Field(
        default=None,
        description="For above: a number, or a moment in ISO 8601, that only grows",
    )
    scope: Literal["node", "workflow"] = Field(
        default="node", description="Whether nodes of the workflow remember together"
    )
    history: int = Field(
        default=10_000, ge=1, le=100_000, description="For new: how many keys are remembered"
    )


class DataRemember(ActionNode[RememberParameters]):
    """Lets through only what earlier runs of the workflow have not seen.

    - `new`: by `key`; of equal keys in one run the first goes on. The oldest keys beyond `history`
      are forgotten.
    - `above`: by `value`, a number or a moment that grows from item to item, such as an id or a
      date of change.
    - `forget`: forgets all that, and hands the items on.

    What was seen before leaves by `seen`. A run that is interrupted does not lose items: what it
    saw itself still counts as new when it goes on.

    For duplicates within one run use `data.dedupe`.
    """

    Parameters = RememberParameters
    type = "data.remember"
    title = "Only new items"
    outputs = (MAIN, _SEEN)
    effect = Effect.KEYED
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"key": "{{ $json.email }}"},
        {"operation": "above", "value": "{{ $json.id ?? 0 }}"},
        {"operation": "forget", "scope": "workflow"},
    )
    keywords = (
        "new", "only new", "seen before", "already processed", "previous executions", "remember",
        "across runs", "dedupe", "deduplicate", "once", "新", "已处理", "跨次去重", "去重",
    )  # fmt: skip

    async def run(self, given: NodeInput[RememberParameters], services: Services) -> Outcome:
        first = given.parameters_for(0)
        scope = _scope(given, first)
        match first.operation:
            case "forget":
                await services.data.forget(scope)
                return _parted(given, [True] * len(given.items))
            case "new":
                return await _only_new(given, scope, services)
            case "above":
                return await _only_above(given, scope, services)

    @classmethod
    def check(cls, parameters: RememberParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.operation == "above" and parameters.value is None:
            return [("/value", "missing", "Say what grows from item to item.")]
        return []

    def plan(self, parameters: RememberParameters) -> str:
        return {
            "new": "Remember the keys of items",
            "above": "Remember the largest value",
            "forget": "Forget what was seen",
        }[parameters.operation]

    def sample(self, given: NodeInput[RememberParameters]) -> Done:
        return _parted(given, [True] * len(given.items))


def _scope(given: NodeInput[RememberParameters], parameters: RememberParameters) -> str:
    """Whose memory it is; runs that only try something have one of their own."""
    run = given.run
    place = f"{run['mode']}/{run['workflow_id']}"
    return place if parameters.scope == "workflow" else f"{place}/{given.definition.id}"


async def _only_new(
    given: NodeInput[RememberParameters], scope: str, services: Services
) -> Outcome:
    keys = [_key(given, at) for at in range(len(given.items))]
    history = given.parameters_for(0).history
    seen = await services.data.see(scope, keys, services.idempotency_key, history)
    firsts = {key: at for at, key in reversed(list(enumerate(keys)))}
    return _parted(given, [not seen[at] and firsts[key] == at for at, key in enumerate(keys)])


def _key(given: NodeInput[RememberParameters], at: int) -> str:
    key = given.parameters_for(at).key
    return json.dumps(given.items[at]["json"] if key is None else key, sort_keys=True)


async def _only_above(
    given: NodeInput[RememberParameters], scope: str, services: Services
) -> Outcome:
    values = [given.parameters_for(at).value for at in range(len(given.items))]
    numbers = [value for value in values if isinstance(value, float)]
    texts = [value for value in values if isinstance(value, str)]
    if len(values) not in (len(numbers), len(texts)):
        return Failed("value_invalid", "All items need a value, all numbers or all moments.")
    if not values:
        return _parted(given, [])
    mark = max(numbers) if numbers else max(texts)
    before = await services.data.rise(scope, mark, services.idempotency_key)
    if isinstance(before, float):
        return _parted(given, [number > before for number in numbers] or [True] * len(texts))
    if isinstance(before, str):
        return _parted(given, [text > before for text in texts] or [True] * len(numbers))
    return _parted(given, [True] * len(values))


def _parted(given: NodeInput[RememberParameters], goes_on: Sequence[bool]) -> Done:
    ports: dict[str, list[Item]] = {MAIN: [], _SEEN: []}
    for at, (item, new) in enumerate(zip(given.items, goes_on, strict=True)):
        ports[MAIN if new else _SEEN].append({**item, "paired_item": at})
    return Done(ports)
