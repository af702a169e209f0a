"""`flowloom backup` under load, and `flowloom restore`: what ran goes on, under the same keys."""

import asyncio
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bench.chaos.effects import counting
from bench.mesh import Mesh, running
from bench.workflows import chain
from tests.support.state_directory import open_directory

__all__ = ["open_directory"]

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 20
# Tokens are bound to the address under which people find the gateway; the port is another later.
SETTINGS = {"GATEWAY_PUBLIC_URL": "http://flowloom.example"}


def as_told(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What docs/operations.md says, word for word, for the mesh that is in `.flowloom` there."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (line,) = re.findall(rf"^(flowloom {command} .*)$", page, re.MULTILINE)
    unwanted = ("DATABASE_URL", "REDIS_URL", "FLOWLOOM_STATE_DIR")
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *line.split()[1:]],
        env={**kept, "PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def slow(url: str) -> dict[str, Any]:
    """Two effects and a wait between, in which a backup may be made; a file in the end."""
    call = {"type": "http.request", "parameters": {"method": "POST", "url": url}}
    pause = {"type": "flow.wait", "parameters": {"amount": 3, "unit": "seconds"}}
    write = {"operation": "write", "format": "json", "file_name": "kept.json"}
    return chain(
        "slow",
        [
            {"id": "start", "type": "trigger.manual"},
            {"id": "first", **call},
            {"id": "wait", **pause},
            {"id": "second", **call},
            {"id": "file", "type": "data.file", "parameters": write},
        ],
    )


async def keep_starting(mesh: Mesh, workflow_id: str, runs: set[str], over: asyncio.Event) -> None:
    while not over.is_set():
        answer = await mesh.client.post(f"/v1/workflows/{workflow_id}:run", json={})
        answer.raise_for_status()
        runs.add(answer.json()["id"])
        await asyncio.sleep(0.05)


async def a_file(client: httpx2.AsyncClient, run_id: str) -> str:
    """The path of the file that a run has made, as soon as it has ended."""
    async with asyncio.timeout(60):
        while not (run := (await client.get(f"/v1/runs/{run_id}")).json())["end_time"]:
            await asyncio.sleep(0.1)
    assert run["status"] == "completed", run["error"]
    return f"/v1/runs/{run_id}/files/{run['output'][0]['binary']['data']['id']}"


async def all_runs(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        answer = await client.get("/v1/runs", params={"page_size": "100", "page_token": token})
        page = answer.raise_for_status().json()
        found += page["runs"]
        if not (token := page["next_page_token"]):
            return found


async def all_ended(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """All runs, as soon as they have come to their ends."""
    async with asyncio.timeout(120):
        while not all(run["end_time"] for run in await all_runs(client)):
            await asyncio.sleep(0.2)
    runs = await all_runs(client)
    assert {run["status"] for run in runs} == {"completed"}
    return runs


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_backup_made_under_load_goes_on_where_it_was_made(open_directory: Path) -> None:
    before, after = open_directory / ".flowloom", open_directory / "restored"
    runs: set[str] = set()
    async with counting() as effects:
        async with running(before, allowed_hosts=effects.authority, environment=SETTINGS) as mesh:
            authorization = mesh.client.headers["authorization"]
            definition = slow(f"http://{effects.authority}/effect")
            workflow_id = await mesh.create_workflow(definition)
            over = asyncio.Event()
            async with asyncio.TaskGroup() as load:
                for _ in range(2):
                    load.create_task(keep_starting(mesh, workflow_id, runs, over))
                while len(runs) < AT_ONCE:
                    await asyncio.sleep(0.05)
                file = await a_file(mesh.client, min(runs))
                content = (await mesh.client.get(file)).raise_for_status().content
                made = await asyncio.to_thread(as_told, "backup", open_directory)
                over.set()
            assert made.returncode == 0, made.stderr
        restored_at = datetime.now(UTC)
        restored = await asyncio.to_thread(as_told, "restore", open_directory)
        assert restored.returncode == 0, restored.stderr
        async with running(after, allowed_hosts=effects.authority, environment=SETTINGS) as mesh:
            mesh.client.headers["authorization"] = authorization
            assert (await mesh.client.get(file)).content == content
            ended = await all_ended(mesh.client)
    found = {run["id"] for run in ended}
    # The backup was made under load, so some runs were under way in it.
    assert any(datetime.fromisoformat(run["end_time"]) > restored_at for run in ended)
    assert found <= runs
    # What came after the backup was done too, and whatever was done again had its old key.
    assert {f"{run_id}:{node}" for run_id in found for node in ("first", "second")} <= set(
        effects.requests
    )
    assert {key.partition(":")[0] for key in effects.requests} <= runs
    assert effects.keyless == 0
