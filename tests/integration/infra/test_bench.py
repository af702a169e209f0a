"""The benches run and print their tables; what the figures are is no matter here."""

import asyncio
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


async def printed(*arguments: str) -> str:
    command = (sys.executable, *arguments)
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=1700, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_make_bench_prints_speed_and_memory() -> None:
    table = await printed("-m", "bench", "--requests", "40")
    assert "runs/s" in table
    assert "MiB" in table
    assert " 0 refused" in table


async def test_what_the_capacity_guide_reckons_with_can_be_measured() -> None:
    table = await printed("-m", "bench.capacity", "--requests", "100")
    for load in ("10 runs/s", "100 runs/s", "1,000 runs/s", "10,000 runs/s"):
        assert load in table
    assert "KiB on disk" in table
