"""The parts of a running mesh, seen alike: children of ours and the embedded servers.

A part is started, watched, and stopped. Nothing here restarts a part: one that dies on its own
ends the whole mesh, loudly, because a mesh that heals in silence hides what ails it.
"""

import asyncio
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cli.embedded.logs import last_lines, rotate
from cli.embedded.placement import EmbeddedError
from cli.embedded.processes import find_alive, wait_until_gone

_LOOK_EVERY_SECONDS = 1.0


class PartDied(EmbeddedError):
    """A part ended although nobody asked it to."""


class Part(Protocol):
    """Something that runs as long as the mesh does."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> Path: ...

    def pid(self) -> int | None: ...

    async def start(self) -> None: ...

    async def watch(self) -> None:
        """Return never; raise PartDied when the part ends on its own."""
        ...

    async def stop(self, hurry: asyncio.Event) -> None:
        """Let the part finish what it began, but not once `hurry` is set."""
        ...


class Program:
    """A child process that is told everything by its environment and writes one log file.

    Args:
        environment: Asked for at the start, when it is known where the servers listen.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Callable[[], Mapping[str, str]],
        log: Path,
        drain_seconds: float,
    ) -> None:
        self.name = name
        self.log = log
        self._arguments = arguments
        self._environment = environment
        self._drain_seconds = drain_seconds
        self._process: asyncio.subprocess.Process | None = None

    def pid(self) -> int | None:
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self) -> None:
        rotate(self.log)
        # The file itself, not a pipe through us: what a child says last must not need us to live.
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment()},
                # Ctrl-C in the terminal is ours to pass on, in order.
                start_new_session=True,
            )

    async def watch(self) -> None:
        if self._process is not None:
            code = await self._process.wait()
            raise PartDied(f"{self.name} ended {_how(code)}.\n{last_lines(self.log)}")

    async def stop(self, hurry: asyncio.Event) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
            if not await _ends(self._process, self._drain_seconds, hurry):
                self._process.kill()
        await self._process.wait()


class Server(Protocol):
    """What the embedded PostgreSQL and Valkey have in common."""

    @property
    def log(self) -> Path: ...

    def pid(self) -> int | None: ...

    async def start(self) -> None: ...

    async def stop(self, *, immediately: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class Daemon:
    """An embedded server as a part; it is no child of ours, so we look after it by its number."""

    name: str
    server: Server

    @property
    def log(self) -> Path:
        return self.server.log

    def pid(self) -> int | None:
        return self.server.pid()

    async def start(self) -> None:
        await self.server.start()

    async def watch(self) -> None:
        pid = self.pid()
        process = find_alive(pid) if pid else None
        if process:
            await wait_until_gone(process, math.inf, look_every_seconds=_LOOK_EVERY_SECONDS)
        raise PartDied(f"{self.name} ended.\n{last_lines(self.log)}")

    async def stop(self, hurry: asyncio.Event) -> None:
        await self.server.stop(immediately=hurry.is_set())


async def _ends(process: asyncio.subprocess.Process, seconds: float, hurry: asyncio.Event) -> bool:
    """Wait for the first of three: the process ends, the time is up, somebody is in a hurry."""
    end = asyncio.create_task(process.wait())
    hurried = asyncio.create_task(hurry.wait())
    done, waiting = await asyncio.wait(
        {end, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
    )
    for task in waiting:
        task.cancel()
    return end in done


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
