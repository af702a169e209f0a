"""What runs in a storm: small workflows of every kind, and what each must have done in the end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]

_BATCHES = 4


@dataclass(frozen=True, slots=True)
class Workload:
    """A definition, and what one of its runs comes to.

    Attributes:
        effects: The ends of the idempotency keys of its effects.
        finished: How many executions of nodes the journal must hold the end of.
        items: How many items a run is given; 0 for a workflow that only others call.
        calls: Of which workload it calls one run.
    """

    definition: Json
    effects: frozenset[str]
    finished: int
    items: int
    calls: str = ""


def workloads(url: str) -> dict[str, Workload]:
    """All of them, by name; their effects are requests to `url`."""
    chain = [_set("s1"), _call("a", url), _set("s2"), _call("b", url), _call("c", url)]
    loop = {"id": "loop", "type": "flow.loop", "parameters": {"batch_size": 1}}
    wait = {"id": "wait", "type": "flow.wait", "parameters": {"amount": 2, "unit": "seconds"}}
    called = _workload([_call("c", url)], _line("c"), {"c"}, 2, items=0, trigger="workflow")
    inner = {"definition": called.definition, "mode": "once"}
    call = {"id": "call", "type": "flow.call", "parameters": inner}
    ask = {"id": "ask", "type": "human.approval", "parameters": {"title": "Go on?"}}
    return {
        "effects": _workload(chain, _line("s1", "a", "s2", "b", "c"), {"a", "b", "c"}, 6),
        "limited": _workload([_call("a", url)], _line("a"), {"a"}, 2, concurrency=2),
        "loop": _workload(
            [loop, _call("a", url)],
            [
                *_line("loop"),
                {"from": "loop", "port": "loop", "to": "a"},
                {"from": "a", "to": "loop"},
            ],
            {f"a:{number}" for number in range(_BATCHES)},
            2 + _BATCHES,
            items=_BATCHES,
        ),
        "wait": _workload(
            [_call("a", url), wait, _call("b", url)], _line("a", "wait", "b"), {"a", "b"}, 4
        ),
        "approval": _workload(
            [_call("a", url), ask, _call("b", url)],
            [*_line("a", "ask"), {"from": "ask", "port": "approved", "to": "b"}],
            {"a", "b"},
            4,
        ),
        "called": called,
        "calling": replace(
            _workload(
                [_call("a", url), call, _call("b", url)], _line("a", "call", "b"), {"a", "b"}, 4
            ),
            calls="called",
        ),
    }


def _workload(
    nodes: Sequence[Json],
    connections: Sequence[Json],
    effects: set[str],
    finished: int,
    *,
    items: int = 1,
    trigger: str = "manual",
    **settings: Any,
) -> Workload:
    start = {"id": "start", "type": f"trigger.{trigger}"}
    named = [{"name": node["id"], **node} for node in (start, *nodes)]
    definition = {
        "name": "storm",
        "nodes": named,
        "connections": list(connections),
        "settings": settings,
    }
    return Workload(definition, frozenset(effects), finished, items)


def _line(*ids: str) -> list[Json]:
    return [
        {"from": before, "to": after} for before, after in zip(("start", *ids), ids, strict=False)
    ]


def _call(node_id: str, url: str) -> Json:
    body = {"kind": "json", "value": {"from": node_id}}
    parameters = {"method": "POST", "url": url, "body": body}
    settings = {"retry": {"max_attempts": 5}}
    return {"id": node_id, "type": "http.request", "parameters": parameters, "settings": settings}


def _set(node_id: str) -> Json:
    assignments = [{"name": node_id, "value": "{{ $run.id }}"}]
    return {"id": node_id, "type": "data.set", "parameters": {"assignments": assignments}}
