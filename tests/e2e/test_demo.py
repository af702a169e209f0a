"""`flowloom demo`, as `make demo` runs it: it starts a mesh of its own, tells all, and ends."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.embedded.processes import find
from cli.embedded.state import StateDirectory
from tests.support.state_directory import open_directory

__all__ = ["open_directory"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


async def demonstrate(state: Path) -> subprocess.CompletedProcess[str]:
    unwanted = ("FLOWLOOM_", "DATABASE_URL", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli.main", "demo"],
        env={**kept, "FLOWLOOM_STATE_DIR": str(state)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


async def test_what_it_made_is_kept_and_a_killed_mesh_does_not_hinder_it(
    open_directory: Path,
) -> None:
    state = StateDirectory(open_directory / "state")
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.tiny_mesh", str(state.path)),
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "TINY_JOURNAL": str(open_directory / "journal")},
    )
    async with asyncio.timeout(60):
        while not ((left := state.find_mesh()) and left.state == "ready"):
            await asyncio.sleep(0.05)
    killed.kill()
    await killed.wait()

    done = await demonstrate(state.path)
    engine_said = (state.path / "logs" / "engine.log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + engine_said
    assert "All of this is kept" in done.stdout
    assert "token --shell" in done.stdout
    assert "The endpoint received" in done.stdout
    assert (state.path / "account.json").exists()
    assert state.find_mesh() is None
    assert not any(find(process) for process in left.processes)


async def test_beside_another_mesh_it_says_that_nothing_is_kept(open_directory: Path) -> None:
    state = StateDirectory(open_directory / "state")
    with state.claim():
        done = await demonstrate(state.path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "temporary directory, which is gone now" in done.stdout
    assert "All of this is kept" not in done.stdout
    assert not (state.path / "account.json").exists()
