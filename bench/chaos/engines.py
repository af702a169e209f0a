"""The engines under fire: started from the nursery, killed and stopped by their process ids."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_LEAVE_SECONDS = 30.0
_AWAKE_SECONDS = 0.5


@dataclass(slots=True)
class Engines:
    """Some engines on one database.

    Attributes:
        alive: Their process ids, the oldest first.
    """

    logs: Path
    nursery: asyncio.subprocess.Process
    alive: list[int] = field(default_factory=list[int])
    _born: int = 0

    async def start(self) -> int:
        """One more engine; its process id. It may not serve yet."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self._born += 1
        self.nursery.stdin.write(f"{self.logs / f'{self._born}.log'}\n".encode())
        pid = int(await self.nursery.stdout.readline())
        self.alive.append(pid)
        return pid

    async def serving(self) -> None:
        """Wait until the engine that was started last serves."""
        log = self.logs / f"{self._born}.log"
        async with asyncio.timeout(_LEAVE_SECONDS):
            while b'"serving"' not in await asyncio.to_thread(_read, log):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def kill(self, pid: int) -> None:
        """End one without a chance to do anything."""
        self._signal(pid, signal.SIGKILL)
        self.alive.remove(pid)

    async def leave(self, pid: int) -> None:
        """Ask one to end, and wait until it has handed over what it does."""
        self.alive.remove(pid)
        self._signal(pid, signal.SIGTERM)
        async with asyncio.timeout(_LEAVE_SECONDS):
            while _exists(pid):  # noqa: ASYNC110 (it is no child of ours)
                await asyncio.sleep(0.05)

    async def freeze(self, pid: int, seconds: float) -> None:
        """Stop one where it stands, and let it go on later as if nothing had happened."""
        self._signal(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._signal(pid, signal.SIGCONT)
        await asyncio.sleep(_AWAKE_SECONDS)  # in which it may try to write

    def _signal(self, pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _read(log: Path) -> bytes:
    return log.read_bytes() if log.exists() else b""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def nursery(logs: Path, environment: Mapping[str, str]) -> AsyncGenerator[Engines]:
    """Engines with these settings; whatever is left of them is killed in the end."""
    await asyncio.to_thread(logs.mkdir, parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.chaos.nursery"),
        cwd=_ROOT,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    engines = Engines(logs, process)
    try:
        yield engines
    finally:
        for pid in list(engines.alive):
            engines.kill(pid)
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
