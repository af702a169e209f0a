"""A turn survives the death of its process: nothing is missing afterwards, and nothing is twice."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from cli.health_probe import Probe, Verdict
from tests.integration.agent_service.conftest import ALICE, MESH_SECRET, client_of
from tests.support.fake_engine import FakeEngine

WISH = (
    "every weekday at 9 fetch https://api.example.com/news and POST it to https://h.example.com/x"
)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def _process(postgres_url: str, engine_address: str, port: int) -> AsyncGenerator[Process]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
        "DATABASE_URL": postgres_url,
        "MESH_SECRET": MESH_SECRET,
        "ENGINE_ADDRESS": engine_address,
        "AGENT_PORT": str(port),
        "AGENT_LEASE_SECONDS": "1",
        "DRAIN_SECONDS": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent_service", env=environment
    )
    try:
        await _until_serving(process, port)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _until_serving(process: Process, port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            assert process.returncode is None, "the agent ended"
            verdict, _ = await Probe(f"127.0.0.1:{port}").ask()
            if verdict is Verdict.SERVING:
                return


async def test_a_killed_process_loses_nothing_and_doubles_nothing(
    postgres_url: str, engine_address: str, engine: FakeEngine
) -> None:
    port, other = _free_port(), _free_port()
    with engine.intercept("SimulateWorkflow") as watched:
        watched.gate = asyncio.Event()
        async with _process(postgres_url, engine_address, port) as first:
            channel, client = client_of(f"127.0.0.1:{port}", ALICE)
            session = await client.new_session()
            talking = asyncio.create_task(client.say(session, WISH))
            await watched.called.wait()
            first.send_signal(signal.SIGKILL)
            await first.wait()
            with pytest.raises(Exception, match=r"reachable|away|answer"):
                await talking
            await channel.close()
        watched.gate.set()
        async with _process(postgres_url, engine_address, other):
            channel, client = client_of(f"127.0.0.1:{other}", ALICE)
            heard = await client.watch(session)
            await channel.close()
    assert heard.end["outcome"] == "delivered"
    assert heard.sequences == list(range(1, len(heard.events) + 1))
    assert heard.stages == ["understand", "plan", "draft", "check", "try", "deliver"]
    once = [kind for kind in heard.types if kind != "stage.changed"]
    assert len(once) == len(set(once))
    mine = engine.workflows["tenant-a"].values()
    assert [one.id for one in mine if one.id == heard.end["workflow"]["id"]]


@pytest.mark.long
async def test_a_workflow_that_was_created_right_before_the_kill_is_not_created_again(
    postgres_url: str, engine_address: str, engine: FakeEngine
) -> None:
    """The worst moment: the engine has stored it, and the agent dies before it knows."""
    port, other = _free_port(), _free_port()
    known = set(engine.workflows["tenant-a"])
    with engine.intercept("CreateWorkflow") as watched:
        watched.gate = asyncio.Event()
        watched.works_first = True
        async with _process(postgres_url, engine_address, port) as first:
            channel, client = client_of(f"127.0.0.1:{port}", ALICE)
            session = await client.new_session()
            talking = asyncio.create_task(client.say(session, WISH))
            await watched.called.wait()
            first.send_signal(signal.SIGKILL)
            await first.wait()
            with pytest.raises(Exception, match=r"reachable|away|answer"):
                await talking
            await channel.close()
        watched.gate.set()
        async with _process(postgres_url, engine_address, other):
            channel, client = client_of(f"127.0.0.1:{other}", ALICE)
            heard = await client.watch(session)
            await channel.close()
    (created,) = set(engine.workflows["tenant-a"]) - known
    assert heard.end["workflow"]["id"] == created


@pytest.mark.long
async def test_a_stopped_process_hands_its_turn_over_at_once(
    postgres_url: str, engine_address: str, engine: FakeEngine
) -> None:
    port, other = _free_port(), _free_port()
    with engine.intercept("ValidateWorkflow") as watched:
        watched.gate = asyncio.Event()
        async with (
            _process(postgres_url, engine_address, port) as first,
            _process(postgres_url, engine_address, other),
        ):
            channel, client = client_of(f"127.0.0.1:{port}", ALICE)
            session = await client.new_session()
            talking = asyncio.create_task(client.say(session, WISH))
            await watched.called.wait()
            first.send_signal(signal.SIGTERM)
            assert await first.wait() == 0
            await asyncio.wait([talking])
            talking.exception()
            await channel.close()
            watched.gate.set()
            channel, client = client_of(f"127.0.0.1:{other}", ALICE)
            heard = await client.watch(session)
            await channel.close()
    assert heard.end["outcome"] == "delivered"
    assert heard.sequences == list(range(1, len(heard.events) + 1))
