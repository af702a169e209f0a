"""Worker processes and their engine: they end when it does, however it ends."""

import asyncio
import sys
from pathlib import Path

import pytest

_ENGINE = """
import asyncio, sys
from engine_service.v8.pool import Limits, WorkerPool

async def main():
    pool = WorkerPool(lambda: "0", size=1)
    await pool.evaluate(b"1", Limits(30.0, 64))
    print(*pool.worker_ids, flush=True)
    await pool.evaluate(sys.argv[1].encode(), Limits(30.0, 64))
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("script", ["1", "for (;;);", "'x'.repeat(1 << 24)"])
async def test_workers_of_a_killed_engine_end(script: str) -> None:
    engine = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ENGINE, script), stdout=asyncio.subprocess.PIPE
    )
    assert engine.stdout is not None
    worker = Path("/proc") / (await engine.stdout.readline()).decode().strip()
    assert worker.is_dir()
    engine.kill()
    await engine.wait()
    async with asyncio.timeout(10):
        while worker.exists():
            await asyncio.sleep(0.01)
