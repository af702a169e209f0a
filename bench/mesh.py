"""The mesh under measurement: `flowloom up` in a directory of its own, and a signed-in client."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

_START_SECONDS = 180
_STOP_SECONDS = 40
_GENEROUS_LIMIT = "1000000/s"


@dataclass(frozen=True, slots=True)
class Mesh:
    """A running mesh.

    Attributes:
        ready_after: Seconds from the command to the ready gateway.
        client: Signed in, with the gateway as its base.
    """

    url: str
    pid: int
    ready_after: float
    client: httpx2.AsyncClient
    record: Mapping[str, Any]

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Every process of the mesh by the part it belongs to, the command itself included."""
        named = {one["name"]: psutil.Process(one["pid"]) for one in self.record["processes"]}
        named["flowloom up"] = psutil.Process(self.pid)
        children = {"flowloom up": [named["flowloom up"]]}
        for name, process in named.items():
            if name != "flowloom up":
                children[name] = [process, *process.children(recursive=True)]
        return children

    async def create_workflow(self, definition: dict[str, Any], *, activate: bool = False) -> str:
        """Store a workflow, maybe turn its triggers on; its id."""
        answer = await self.client.post("/v1/workflows", json={"definition": definition})
        answer.raise_for_status()
        workflow_id = answer.json()["id"]
        if activate:
            activated = await self.client.post(f"/v1/workflows/{workflow_id}:activate", json={})
            activated.raise_for_status()
        return workflow_id

    async def hook_url(self, workflow_id: str) -> str:
        """Where the workflow's webhook listens."""
        answer = await self.client.get("/v1/triggers", params={"workflow_id": workflow_id})
        answer.raise_for_status()
        return f"{self.url}/v1/hooks/{answer.json()['triggers'][0]['path']}"


@asynccontextmanager
async def running(
    state: Path | None = None,
    *,
    allowed_hosts: str = "",
    engines: int = 1,
    program: Sequence[str] = ("-m", "cli.main", "up"),
    environment: Mapping[str, str] | None = None,
) -> AsyncGenerator[Mesh]:
    """Start a mesh, sign somebody up, and stop the mesh when the block ends.

    Args:
        state: Where it keeps its state; a new directory, removed afterwards, when absent.
        allowed_hosts: Hosts below the SSRF guard's notice, such as `127.0.0.1:8123`.
        engines: How many replicas of the engine.
        program: What starts it, for Python.
        environment: Told to it besides.
    """
    with tempfile.TemporaryDirectory(prefix="flowloom-bench-", ignore_cleanup_errors=True) as made:
        folder = state or Path(made) / "state"
        begun_at = time.perf_counter()
        command = [
            *(sys.executable, *program),
            *("--state-dir", str(folder), "--port", "0", "--engines", str(engines)),
        ]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.DEVNULL,
            env={
                **os.environ,
                "ENGINE_ALLOWED_HOSTS": allowed_hosts,
                **_limits(),
                **(environment or {}),
            },
        )
        try:
            record = await _ready(folder, process)
            ready_after = time.perf_counter() - begun_at
            async with httpx2.AsyncClient(base_url=record["gateway_url"], timeout=60) as client:
                client.headers["authorization"] = f"Bearer {await _sign_up(client)}"
                yield Mesh(record["gateway_url"], process.pid, ready_after, client, record)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)


def _limits() -> dict[str, str]:
    """Limits so wide that they are checked at every request and never reached."""
    names = ("PUBLIC", "LOGIN", "API", "CHAT", "RUN", "HOOK")
    return {f"GATEWAY_LIMIT_{name}": _GENEROUS_LIMIT for name in names}


async def _ready(folder: Path, process: asyncio.subprocess.Process) -> dict[str, Any]:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            record = folder / "mesh.json"
            if record.exists():
                content: dict[str, Any] = json.loads(record.read_text())
                if content["state"] == "ready":
                    return content
            if process.returncode is not None:
                raise RuntimeError(f"flowloom up ended with exit code {process.returncode}")
            await asyncio.sleep(0.01)


async def _sign_up(client: httpx2.AsyncClient) -> str:
    answer = await client.post(
        "/auth/v1/signup",
        json={"email": f"bench-{time.time_ns()}@example.com", "password": "correct horse battery"},
    )
    answer.raise_for_status()
    return answer.json()["access_token"]
