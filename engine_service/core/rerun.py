"""PURE. What a run from one node on keeps of the run that it repeats.

Kept is every execution that has ended, unless it lies downstream of the node: so what came before,
what stands beside it, and the answers that people gave. In loops the batches stay as they were, and
with them, if an iteration is named, all iterations before it; the body from the node on, and what
follows the loop, run again.

With another definition, what has changed since cannot be kept, nor what lies behind it. If that
takes away something the node itself builds on, the new run would not be one *from that node on*, so
it is refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine_service.core.circles import is_loop_level
from engine_service.core.events import Iteration, Key
from engine_service.core.flow import LOOP, Flow, Step
from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class Plan:
    """What is kept, or why nothing can be.

    Attributes:
        kept: Executions to copy.
        changed: Ids of nodes before the node that are not what they were.
    """

    kept: Sequence[Key]
    changed: Sequence[str] = ()


def plan(old: Flow, new: Flow, ended: Iterable[Key], node_id: str, start: Iteration = ()) -> Plan:
    """What a run from a node on keeps.

    Args:
        old: The flow of the run that is repeated.
        new: The flow of the new run; it has the node.
        ended: The executions of the old run that have results.
        node_id: From where on everything runs again.
        start: From which iteration of the loops around the node on; () for the first one.
    """
    again = downstream(new, [node_id])
    changed = [one for one in new.steps if one not in again and _differs(old, new, one)]
    behind = downstream(new, changed)
    if node_id in behind:
        return Plan((), [one for one in changed if node_id in downstream(new, [one])])
    nest = new.steps[node_id].nest
    kept: list[Key] = []
    for key in ended:
        step = new.steps.get(key[0])
        if step is None or step.id in behind or step.id not in old.steps:
            continue
        if step.id not in again or _is_before(step, nest, key[1], start):
            kept.append(key)
    return Plan(kept)


def downstream(flow: Flow, starts: Iterable[str]) -> set[str]:
    """The nodes and all that depends on them; what follows a loop depends on its body."""
    seen = {start for start in starts if start in flow.steps}
    waiting = [flow.steps[one] for one in seen]
    while waiting:
        step = waiting.pop()
        for target in _dependants(flow, step):
            if target.id not in seen:
                seen.add(target.id)
                waiting.append(target)
    return seen


def _dependants(flow: Flow, step: Step) -> Iterable[Step]:
    yield from (edge.target for edge in step.edges if not edge.feeds_back)
    for loop in filter(is_loop_level, step.nest):
        yield from (edge.target for edge in flow.steps[loop].edges if edge.port != LOOP)


def _is_before(step: Step, nest: Sequence[str], iteration: Iteration, start: Iteration) -> bool:
    """Whether an execution belongs to an iteration before the one that runs again."""
    common = 0
    while common < min(len(nest), len(step.nest)) and nest[common] == step.nest[common]:
        common += 1
    return iteration[:common] < start[:common]


def _differs(old: Flow, new: Flow, node_id: str) -> bool:
    """Whether a node's results may not be what they would be now."""
    before, now = old.steps.get(node_id), new.steps[node_id]
    return before is None or _essence(before) != _essence(now)


def _essence(step: Step) -> JsonObject:
    """What a node's results depend on."""
    node, settings = step.node, step.node.settings
    return {
        "type": (node.type, node.version, node.disabled),
        "parameters": node.parameters,
        "credentials": node.credentials,
        "settings": (settings.on_error, settings.always_output, settings.execute_once),
        "nest": step.nest,
        "sources": [
            (edge.source.id, edge.port, edge.input) for edge in step.sources if not edge.feeds_back
        ],
    }
