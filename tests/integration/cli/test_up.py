"""The life of a mesh, held by a real process: start, readiness, death of a part, drain."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli.embedded.ports import free_port
from cli.embedded.processes import find
from cli.embedded.state import MeshRecord, StateDirectory

_SECONDS = 40


@dataclass(slots=True)
class Held:
    """A mesh of tiny services in a process of its own."""

    process: Process
    state: StateDirectory
    journal: Path

    async def reaches(self, state: str) -> MeshRecord:
        """Wait until `mesh.json` says so."""
        async with asyncio.timeout(_SECONDS):
            while True:
                mesh = self.state.find_mesh()
                if mesh and mesh.state == state and mesh.pid == self.process.pid:
                    return mesh
                assert self.process.returncode is None, await self.said()
                await asyncio.sleep(0.01)

    async def ends(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and all that was said."""
        async with asyncio.timeout(_SECONDS):
            said = await self.said()
            return await self.process.wait(), said

    async def said(self) -> str:
        assert self.process.stdout
        return (await self.process.stdout.read()).decode()

    def events(self) -> list[tuple[str, str]]:
        entries = map(json.loads, self.journal.read_text().splitlines())
        return [(entry["role"], entry["event"]) for entry in entries]


def names_of_logs(mesh: MeshRecord) -> set[str]:
    return {path.name for path in Path(mesh.logs).glob("*.log")}


Start = Callable[..., Coroutine[Any, Any, Held]]


@pytest.fixture
async def start(open_directory: Path) -> AsyncIterator[Start]:
    """Start meshes in one state directory; whatever still runs is ended afterwards."""
    started: list[Held] = []

    async def begin(environment: Mapping[str, str], *arguments: str) -> Held:
        journal = open_directory / "journal"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.tiny_mesh"),
            *(str(open_directory / "state"), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "TINY_JOURNAL": str(journal), **environment},
        )
        held = Held(process, StateDirectory(open_directory / "state"), journal)
        started.append(held)
        return held

    yield begin
    for held in started:
        if held.process.returncode is None:
            held.process.terminate()
        await held.ends()


@pytest.fixture
def given(postgres_url: str, redis_url: str) -> dict[str, str]:
    """Servers of the test's own: a mesh that is given some starts faster."""
    return {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url}


async def test_parts_drain_from_the_door_inwards(start: Start, given: dict[str, str]) -> None:
    held = await start(given, "2")
    mesh = await held.reaches("ready")
    assert [each.name for each in mesh.processes] == ["engine-1", "engine-2", "agent", "gateway"]
    held.process.send_signal(signal.SIGINT)
    code, said = await held.ends()
    assert code == 0, said
    assert mesh.gateway_url in said
    drained = [role for role, event in held.events() if event == "drained"]
    assert drained == ["gateway", "agent", "engine", "engine"]
    assert held.state.find_mesh() is None
    assert not any(find(process) for process in mesh.processes)


async def test_part_that_cannot_start_ends_the_mesh_with_its_last_words(
    start: Start, given: dict[str, str]
) -> None:
    held = await start(given | {"TINY_AGENT": "dies"})
    code, said = await held.ends()
    assert code == 1
    assert "agent ended with exit code 1" in said
    assert "the tiny service has a reason to die" in said


async def test_part_that_dies_later_ends_the_mesh_and_is_not_restarted(
    start: Start, given: dict[str, str]
) -> None:
    held = await start(given)
    mesh = await held.reaches("ready")
    engine = next(process for process in mesh.processes if process.name == "engine")
    os.kill(engine.pid, signal.SIGKILL)
    code, said = await held.ends()
    assert code == 1
    assert "engine ended by SIGKILL" in said
    assert [role for role, event in held.events() if event == "drained"] == ["gateway", "agent"]
    assert not any(find(process) for process in mesh.processes)


