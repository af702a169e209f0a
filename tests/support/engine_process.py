"""Engines as processes of their own, to be killed and stopped; and a server that counts effects."""

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.http_server import Answer, Seen, serve

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 60.0


@dataclass(slots=True)
class CountingServer:
    """Counts effects as a server does that honours idempotency keys.

    Attributes:
        effects: By key, how often the effect happened; more than once is a mistake of ours only if
            the server does not honour keys, so it never is here.
        requests: By key, how many requests came.
    """

    authority: str = ""
    effects: Counter[str] = field(default_factory=Counter[str])
    requests: Counter[str] = field(default_factory=Counter[str])
    _answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    _chance: random.Random = field(default_factory=lambda: random.Random(1))

    async def handle(self, seen: Seen) -> Answer:
        """Do the effect once for each key, after a while, and say how many there were."""
        key = seen.headers["idempotency-key"]
        self.requests[key] += 1
        await asyncio.sleep(self._chance.uniform(0.02, 0.15))
        if key not in self._answers:
            self.effects[key] += 1
            self._answers[key] = Answer.of_json({"effect": key, "body": seen.body.decode()})
        return self._answers[key]


@asynccontextmanager
async def counting_server() -> AsyncGenerator[CountingServer]:
    """A counting server on loopback."""
    counting = CountingServer()
    async with serve(counting.handle) as server:
        counting.authority = server.authority
        yield counting


class EngineProcess:
    """`python -m engine_service` on a database; `kill` is kill -9."""

    def __init__(self, url: str, allowed: str) -> None:
        self._environment = {
            **os.environ,
            "DATABASE_URL": url,
            "MESH_SECRET": "s" * 32,
            "ENGINE_HOST": "127.0.0.1",
            "ENGINE_PORT": "0",
            "ENGINE_ALLOWED_HOSTS": allowed,
            "ENGINE_RUNS": "6",  # so that two engines share ten runs
        }
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self.lines: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "engine_service",
            cwd=_ROOT,
            env=self._environment,
            stderr=asyncio.subprocess.PIPE,
        )
        serving = asyncio.Event()
        self._reading = asyncio.create_task(self._read(self._process, serving))
        async with asyncio.timeout(_START_SECONDS):
            await serving.wait()

    async def kill(self) -> None:
        """End it without a chance to do anything."""
        process = self._running()
        process.kill()
        await process.wait()

    async def terminate(self) -> int:
        """Ask it to end; its exit code."""
        process = self._running()
        process.terminate()
        return await process.wait()

    def freeze(self) -> None:
        """Stop it where it stands."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had happened."""
        self._running().send_signal(signal.SIGCONT)

    async def said(self, *events: str) -> dict[str, Any]:
        """Wait for one of some lines of its log."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                for line in self.lines:
                    if line.get("event") in events:
                        return line
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        """Kill it, if it is still there."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None
        return self._process

    async def _read(self, process: asyncio.subprocess.Process, serving: asyncio.Event) -> None:
        assert process.stderr is not None
        async for raw in process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode(errors="replace").rstrip()}
            self.lines.append(line)
            if line.get("event") == "serving":
                serving.set()
        assert serving.is_set(), f"the engine did not start: {self.lines}"


@asynccontextmanager
async def engine_processes(
    url: str, allowed: str, count: int
) -> AsyncGenerator[list[EngineProcess]]:
    """Engines at work; whatever is left of them is killed in the end."""
    engines = [EngineProcess(url, allowed) for _ in range(count)]
    try:
        await asyncio.gather(*(engine.start() for engine in engines))
        yield engines
    except BaseException:
        for engine in engines:  # pytest shows it with the failure
            sys.stderr.writelines(f"{line}\n" for line in engine.lines[-20:])
        raise
    finally:
        for engine in engines:
            await engine.end()
