"""A real gateway in the test's own process: uvicorn on a free port, PostgreSQL, Redis, the mesh."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from gateway.app import Parts, build_app
from gateway.server import Server, build, uvicorn_config
from gateway.settings import Settings

PASSWORD = "correct horse battery staple"


@dataclass
class Gateway:
    """A gateway that serves."""

    url: str
    settings: Settings
    parts: Parts

    def client(self, token: str = "", **headers: str) -> httpx2.AsyncClient:
        """A REST client, with an access token or without."""
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.url, headers={**bearer, **headers}, timeout=30)

    async def sign_up(self) -> dict[str, Any]:
        """Somebody new, signed in: what the issuer answers."""
        async with self.client() as client:
            who = {"email": f"{secrets.token_hex(8)}@example.com", "password": PASSWORD}
            answer = await client.post("/auth/v1/signup", json=who)
            assert answer.status_code == 200, answer.text
            return answer.json()


def gateway_settings(database_url: str, redis_url: str, mesh_address: str, **more: Any) -> Settings:
    """Settings for a test: short heartbeats, limits out of the way unless they are given."""
    plenty = {f"gateway_limit_{name}": "1000000/s" for name in _LIMITS}
    values: dict[str, Any] = {
        "database_url": database_url,
        "redis_url": redis_url,
        "agent_address": mesh_address,
        "engine_address": mesh_address,
        "mesh_secret": "s" * 32,
        "gateway_port": 0,
        **plenty,
        **more,
    }
    return Settings(**values)


_LIMITS = ("public", "login", "api", "chat", "run", "hook", "mcp")


@asynccontextmanager
async def serving(settings: Settings) -> AsyncGenerator[Gateway]:
    """Serve a gateway until the block ends."""
    async with build(settings) as parts:
        server = Server(uvicorn_config(build_app(parts), settings))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            yield Gateway(f"http://127.0.0.1:{port}", settings, parts)
            parts.streams.drain()
            server.should_exit = True
