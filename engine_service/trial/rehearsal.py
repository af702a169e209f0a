"""Puts stand-ins into a program, so that running it touches nothing.

A program that nobody else uses comes in; its actions are replaced by stand-ins that take down what
they would do and answer with pinned data or a sample. Nodes that are computed stay as they are,
an author's code included, unless data is pinned to them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine_service.definitions.program import Program
from engine_service.sdk.node import (
    ERROR,
    ActionNode,
    Callee,
    ChildEnd,
    ChildRun,
    Done,
    Effect,
    NodeInput,
    NodeParameters,
    NodeType,
    Outcome,
    PureNode,
    Services,
    Workflows,
)
from engine_service.sdk.trigger import Trigger
from engine_service.trial.redact import redact
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
        calls: Tries a workflow that is called; None when none can be found.
    """

    effects: list[PlannedEffect] = field(default_factory=list[PlannedEffect])
    refusals: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    stood_in: set[str] = field(default_factory=set[str])
    calls: Callable[[str, ChildRun], Awaitable[ChildEnd]] | None = None

    def take_down(self, node_id: str, real: ActionNode[Any], parameters: Any) -> None:
        """Keep what would have been done once."""
        if len(self.effects) < _MOST_EFFECTS:
            effect = PlannedEffect(node_id, real.type, real.plan(parameters), redact(parameters))
            self.effects.append(effect)


Refusal = Callable[[str], str]
"""Why a request to a URL would be refused; empty when nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What stand-ins answer with: pinned items, and the way they take, by node id."""

    pinned: Mapping[str, list[Item]]
    ports: Mapping[str, str]


def rehearse(
    program: Program, answers: Answers, refusal: Refusal, rehearsal: Rehearsal
) -> Rehearsal:
    """Replace what touches the world."""
    for node_id, ready in program.nodes.items():
        items, real = answers.pinned.get(node_id), ready.type
        port = answers.ports.get(node_id, "")
        if isinstance(real, ActionNode) and real.rehearses and items is None and rehearsal.calls:
            ready.type = _CallStandIn(real, rehearsal)
        elif isinstance(real, ActionNode) and (items is not None or real.effect is not Effect.PURE):
            outputs = _answer(program, node_id, items, port)
            ready.type = _ActionStandIn(real, rehearsal, refusal, outputs, port)
            rehearsal.stood_in.add(node_id)
        elif items is not None and not isinstance(real, Trigger):
            ready.type = _Pinned(real, _answer(program, node_id, items, port) or {})
            ready.fixed, ready.needs_v8 = NodeParameters(), False
            rehearsal.stood_in.add(node_id)
    return rehearsal


def _answer(
    program: Program, node_id: str, items: list[Item] | None, port: str
) -> Mapping[str, list[Item]] | None:
    """Pinned items as outputs: by the port named or the first; a loop when it is done."""
    step = program.flow.steps.get(node_id)
    if items is None or step is None:
        return None
    ports = [port for port in step.shape.ports if port != ERROR]
    return {port or ("done" if step.is_loop else ports[0]): items}


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
        port: str,
    ) -> None:
        _take_on(self, real)
        self._real = real
        self._rehearsal = rehearsal
        self._refusal = refusal
        self._outputs = outputs
        self._port = port

    async def run(self, given: NodeInput[Any], services: Services) -> Outcome:
        del services
        if self._real.effect is not Effect.PURE:
            count = len(given.items) if self._real.per_item else 1
            for index in range(min(count, _MOST_EFFECTS - len(self._rehearsal.effects))):
                self._take_down(given.definition.id, given.parameters_for(index))
        return self.sample(given) if self._outputs is None else Done(self._outputs)

    def _take_down(self, node_id: str, parameters: Any) -> None:
        """Keep what would have been done for one item, and whether it would be refused."""
        self._rehearsal.take_down(node_id, self._real, parameters)
        address = self._real.address(parameters)
        reason = self._refusal(address) if address else ""
        known = self._rehearsal.refusals.setdefault(node_id, [])
        if reason and reason not in known:
            known.append(reason)

    def plan(self, parameters: Any) -> str:
        return self._real.plan(parameters)

    def sample(self, given: NodeInput[Any]) -> Done:
        sampled = self._real.sample(given)
        if not self._port:
            return sampled
        return Done({self._port: next(iter(sampled.outputs.values()), given.items)})


class _CallStandIn(ActionNode[Any]):
    """Lets a node call workflows as it would; what it calls is tried out, too."""

    def __init__(self, real: ActionNode[Any], rehearsal: Rehearsal) -> None:
        _take_on(self, real)
        self._real = real
        self._rehearsal = rehearsal

    async def run(self, given: NodeInput[Any], services: Services) -> Outcome:
        if given.resumption is None:
            self._rehearsal.take_down(given.definition.id, self._real, given.parameters_for(0))
        tried = _TriedWorkflows(services.workflows, self._rehearsal, given.definition.id)
        return await self._real.run(given, replace(services, workflows=tried))

    def plan(self, parameters: Any) -> str:
        return self._real.plan(parameters)

    def sample(self, given: NodeInput[Any]) -> Done:
        return self._real.sample(given)


class _TriedWorkflows:
    """Finds workflows as ever; begins nothing but trials."""

    def __init__(self, real: Workflows, rehearsal: Rehearsal, node_id: str) -> None:
        self._real = real
        self._rehearsal = rehearsal
        self._node_id = node_id

    async def find(self, wanted: str) -> Callee:
        return await self._real.find(wanted)

    async def compose(self, definition: JsonObject) -> Callee:
        return await self._real.compose(definition)

    def form(self, callee: Callee) -> JsonObject | None:
        return self._real.form(callee)

    def child(self, callee: Callee, items: list[Item]) -> ChildRun:
        return self._real.child(callee, items)

    async def start(self, child: ChildRun, key: str = "") -> str:
        return (await self.run(child, key)).run_id

    async def run(self, child: ChildRun, key: str = "") -> ChildEnd:
        del key
        assert self._rehearsal.calls is not None
        return await self._rehearsal.calls(self._node_id, child)
