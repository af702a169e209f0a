"""Puts stand-ins into a program, so that running it touches nothing.

A program that nobody else uses comes in; its actions are replaced by stand-ins that take down what
they would do and answer with pinned data or a sample. Nodes that are computed stay as they are,
code included, unless data is pinned to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine_service.node import (
    ERROR,
    ActionNode,
    Done,
    Effect,
    NodeInput,
    NodeParameters,
    NodeType,
    Outcome,
    PureNode,
    Services,
)
from engine_service.program import Program
from engine_service.trial.redact import redact
from engine_service.trigger import Trigger
from shared.workflow import Item, JsonObject

_MOST_EFFECTS = 1_000


@dataclass(frozen=True, slots=True)
class PlannedEffect:
    """Something a node would have done; `request` is its filled parameters without secrets."""

    node_id: str
    type: str
    summary: str
    request: JsonObject


def rehearse(program: Program, pinned: Mapping[str, list[Item]]) -> list[PlannedEffect]:
    """Replace what touches the world.

    Returns:
        What the stand-ins would have done: empty now, filled as the program runs.
    """
    effects: list[PlannedEffect] = []
    for node_id, ready in program.nodes.items():
        items, real = pinned.get(node_id), ready.type
        if isinstance(real, ActionNode):
            ready.type = _ActionStandIn(real, effects, _answer(program, node_id, items))
        elif items is not None and not isinstance(real, Trigger):
            ready.type = _Pinned(real, _answer(program, node_id, items) or {})
            ready.fixed, ready.needs_v8 = NodeParameters(), False
    return effects


def _answer(
    program: Program, node_id: str, items: list[Item] | None
) -> Mapping[str, list[Item]] | None:
    """Pinned items as outputs: by the node's first port, for a loop when it is done."""
    step = program.flow.steps.get(node_id)
    if items is None or step is None:
        return None
    ports = [port for port in step.shape.ports if port != ERROR]
    return {"done" if step.is_loop else ports[0]: items}


def _take_on(stand_in: NodeType[Any], real: NodeType[Any]) -> None:
    """Declare what the real node declares."""
    for name in ("Parameters", "type", "per_item", "effect", "needs_all_inputs"):
        setattr(stand_in, name, getattr(real, name))


class _Pinned(PureNode[Any]):
    """Answers with pinned data instead of computing."""

    def __init__(self, real: NodeType[Any], outputs: Mapping[str, list[Item]]) -> None:
        _take_on(self, real)
        self._outputs = outputs

    def run(self, given: NodeInput[Any]) -> Outcome:
        del given
        return Done(self._outputs)


class _ActionStandIn(ActionNode[Any]):
    """Says what an action would do, and answers in its place."""

    def __init__(
        self,
        real: ActionNode[Any],
        effects: list[PlannedEffect],
        outputs: Mapping[str, list[Item]] | None,
    ) -> None:
        _take_on(self, real)
        self._real = real
        self._effects = effects
        self._outputs = outputs

    async def run(self, given: NodeInput[Any], services: Services) -> Outcome:
        if self._real.effect is Effect.PURE and self._outputs is None:
            return await self._real.run(given, services)
        count = len(given.items) if self._real.per_item else 1
        for index in range(min(count, _MOST_EFFECTS - len(self._effects))):
            parameters = given.parameters_for(index)
            self._effects.append(
                PlannedEffect(
                    given.definition.id, self._real.type, self.plan(parameters), redact(parameters)
                )
            )
        return self.sample(given) if self._outputs is None else Done(self._outputs)

    def plan(self, parameters: Any) -> str:
        return self._real.plan(parameters)

    def sample(self, given: NodeInput[Any]) -> Done:
        return self._real.sample(given)
