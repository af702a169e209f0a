"""How the cost of a run grows with its nodes and its items: the engine's own CPU time, not a clock.

CPU time is what the machine's other users disturb least. Two fits are printed: the share of the
spread that a straight line explains (R²), and the exponent of a power law, which is 1 where cost
grows linearly; it is fitted above the cost of the smallest run, which every run has.
"""

import math
import statistics
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from bench import workflows
from bench.load import send
from bench.mesh import Mesh
from bench.table import Figure

_NODES = (2, 8, 16, 32, 64, 128)
_ITEMS = (10, 250, 500, 1_000, 2_000, 4_000)
_RUNS = 40
_IN_FLIGHT = 4
_JSON = {"content-type": "application/json"}


async def measure(mesh: Mesh) -> list[Figure]:
    """Chains of more and more nodes, lists of more and more items."""

    async def chain(count: int) -> float:
        hook = await _hook(mesh, workflows.pure_nodes(f"chain-{count}", count))
        return await _cost(mesh, hook, b'{"amount": 250}')

    many = await _hook(mesh, workflows.many_items("growing"))

    async def items(count: int) -> float:
        return await _cost(mesh, many, orjson.dumps({"items": [{"n": n} for n in range(count)]}))

    return [
        await _growth("nodes", _NODES, chain),
        await _growth("items", _ITEMS, items),
    ]


async def _hook(mesh: Mesh, definition: dict[str, Any]) -> str:
    return await mesh.hook_url(await mesh.create_workflow(definition, activate=True))


async def _cost(mesh: Mesh, hook: str, body: bytes) -> float:
    """Seconds of the engine's CPU for one run; the least of three rounds."""

    async def some() -> float:
        before = _computed(mesh)
        await send(
            hook, requests=_RUNS, in_flight=_IN_FLIGHT, method="POST", headers=_JSON, body=body
        )
        return (_computed(mesh) - before) / _RUNS

    await some()
    return min([await some() for _ in range(3)])


def _computed(mesh: Mesh) -> float:
    times = [process.cpu_times() for process in mesh.processes()["engine"]]
    return sum(one.user + one.system for one in times)


async def _growth(
    what: str, sizes: Sequence[int], cost_of: Callable[[int], Awaitable[float]]
) -> Figure:
    costs = [await cost_of(size) for size in sizes]
    slope, base = statistics.linear_regression(sizes, costs)
    explained = statistics.correlation(sizes, costs) ** 2
    above = [(size, cost - base) for size, cost in zip(sizes, costs, strict=True) if cost > base]
    exponent, _ = statistics.linear_regression(
        [math.log(size) for size, _ in above[len(above) // 2 :]],
        [math.log(cost) for _, cost in above[len(above) // 2 :]],
    )
    shown = ", ".join(f"{size}: {cost * 1000:.1f}" for size, cost in zip(sizes, costs, strict=True))
    return Figure(
        f"the engine's CPU by {what}",
        f"{slope * 1e6:.1f} µs each",
        f"R² {explained:.4f}, exponent {exponent:.2f}; ms a run: {shown}",
    )
