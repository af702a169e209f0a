"""Puts stand-ins into a program, so that running it touches nothing.

A program that nobody else uses comes in; its actions are replaced by stand-ins that take down what
they would do and answer with pinned data or a sample. Nodes that are computed stay as they are,
an author's code included, unless data is pinned to them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Rehearsal:
    """What the stand-ins take down: empty before the program runs, filled as it does.

    Attributes:
        effects: What would have been done, in order.
        refusals: Why requests would be refused, by node id; each reason once.
        stood_in: Ids of the nodes that answered with a sample or pinned data.
    """

    effects: list[PlannedEffect] = field(default_factory=list[PlannedEffect])
    refusals: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    stood_in: set[str] = field(default_factory=set[str])


Refusal = Callable[[str], str]
"""Why a request to a URL would be refused; empty when nothing speaks against it."""


def rehearse(program: Program, pinned: Mapping[str, list[Item]], refusal: Refusal) -> Rehearsal:
    """Replace what touches the world."""
    rehearsal = Rehearsal()
    for node_id, ready in program.nodes.items():
        items, real = pinned.get(node_id), ready.type
        if isinstance(real, ActionNode) and (items is not None or real.effect is not Effect.PURE):
            outputs = _answer(program, node_id, items)
            ready.type = _ActionStandIn(real, rehearsal, refusal, outputs)
            rehearsal.stood_in.add(node_id)
        elif items is not None and not isinstance(real, Trigger):
            ready.type = _Pinned(real, _answer(program, node_id, items) or {})
            ready.fixed, ready.needs_v8 = NodeParameters(), False
            rehearsal.stood_in.add(node_id)
    return rehearsal


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
        rehearsal: Rehearsal,
        refusal: Refusal,
        outputs: Mapping[str, list[Item]] | None,
    ) -> None:
        _take_on(self, real)
        self._real = real
        self._rehearsal = rehearsal
        self._refusal = refusal
        self._outputs = outputs

    async def run(self, given: NodeInput[Any], services: Services) -> Outcome:
        del services
        if self._real.effect is not Effect.PURE:
            count = len(given.items) if self._real.per_item else 1
            for index in range(min(count, _MOST_EFFECTS - len(self._rehearsal.effects))):
                self._take_down(given.definition.id, given.parameters_for(index))
        return self.sample(given) if self._outputs is None else Done(self._outputs)

    def _take_down(self, node_id: str, parameters: Any) -> None:
        """Keep what would have been done for one item, and whether it would be refused."""
        self._rehearsal.effects.append(
            PlannedEffect(node_id, self._real.type, self.plan(parameters), redact(parameters))
        )
        address = self._real.address(parameters)
        reason = self._refusal(address) if address else ""
        known = self._rehearsal.refusals.setdefault(node_id, [])
        if reason and reason not in known:
            known.append(reason)

    def plan(self, parameters: Any) -> str:
        return self._real.plan(parameters)

    def sample(self, given: NodeInput[Any]) -> Done:
        return self._real.sample(given)
