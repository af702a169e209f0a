"""Fills parameters: plain paths at once, everything else in ONE call into V8 for all items.

V8 runs in worker processes (`engine_service/v8/pool.py`): some of its loops cannot be
interrupted and some allocations end the process, and neither may touch the engine. A worker starts
with the first expression that needs one and ends when it is idle.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from engine_service.expressions.assets import expression_realm
from engine_service.expressions.facts import Facts
from engine_service.expressions.failure import FAILED, MEMORY, TIMEOUT, ExpressionError
from engine_service.expressions.names import INPUT_NAMES
from engine_service.expressions.parameters import (
    ABSENT,
    CompiledParameters,
    Outcome,
    Row,
    Slot,
    value_of,
)
from engine_service.expressions.scope import Json, Scope
from engine_service.expressions.wire import from_json, to_json
from engine_service.v8.pool import EvaluationStopped, Limits, Stop, WorkerPool

_AT_ONCE = 500
"""For how many items parameters are filled before others have their turn."""


class Evaluator:
    """Evaluates the expressions of an engine process. Must be closed."""

    def __init__(
        self,
        *,
        timeout: float = 1.0,
        memory_mb: int = 64,
        workers: int = 2,
        idle_seconds: float = 60.0,
    ) -> None:
        self._limits = Limits(timeout, memory_mb)
        self._pool = WorkerPool(expression_realm, size=workers, idle_seconds=idle_seconds)

    async def resolve(
        self, compiled: CompiledParameters, scope: Scope, indexes: Sequence[int] | None = None
    ) -> list[Json]:
        """Fill the parameters: one entry for each index (see `CompiledParameters.indexes`).

        Raises:
            ExpressionError: Of the first item for which some expression has no value.
            Unavailable: No worker could be started.
        """
        return [value_of(outcome) for outcome in await self.resolve_each(compiled, scope, indexes)]

    async def resolve_each(
        self, compiled: CompiledParameters, scope: Scope, indexes: Sequence[int] | None = None
    ) -> list[Outcome]:
        """Like `resolve`, but an item that fails has its `ExpressionError` in its place."""
        rows = await self.rows(compiled, scope, indexes)
        return [compiled.filled(row) for row in rows]

    async def rows(
        self, compiled: CompiledParameters, scope: Scope, indexes: Sequence[int] | None = None
    ) -> list[Row]:
        """What the expressions came to, for each index."""
        chosen = compiled.indexes(scope) if indexes is None else indexes
        columns = await self._columns(compiled.slots, scope, chosen) if chosen else []
        if len(chosen) <= _AT_ONCE:
            return compiled.rows(columns, scope, chosen)
        rows: list[Row] = []
        for start in range(0, len(chosen), _AT_ONCE):
            end = start + _AT_ONCE
            part = [
                column if not column or len(column) == 1 else column[start:end]
                for column in columns
            ]
            rows += compiled.rows(part, scope, chosen[start:end])
            await asyncio.sleep(0)  # other runs have their turn, and claims are kept
        return rows

    @property
    def worker_ids(self) -> list[int]:
        """The process ids of living workers."""
        return self._pool.worker_ids

    async def close(self) -> None:
        """End the workers."""
        await self._pool.close()

    async def _columns(
        self, slots: Sequence[Slot], scope: Scope, indexes: Sequence[int]
    ) -> list[Sequence[Outcome] | None]:
        """What V8 makes of each slot; None for those that do not need it."""
        wanted = [at for at, slot in enumerate(slots) if _needs_v8(slot)]
        columns: list[Sequence[Outcome] | None] = [None] * len(slots)
        if wanted:
            batch = [slots[at] for at in wanted]
            try:
                answers = await self._call(batch, scope, indexes)
            except EvaluationStopped as stopped:
                answers = [[_stopped(stopped)] for _ in batch]
            except RecursionError:
                deep = "An expression of this node gave something nested too deeply"
                answers = [[ExpressionError(deep, code=FAILED)] for _ in batch]
            for at, answer in zip(wanted, answers, strict=True):
                columns[at] = answer
        return columns

    async def _call(
        self, slots: Sequence[Slot], scope: Scope, indexes: Sequence[int]
    ) -> list[list[Outcome]]:
        request = {
            "scope": payload([slot.expression.facts for slot in slots], scope),
            "slots": [_slot(slot) for slot in slots],
            "indexes": list(indexes),
        }
        script = b"flowloom(" + to_json(to_json(request).decode()) + b")"
        answer = from_json(await self._pool.evaluate(script, self._limits))
        return [[_outcome(cell) for cell in column] for column in answer]


def payload(facts: Sequence[Facts], scope: Scope) -> dict[str, Any]:
    """The data that these sources touch, and no more, as the realm wants it."""
    names = set[str]().union(*(fact.names | fact.seen for fact in facts))
    known = {
        "$run": ("run", scope.run),
        "$execution": ("run", scope.run),
        "$runIndex": ("run", scope.run),
        "$thisRunIndex": ("run", scope.run),
        "$executionId": ("run", scope.run),
        "$mode": ("run", scope.run),
        "$workflow": ("workflow", scope.workflow),
        "$vars": ("vars", scope.variables),
        "$env": ("env", scope.env),
        "$parameter": ("node", scope.node),
        "$rawParameter": ("node", scope.node),
        "$nodeId": ("node", scope.node),
        "$nodeVersion": ("node", scope.node),
        "$prevNode": ("previous", scope.previous),
        "$input": ("previous", scope.previous),
    }
    unknown = set[str]().union(*(fact.unknown for fact in facts))
    return {
        "now": int(scope.now.timestamp() * 1000),
        "zone": scope.zone,
        "items": scope.items if names & INPUT_NAMES or names & {"item", "items"} else [],
        "nodes": _nodes(facts, scope),
        "extra": {name: scope.extra[name] for name in unknown if name in scope.extra},
        **dict(known[name] for name in names if name in known),
    }


def _nodes(facts: Sequence[Facts], scope: Scope) -> dict[str, Any]:
    mentioned = set[str]().union(*(fact.nodes for fact in facts))
    if any(fact.dynamic_nodes for fact in facts):
        mentioned = set(scope.nodes)
    pairs = any(fact.pairs_items for fact in facts)
    found: dict[str, Any] = {
        name: {
            "runs": scope.runs_of(name),
            "port": scope.port_of(name),
            "pairs": scope.pairs.get(name) if pairs else None,
        }
        for name in mentioned
        if name in scope.nodes
    }
    if any(fact.asks_for_parameters for fact in facts):
        mentioned |= {str(about.get("name")) for about in (scope.node, scope.previous)}
        for name in mentioned & scope.parameters.keys():
            found.setdefault(name, {})["params"] = scope.parameters[name]
    return found


def _needs_v8(slot: Slot) -> bool:
    return slot.expression.path is None and slot.expression.problem is None


def _slot(slot: Slot) -> dict[str, Any]:
    facts = slot.expression.facts
    return {
        "source": slot.expression.javascript,
        "per_item": facts.differs_by_item,
        "owns": facts.changes_data,
        "gap": slot.gap,
    }


def _outcome(cell: dict[str, Any]) -> Outcome:
    if "e" in cell:
        code, message = cell["e"]
        return ExpressionError(message, code=code)
    return cell.get("v", ABSENT)


def _stopped(stopped: EvaluationStopped) -> ExpressionError:
    match stopped.why:
        case Stop.TIMEOUT:
            return ExpressionError("The expressions of this node took too long", code=TIMEOUT)
        case Stop.MEMORY | Stop.DEATH:
            return ExpressionError("The expressions of this node took too much memory", code=MEMORY)
        case Stop.SCRIPT:
            said, *_ = stopped.message.splitlines() or ["The expressions cannot be evaluated"]
            return ExpressionError(said, code=FAILED)