async def test_second_mesh_in_the_same_place_is_refused(
    start: Start, given: dict[str, str]
) -> None:
    first = await start(given)
    await first.reaches("ready")
    code, said = await (await start(given)).ends()
    assert code == 1
    assert f"process {first.process.pid}" in said
    assert first.state.is_held()


@pytest.mark.long
async def test_killed_mesh_leaves_nothing_that_hinders_the_next(start: Start) -> None:
    first = await start({})
    before = await first.reaches("ready")
    first.process.kill()
    await first.process.wait()
    assert all(find(process) for process in before.processes)
    second = await start({})
    after = await second.reaches("ready")
    assert after.database_url == before.database_url
    assert names_of_logs(after) == {f"{process.name}.log" for process in after.processes}
    kept = {process.name for process in before.processes if find(process)}
    assert kept == {"postgres", "valkey"}
    second.process.terminate()
    code, said = await second.ends()
    assert code == 0, said
    assert "left by a killed mesh" in said
    assert not any(find(process) for process in after.processes)


@pytest.mark.long
async def test_death_of_the_database_ends_the_mesh(start: Start) -> None:
    held = await start({})
    mesh = await held.reaches("ready")
    postgres = next(process for process in mesh.processes if process.name == "postgres")
    psutil.Process(postgres.pid).send_signal(signal.SIGQUIT)
    code, said = await held.ends()
    assert code == 1
    assert "postgres ended" in said


@pytest.mark.long
async def test_second_signal_does_not_wait(start: Start, given: dict[str, str]) -> None:
    held = await start(given | {"TINY_GATEWAY": "stubborn"})
    mesh = await held.reaches("ready")
    held.process.send_signal(signal.SIGINT)
    await held.reaches("draining")
    asked_at = time.monotonic()
    held.process.send_signal(signal.SIGINT)
    code, said = await held.ends()
    assert code == 0, said
    assert time.monotonic() - asked_at < 6  # a stubborn part is otherwise waited for 8 seconds
    assert not any(find(process) for process in mesh.processes)


@pytest.mark.long
async def test_servers_that_are_away_are_named_at_once_and_end_the_start(start: Start) -> None:
    gone = f"127.0.0.1:{free_port()}"
    held = await start(
        {
            "DATABASE_URL": f"postgres://me:hush@{gone}/data",
            "REDIS_URL": f"redis://:hush@{gone}/0",
        }
    )
    assert held.process.stdout
    async with asyncio.timeout(_SECONDS):
        first = (await held.process.stdout.readline()).decode()
    assert first.startswith(f"Waiting for {gone}")
    code, said = await held.ends()
    assert code == 1
    assert "Mend or unset" in said
    assert "hush" not in said
    assert held.state.find_mesh() is None


async def test_an_address_that_is_none_is_not_waited_for(
    start: Start, given: dict[str, str]
) -> None:
    held = await start(given | {"DATABASE_URL": "mysql://me:hush@127.0.0.1/data"})
    code, said = await held.ends()
    assert code == 1
    assert "DATABASE_URL is no address of a PostgreSQL" in said
    assert "which" not in said
    assert "hush" not in said


async def test_ctrl_c_ends_the_waiting(start: Start, given: dict[str, str]) -> None:
    held = await start(given | {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})
    assert held.process.stdout
    async with asyncio.timeout(_SECONDS):
        await held.process.stdout.readline()
    held.process.send_signal(signal.SIGINT)
    code, said = await held.ends()
    assert code == 0, said


@pytest.mark.long
async def test_a_scheme_that_providers_use_is_understood(
    start: Start, given: dict[str, str]
) -> None:
    url = given["DATABASE_URL"].replace("postgresql://", "postgres://")
    held = await start(given | {"DATABASE_URL": url})
    await held.reaches("ready")


async def test_taken_port_is_named_with_its_holder(start: Start, given: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        code, said = await (await start(given | {"TINY_PORT": str(port)})).ends()
    assert code == 1
    assert f"Port {port} is taken by" in said
    assert f"(process {os.getpid()})" in said
    assert "--port" in said
