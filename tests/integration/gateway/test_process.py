"""`python -m gateway`: it starts, serves, drains when told to, or says why it cannot start."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from google.protobuf.message import Message

from shared.pb.flowloom.engine.v1 import run_pb2, run_service_pb2
from tests.support.mesh import free_port
from tests.support.scripted_mesh import ScriptedMesh

SECONDS = 30


@asynccontextmanager
async def process(**environment: str) -> AsyncGenerator[Process]:
    """The program with nothing but the given environment."""
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway"), env={**path, **environment}, stderr=PIPE
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.communicate()


async def said(running: Process) -> tuple[int, str]:
    """How a process ended, and what it said."""
    _, told = await asyncio.wait_for(running.communicate(), SECONDS)
    return running.returncode or 0, told.decode()


def told_what_it_needs(
    mesh: ScriptedMesh, database: str, redis: str, port: int
) -> Mapping[str, str]:
    return {
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "AGENT_ADDRESS": mesh.address,
        "ENGINE_ADDRESS": mesh.address,
        "MESH_SECRET": "s" * 32,
        "GATEWAY_PORT": str(port),
    }


async def ready(client: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                if (await client.get("/ready")).is_success:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(0.05)


async def silent(_: Any) -> AsyncIterator[Message]:
    event = run_pb2.RunEvent(run_id="run_1", sequence=1, type="run.started")
    yield run_service_pb2.WatchRunResponse(events=[event])
    await asyncio.Event().wait()


async def test_it_drains_in_good_order(
    postgres_url: str, redis_url: str, mesh: ScriptedMesh
) -> None:
    mesh.on("WatchRun", silent)
    port = free_port()
    environment = told_what_it_needs(mesh, postgres_url, redis_url, port)
    url = f"http://127.0.0.1:{port}"
    async with process(**environment) as running, httpx2.AsyncClient(base_url=url) as client:
        await ready(client)
        who = {"email": "ada@example.com", "password": "a good password"}
        token = (await client.post("/auth/v1/signup", json=who)).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        chunks: list[bytes] = []
        async with client.stream("GET", "/v1/runs/run_1/events") as answer:
            async for chunk in answer.aiter_raw():
                chunks.append(chunk)
                if b"id: 1" in chunk:
                    running.send_signal(signal.SIGTERM)
        code, told = await said(running)
    assert b"".join(chunks).endswith(b"retry: 1000\n\n")
    assert code == 0, told
    assert '"event": "draining"' in told
    assert token not in told


@pytest.mark.parametrize(
    ("environment", "code", "reason"),
    [
        ({}, 2, "database_url"),
        ({"SUPABASE_JWT_SECRET": "short"}, 1, "shorter than 256 bits"),
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, 1, "database is away"),
    ],
)
async def test_what_it_cannot_start_with_is_told(
    postgres_url: str,
    redis_url: str,
    mesh: ScriptedMesh,
    environment: Mapping[str, str],
    code: int,
    reason: str,
) -> None:
    needed = told_what_it_needs(mesh, postgres_url, redis_url, free_port())
    async with process(**({**needed, **environment} if environment else {})) as running:
        ended, told = await said(running)
    assert ended == code, told
    assert reason in told
    assert not re.search("Traceback", told)
