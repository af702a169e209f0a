"""What one attempt of a node is given: its items, its parameters filled, the run it is in.

Parameters are filled for each item where the node maps over items and an expression depends on
the item; otherwise once. An item for which filling fails is left out when the node's settings let
the others go on.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from engine_service.core.state import Execution, RunState
from engine_service.definitions.program import Program, ReadyNode
from engine_service.expressions import Evaluator, ExpressionError, Row, Scope
from engine_service.running.lineage import Outputs, Pairs, Written, previous
from engine_service.sdk.node import Failed, ItemFailure, NodeInput, NodeParameters, Resumption
from shared.llm import Budget
from shared.workflow import Item, violations_of

MANY = 1_000
"""More items than these are computed with beside the event loop."""
_AT_ONCE = 500
"""For how many items parameters are checked before others have their turn."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a node may know of the run it is in.

    Attributes:
        depth: How many runs there are above it.
        error_of: The failed run that it, or a run above it, is about.
        variables: The tenant's, as `$vars`. env: What the operator lets it see, as `$env`.
        budget: What its models may use, if there is a limit.
    """

    id: str
    tenant_id: str
    workflow_id: str
    version: int
    mode: str
    trigger: str
    variables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    budget: Budget | None = None
    depth: int = 0
    error_of: str | None = None


@dataclass(slots=True)
class Call:
    """One attempt that is to be made. It never changes; not frozen, as that costs every node.

    Attributes:
        node: The node that is to run.
        inputs: Items by input, as the node's settings let it see them.
    """

    program: Program
    state: RunState
    execution: Execution
    run: RunFacts
    now: datetime
    node: ReadyNode = field(init=False)
    inputs: Mapping[str, list[Item]] = field(init=False)

    def __post_init__(self) -> None:
        self.node = self.program.nodes[self.execution.step.id]
        self.inputs = self.execution.inputs()
        if self.node.definition.settings.execute_once:
            self.inputs = {name: items[:1] for name, items in self.inputs.items()}

    @property
    def is_large(self) -> bool:
        """Whether there is so much to compute with that others would notice."""
        if sum(map(len, self.inputs.values())) > MANY:
            return True
        executions = self.state.executions
        sources = [
            executions.get((arrival.edge.source.id, arrival.iteration))
            for arrival in self.execution.arrivals
        ]
        return any(one and one.finished and one.finished.blob for one in sources)

    @property
    def items(self) -> list[Item]:
        """The items of the first input, over which a node maps."""
        return self.inputs[self.execution.step.shape.inputs[0]]


@dataclass(slots=True)
class Filled:
    """A node's input with parameters filled.

    Attributes:
        kept: Positions of the input items that could be filled for; None when all could.
        failures: The others.
    """

    given: NodeInput[Any]
    kept: Sequence[int] | None = None
    failures: Sequence[ItemFailure] = ()


def fill_now(call: Call) -> Filled | Failed:
    """Fill the parameters of a node that needs no V8."""
    node = call.node
    if node.fixed is not None:
        return Filled(_given(call, call.inputs, [node.fixed]))
    indexes = _indexes(node, call.items)
    nothing = [None] * len(node.compiled.slots)
    needs_more = not node.compiled.needs_only_items
    scope = scope_of(call, call.items) if needs_more else Scope(call.items, call.now)
    rows = node.compiled.rows(nothing, scope, indexes)
    return _sorted_out(call, indexes, [parameters_of(node, row) for row in rows])


async def fill(call: Call, evaluator: Evaluator) -> Filled | Failed:
    """Fill the parameters of any node."""
    indexes = _indexes(call.node, call.items)
    scope = scope_of(call, call.items)
    rows = await evaluator.rows(call.node.compiled, scope, indexes)
    made: list[NodeParameters | Failed] = []
    for start in range(0, len(rows), _AT_ONCE):
        if start:
            await asyncio.sleep(0)  # other runs have their turn, and claims are kept
        made += [parameters_of(call.node, row) for row in rows[start : start + _AT_ONCE]]
    return _sorted_out(call, indexes, made)


def _indexes(node: ReadyNode, first: Sequence[Item]) -> Sequence[int]:
    each = node.type.per_item and node.compiled.per_item and len(first) > 1
    return range(len(first)) if each else (0,)


def scope_of(call: Call, items: Sequence[Item]) -> Scope:
    """What expressions of a node see while it runs, or what is attached to it."""
    run, workflow, execution = call.run, call.program.workflow, call.execution
    node = call.node.definition
    index = execution.iteration[-1] if execution.iteration else 0
    facts = {"id": run.id, "mode": run.mode, "trigger": run.trigger, "index": index}
    about = {
        "id": run.workflow_id,
        "name": workflow.name,
        "version": run.version,
        "active": run.mode == "live",
    }
    return Scope(
        items=items,
        now=call.now,
        zone=workflow.settings.timezone,
        nodes=Outputs(call.program, call.state, execution),
        pairs=Pairs(call.program, call.state, execution),
        run=facts,
        workflow=about,
        variables=run.variables,
        env=run.env,
        parameters=Written(call.program),
        node={"name": node.name, "id": node.id, "version": node.version},
        previous=previous(execution),
    )


def _given(
    call: Call, inputs: Mapping[str, list[Item]], parameters: Sequence[NodeParameters]
) -> NodeInput[Any]:
    execution = call.execution
    resumption = None
    if execution.waited is not None:
        answer = execution.answer.answer if execution.answer else None
        resumption = Resumption(answer, execution.waited.at)
    return NodeInput(
        definition=call.node.definition,
        parameters=parameters,
        inputs=inputs,
        arrived=frozenset([arrival.edge.input for arrival in execution.arrivals]),
        run=run_facts(call),
        now=call.now.astimezone(call.program.zone),
        resumption=resumption,
        scope=lambda: scope_of(call, call.items),
    )


def run_facts(call: Call) -> Mapping[str, str]:
    """What a node is told of its run."""
    run = call.run
    return {
        "id": run.id,
        "mode": run.mode,
        "workflow_id": run.workflow_id,
        "workflow_name": call.program.workflow.name,
        "trigger": run.trigger,
    }


def _sorted_out(
    call: Call, indexes: Sequence[int], made: Sequence[NodeParameters | Failed]
) -> Filled | Failed:
    """A node's input; items for which there are no parameters are left out."""
    parameters: list[NodeParameters] = []
    failures: list[ItemFailure] = []
    for index, one in zip(indexes, made, strict=True):
        if isinstance(one, Failed):
            failures.append(ItemFailure(index, one.code, one.message))
        else:
            parameters.append(one)
    if not failures:
        return Filled(_given(call, call.inputs, parameters))
    stops = call.node.definition.settings.on_error == "stop"
    if stops or not parameters:
        first = failures[0]
        where = f"Item {first.index}: " if len(indexes) > 1 else ""
        return Failed(first.code, f"{where}{first.message}")
    failed = {failure.index for failure in failures}
    kept = [index for index in indexes if index not in failed]
    name, items = call.execution.step.shape.inputs[0], call.items
    fewer = {**call.inputs, name: [items[index] for index in kept]}
    return Filled(_given(call, fewer, parameters), kept, failures)


def parameters_of(node: ReadyNode, row: Row) -> NodeParameters | Failed:
    """A node's parameters with what its expressions came to, as its type takes them."""
    if isinstance(row, ExpressionError):
        where = f" (in {row.pointer})" if row.pointer else ""
        return Failed(row.code.lower(), f"{row.message}{where}")
    if node.stencil is not None:
        return node.stencil.cut(row)
    try:
        return node.type.Parameters.model_validate(node.compiled.filled(row))
    except ValidationError as error:
        found = violations_of(error)[0]
        return Failed("invalid_parameters", f"{found.pointer}: {found.message}")
