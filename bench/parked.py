"""`python -m bench.parked`: what ten thousand runs that wait cost an engine, and its next start."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.chaos.storm import TENANTS, Field, prepared, save
from bench.chaos.workloads import Workload
from bench.table import Figure, show
from engine_service.store.runs import NewRun, insert_runs
from shared.ids import new_id

_MANY = 10_000
_FEW = 400
_BATCH = 500
_STARTS = 3
_MIB = 1024 * 1024


async def measure(home: Path) -> list[Figure]:
    """Park approvals, then timers, and start again."""
    async with prepared(home, seed=1, runs=200) as scene:
        ask = await save(scene.app, _one("human.approval", title="Go on?"))
        wait = await save(scene.app, _one("flow.wait", amount=30, unit="days"))
        pid, empty_start = await _start(scene)
        await _park(scene, ask, _FEW)
        before = _memory(pid)
        figures = [Figure("memory with a few parked", f"{before:.0f} MiB")]
        for what, workflow in (("approvals", ask), ("timers", wait)):
            seconds = await _park(scene, workflow, _MANY)
            more = f"+{_memory(pid) - before:.1f} MiB"
            figures.append(Figure(f"{_MANY} {what} more", more, f"parked in {seconds:.0f} s"))
        scene.engines.kill(pid)
        starts: list[float] = []
        for _ in range(_STARTS):
            pid, seconds = await _start(scene)
            starts.append(seconds)
            scene.engines.kill(pid)
        detail = f"with none: {empty_start:.1f} s, loading its code included"
        return [*figures, Figure("start with all of them parked", f"{min(starts):.2f} s", detail)]


def _one(kind: str, **parameters: Any) -> Workload:
    nodes = [
        {"id": "start", "name": "Start", "type": "trigger.manual"},
        {"id": "wait", "name": "Wait", "type": kind, "parameters": parameters},
    ]
    definition = {"name": "w", "nodes": nodes, "connections": [{"from": "start", "to": "wait"}]}
    return Workload(definition, frozenset(), 1, 1)


async def _start(scene: Field) -> tuple[int, float]:
    begun_at = time.perf_counter()
    pid = await scene.engines.start()
    await scene.engines.serving()
    return pid, time.perf_counter() - begun_at


async def _park(scene: Field, workflow_id: str, count: int) -> float:
    """Let so many runs begin, and wait until they do nothing but wait; how long that took."""
    begun_at = time.perf_counter()
    ((parked,),) = await scene.rows(_PARKED)
    for first in range(0, count, _BATCH):
        runs = [_run(workflow_id) for _ in range(min(_BATCH, count - first))]
        async with scene.worker.transaction() as connection:
            await insert_runs(connection, runs)
    wanted = parked + count
    while parked < wanted:
        await asyncio.sleep(0.2)
        ((parked,),) = await scene.rows(_PARKED)
    return time.perf_counter() - begun_at


_PARKED = "SELECT count(*) FROM engine.runs WHERE status = 'waiting'"


def _run(workflow_id: str) -> NewRun:
    place = (TENANTS[0], workflow_id, 1, "live", "api", "start", "{}")
    return NewRun(new_id("run"), *place, datetime.now(UTC))


def _memory(pid: int) -> float:
    process = psutil.Process(pid)
    every = [process, *process.children(recursive=True)]
    return sum(one.memory_info().rss for one in every) / _MIB


async def main() -> None:
    """Measure once."""
    with tempfile.TemporaryDirectory(prefix="flowloom-parked-", ignore_cleanup_errors=True) as made:
        show("Runs that wait", await measure(Path(made)))


if __name__ == "__main__":
    asyncio.run(main())
