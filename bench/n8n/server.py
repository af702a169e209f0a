"""A running n8n: its database, its workflows, its main process."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2
import psutil

from bench.n8n.install import Installed
from cli.embedded.ports import LOOPBACK, remembered_port
from cli.embedded.postgres import EmbeddedPostgres

_START_SECONDS = 180
_STOP_SECONDS = 30
_DATABASE = "n8n"
# Whatever would reach for the network, or wait for a person.
_QUIET = {
    "N8N_DIAGNOSTICS_ENABLED": "false",
    "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
    "N8N_TEMPLATES_ENABLED": "false",
    "N8N_PERSONALIZATION_ENABLED": "false",
    "N8N_LOG_LEVEL": "warn",
    "NODE_ENV": "production",
}


@dataclass(frozen=True, slots=True)
class Running:
    """An n8n that answers."""

    url: str
    pid: int

    def hook_url(self, path: str) -> str:
        return f"{self.url}/webhook/{path}"

    def idle_bytes(self) -> int:
        """PSS of all its processes, the database apart."""
        main = psutil.Process(self.pid)
        return sum(one.memory_full_info().pss for one in [main, *main.children(recursive=True)])


@asynccontextmanager
async def running(
    installed: Installed,
    folder: Path,
    workflows: Mapping[str, Mapping[str, Any]],
    expression_engine: str | None,
) -> AsyncGenerator[Running]:
    """Start it with these workflows published; stopped when the block ends.

    Args:
        installed: What to start.
        folder: Where it keeps its state.
        workflows: Definitions by id.
        expression_engine: For `N8N_EXPRESSION_ENGINE`; its own default when None.
    """
    postgres = EmbeddedPostgres(folder / "postgres", "bench")
    await postgres.start()
    try:
        await postgres.create_database(_DATABASE)
        port = remembered_port(folder / "port")
        environment = {
            **installed.environment(),
            **_environment(folder, port, postgres.url(_DATABASE)),
        }
        if expression_engine is not None:
            environment["N8N_EXPRESSION_ENGINE"] = expression_engine
        await _import(installed, folder, workflows, environment)
        process = await asyncio.create_subprocess_exec(
            *installed.command,
            "start",
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            url = f"http://{LOOPBACK}:{port}"
            await _ready(url, process)
            yield Running(url, process.pid)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGTERM)
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    finally:
        await postgres.stop(immediately=True)


def _environment(folder: Path, port: int, database_url: str) -> dict[str, str]:
    parts = urlsplit(database_url)
    return {
        **_QUIET,
        "N8N_USER_FOLDER": str(folder),
        "N8N_PORT": str(port),
        "N8N_LISTEN_ADDRESS": LOOPBACK,
        "DB_TYPE": "postgresdb",
        "DB_POSTGRESDB_HOST": parts.hostname or "",
        "DB_POSTGRESDB_PORT": str(parts.port),
        "DB_POSTGRESDB_DATABASE": parts.path.removeprefix("/"),
        "DB_POSTGRESDB_USER": parts.username or "",
        "DB_POSTGRESDB_PASSWORD": unquote(parts.password or ""),
    }


async def _import(
    installed: Installed,
    folder: Path,
    workflows: Mapping[str, Mapping[str, Any]],
    environment: Mapping[str, str],
) -> None:
    """Put workflows into its database and publish them, with its own command line."""
    definitions = folder / "workflows"
    definitions.mkdir(exist_ok=True)
    for name, definition in workflows.items():
        (definitions / f"{name}.json").write_text(json.dumps(definition))
    await _command(
        installed, environment, "import:workflow", "--separate", f"--input={definitions}"
    )
    for name in workflows:
        await _command(installed, environment, "publish:workflow", f"--id={name}")


async def _command(installed: Installed, environment: Mapping[str, str], *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *installed.command,
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"n8n {' '.join(arguments)} failed:\n{said.decode()[-2000:]}")


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_START_SECONDS), httpx2.AsyncClient(timeout=5) as client:
        while process.returncode is None:
            try:
                if (await client.get(f"{url}/healthz/readiness")).status_code == 200:
                    return
            except httpx2.TransportError:
                pass  # not listening yet
            await asyncio.sleep(0.2)
    raise RuntimeError(f"n8n ended with exit code {process.returncode}")
