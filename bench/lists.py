"""`python -m bench.lists`: how long a page of runs takes where there are a million of them."""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from bench.chaos.storm import TENANTS, Field, prepared
from bench.table import Figure, show
from engine_service.store.run_rows import MODES, STATUSES, list_runs
from shared.pages import Page

_SIZE = 50
_TRIES = 7
_FILL = """
INSERT INTO engine.runs (id, tenant_id, workflow_id, version, mode, trigger, trigger_node_id,
  input, status, created_at, ended_at)
SELECT 'run_' || lpad(n::text, 26, '0'), CASE WHEN n % 10 = 0 THEN 'ten_few' ELSE :tenant END,
  'wf_' || lpad((n % 7)::text, 26, '0'), 1, CASE WHEN n % 1000 = 1 THEN 'test' ELSE 'live' END,
  'api', 'start', '{}',
  CASE WHEN n % 5000 = 3 THEN 'failed' WHEN n % 5000 = 4 THEN 'waiting' ELSE 'completed' END,
  now(), now()
FROM generate_series(1, :count) n
"""


async def measure(home: Path, count: int) -> list[Figure]:
    """Every filter, on so many runs."""
    async with prepared(home, seed=1) as scene:
        async with scene.worker.transaction() as connection:
            await connection.execute(text(_FILL), {"tenant": TENANTS[0], "count": count})
        times = {
            f"{workflow[-1:] or 'any'}/{status or 'any'}/{mode or 'any'}": await _time(
                scene, workflow, status, mode
            )
            for workflow in ("", f"wf_{3:026d}", f"wf_{9:026d}")
            for status in ("", *STATUSES)
            for mode in ("", *MODES)
        }
    worst = max(times, key=lambda asked: times[asked])
    middle = statistics.median(times.values())
    return [
        Figure(f"a page of {count:,} runs", f"{middle * 1000:.1f} ms", f"{len(times)} filters"),
        Figure("the slowest filter", f"{times[worst] * 1000:.1f} ms", worst),
    ]


async def _time(scene: Field, workflow: str, status: str, mode: str) -> float:
    """Seconds; the median of some tries."""
    tries: list[float] = []
    for _ in range(_TRIES):
        begun_at = time.perf_counter()
        async with scene.app.transaction(TENANTS[0]) as connection:
            await list_runs(connection, Page(_SIZE, None, ""), workflow, status, mode)
        tries.append(time.perf_counter() - begun_at)
    return statistics.median(tries)


async def main(count: int) -> None:
    """Print how long it takes."""
    with tempfile.TemporaryDirectory(prefix="flowloom-lists-", ignore_cleanup_errors=True) as made:
        show("Pages of runs", await measure(Path(made), count))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.lists")
    parser.add_argument("--runs", type=int, default=1_000_000)
    asyncio.run(main(parser.parse_args().runs))
