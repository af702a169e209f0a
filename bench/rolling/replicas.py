"""Two of each service, as processes on fixed ports, with PostgreSQL and Valkey beneath them."""

import asyncio
import os
import secrets
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from cli.embedded.ports import LOOPBACK, free_port
from cli.embedded.postgres import EmbeddedPostgres
from cli.embedded.valkey import EmbeddedValkey
from cli.health_probe import Probe, Verdict

ORDER = ("engine_service", "agent_service", "gateway")
"""In which services are restarted: what is called before who calls."""
_PREFIX = {"engine_service": "ENGINE", "agent_service": "AGENT", "gateway": "GATEWAY"}
_REPLICAS = 2
_LOOK_SECONDS = 0.05
_READY_SECONDS = 120.0
_END_SECONDS = 40.0
_LIMITS = ("PUBLIC", "LOGIN", "API", "CHAT", "RUN", "HOOK")


class NotServing(Exception):
    """A replica did not come up; the message ends with its log."""


@dataclass(slots=True)
class Replica:
    """One process of one service."""

    module: str
    port: int
    log: Path
    environment: Mapping[str, str]
    process: Process | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    async def start(self) -> float:
        """Start it and wait until it is ready; how long that took.

        Raises:
            NotServing: It ended, or takes too long.
        """
        begun_at = time.monotonic()
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self.module), stdout=log, stderr=log, env=self.environment
            )
        while not await self._serves():
            late = time.monotonic() - begun_at > _READY_SECONDS
            if late or self.process.returncode is not None:
                raise NotServing(f"{self.module}:\n{self.log.read_text()[-4000:]}")
            await asyncio.sleep(_LOOK_SECONDS)
        return time.monotonic() - begun_at

    async def stop(self) -> tuple[float, int]:
        """Ask it to end; how long it drained, and its exit code."""
        if self.process is None or self.process.returncode is not None:
            return 0.0, 0
        begun_at = time.monotonic()
        self.process.terminate()
        try:
            code = await asyncio.wait_for(self.process.wait(), _END_SECONDS)
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        return time.monotonic() - begun_at, code

    async def _serves(self) -> bool:
        if self.module != "gateway":
            return (await Probe(self.address).ask())[0] is Verdict.SERVING
        async with httpx2.AsyncClient() as client:
            try:
                return (await client.get(f"http://{self.address}/ready")).is_success
            except httpx2.TransportError:
                return False


@dataclass(frozen=True, slots=True)
class Deployment:
    """All replicas by service."""

    replicas: Mapping[str, list[Replica]] = field(default_factory=dict[str, list[Replica]])


@asynccontextmanager
async def deployed(home: Path, allowed_host: str, url: str) -> AsyncGenerator[Deployment]:
    """Start everything that is found under this address, and end it when the block ends."""
    postgres = EmbeddedPostgres(home / "postgres", "rolling", settings={"max_connections": "200"})
    valkey = EmbeddedValkey(home / "valkey", "rolling")
    await asyncio.gather(postgres.start(), valkey.start())
    told = {
        **os.environ,
        **{f"GATEWAY_LIMIT_{name}": "1000000/s" for name in _LIMITS},
        "DATABASE_URL": postgres.url(),
        "REDIS_URL": valkey.url(),
        "MESH_SECRET": secrets.token_hex(32),
        "ENGINE_ALLOWED_HOSTS": allowed_host,
        "GATEWAY_PUBLIC_URL": url,
        "ENGINE_PUBLIC_URL": url,
        "ENGINE_BLOB_URL": (home / "blobs").as_uri(),
    }
    deployment = Deployment(_replicas(home, told))
    everybody = [one for service in ORDER for one in deployment.replicas[service]]
    try:
        await asyncio.gather(*(one.start() for one in everybody))
        yield deployment
    finally:
        for one in reversed(everybody):
            await one.stop()
        await asyncio.gather(postgres.stop(), valkey.stop())


def _replicas(home: Path, told: Mapping[str, str]) -> dict[str, list[Replica]]:
    ports = {service: [free_port() for _ in range(_REPLICAS)] for service in ORDER}

    def target(service: str) -> str:
        return "ipv4:" + ",".join(f"{LOOPBACK}:{port}" for port in ports[service])

    targets = {
        "ENGINE_ADDRESS": target("engine_service"),
        "AGENT_ADDRESS": target("agent_service"),
    }
    return {
        service: [
            Replica(
                service,
                port,
                home / f"{service}-{number}.log",
                {**told, **targets, f"{_PREFIX[service]}_PORT": str(port)},
            )
            for number, port in enumerate(ports[service])
        ]
        for service in ORDER
    }
