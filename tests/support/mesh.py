"""The real mesh for end-to-end tests: three programs as processes, on free ports.

A test may kill, stop and add programs; whatever is left is ended afterwards. What they write goes
to a file each, whose end is shown when one of them does not come up.
"""

import asyncio
import base64
import os
import secrets
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from cli.health_probe import Probe, Verdict

_READY_SECONDS = 90.0
_LOOK_EVERY_SECONDS = 0.05
_DRAIN_SECONDS = 30.0
ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery staple"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(slots=True)
class Program:
    """One of the three programs, with the environment and the code it is started with."""

    module: str
    port: int
    environment: Mapping[str, str]
    log: Path
    code: Path = ROOT
    process: Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the process; it is not ready yet."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self.module),
                stdout=log,
                stderr=log,
                env={**self.environment, "PYTHONPATH": str(self.code)},
                cwd=self.code,
            )

    async def ready(self) -> None:
        """Wait until it says that it serves.

        Raises:
            AssertionError: It ended or took too long; with the end of its log.
        """
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not await self._serves():
                    assert self.running, f"{self.module} ended:\n{self.tail()}"
                    await asyncio.sleep(_LOOK_EVERY_SECONDS)
        except TimeoutError as error:
            raise AssertionError(f"{self.module} is not ready:\n{self.tail()}") from error

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        """End it the hard way, and see it gone."""
        self.send(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> int:
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), _DRAIN_SECONDS + 5)

    async def stop(self) -> None:
        """End it in good order."""
        if self.running:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            await self.ended()

    async def _serves(self) -> bool:
        if self.module == "gateway":
            async with httpx2.AsyncClient() as client:
                try:
                    return (await client.get(f"http://{self.address}/ready")).is_success
                except httpx2.TransportError:
                    return False
        verdict, _ = await Probe(self.address, connect_seconds=0.5).ask()
        return verdict is Verdict.SERVING


@dataclass(slots=True)
class Mesh:
    """A running mesh of one gateway, one agent and one or more engines."""

    gateway: Program
    agent: Program
    engines: list[Program]
    mesh_secret: str
    database_url: str
    _template: Mapping[str, str] = field(default_factory=dict[str, str])
    _folder: Path = Path()

    @property
    def url(self) -> str:
        return f"http://{self.gateway.address}"

    async def add_engine(self) -> Program:
        """One more replica on the same database; it is ready when this returns."""
        engine = _program("engine_service", self._template, self._folder, len(self.engines))
        engine.code = self.engines[0].code
        self.engines.append(engine)
        await engine.start()
        await engine.ready()
        return engine

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[httpx2.AsyncClient]:
        """A REST client signed in as somebody new, who is a tenant of their own."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=60) as client:
            email = f"{secrets.token_hex(8)}@example.com"
            answer = await client.post(
                "/auth/v1/signup", json={"email": email, "password": PASSWORD}
            )
            assert answer.is_success, answer.text
            client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
            yield client


@asynccontextmanager
async def running(
    folder: Path,
    database_url: str,
    redis_url: str,
    *,
    engines: int = 1,
    settings: Mapping[str, str] | None = None,
    code: Path = ROOT,
) -> AsyncGenerator[Mesh]:
    """Start a mesh, wait until all of it is ready, and stop it when the block ends.

    Args:
        folder: Where logs go.
        code: Where the programs' code is, when it is not this one.
        settings: Further environment variables for all programs.
    """
    mesh_secret = secrets.token_hex(32)
    template = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "MESH_SECRET": mesh_secret,
        "ENGINE_BLOB_URL": (folder / "blobs").as_uri(),
        "ENGINE_CREDENTIAL_KEYS": f"test:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        **_no_limits(),
        **(settings or {}),
    }
    first = _program("engine_service", template, folder, 0)
    agent = _program("agent_service", {**template, "ENGINE_ADDRESS": first.address}, folder, 0)
    gateway = _program(
        "gateway",
        {**template, "ENGINE_ADDRESS": first.address, "AGENT_ADDRESS": agent.address},
        folder,
        0,
    )
    mesh = Mesh(gateway, agent, [first], mesh_secret, database_url, template, folder)
    for program in (first, agent, gateway):
        program.code = code
    try:
        await asyncio.gather(*(one.start() for one in (first, agent, gateway)))
        await asyncio.gather(*(one.ready() for one in (first, agent, gateway)))
        for _ in range(engines - 1):
            await mesh.add_engine()
        yield mesh
    finally:
        for program in (mesh.gateway, mesh.agent, *mesh.engines):
            await program.stop()


def _no_limits() -> dict[str, str]:
    """Limits are on and out of the way; the tests of limits set their own."""
    names = ("PUBLIC", "LOGIN", "API", "CHAT", "RUN", "HOOK")
    return {f"GATEWAY_LIMIT_{name}": "1000000/s" for name in names}


_PORT_VARIABLE = {
    "gateway": "GATEWAY_PORT",
    "agent_service": "AGENT_PORT",
    "engine_service": "ENGINE_PORT",
}


def _program(module: str, template: Mapping[str, str], folder: Path, number: int) -> Program:
    port = free_port()
    environment = {**template, _PORT_VARIABLE[module]: str(port)}
    return Program(module, port, environment, folder / f"{module}-{number}.log")


def definition(nodes: list[dict[str, Any]], *edges: str, name: str = "Test") -> dict[str, Any]:
    """A workflow definition; an edge is written `from.port > to.input`, both parts optional."""
    connections: list[dict[str, Any]] = []
    for edge in edges:
        source, target = (part.strip().partition(".") for part in edge.split(">"))
        connections.append(
            {
                "from": source[0],
                "port": source[2] or "main",
                "to": target[0],
                "input": target[2] or "main",
            }
        )
    named = [{"name": node["id"], **node} for node in nodes]
    return {"name": name, "nodes": named, "connections": connections}
