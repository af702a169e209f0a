"""Worker processes for JavaScript: started when needed, reused, killed when in doubt.

In goes a script with its limits, out comes the text it evaluates to, or `EvaluationStopped`. A
worker does one script at a time; what it must not outlive is enforced three times: inside V8, by
the worker's own clock, and by the kill here.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from engine_service.v8.worker import DONE, FAILED, MEMORY, REPLY, REQUEST, TIMEOUT
from shared.errors import Unavailable

_WORKER = Path(__file__).with_name("worker.py")
_START_SECONDS = 30.0
_TIDY_SECONDS = 5.0
_GRACE_SECONDS = 0.5
_BUFFER = 1 << 20


class Stop(Enum):
    """Why there is no result. A worker dies when memory outside V8's heap runs out."""

    SCRIPT = FAILED
    TIMEOUT = TIMEOUT
    MEMORY = MEMORY
    DEATH = -1


class EvaluationStopped(Exception):
    """The script failed or went over a limit; nothing else was hurt."""

    def __init__(self, why: Stop, message: str = "") -> None:
        super().__init__(message or why.name.lower())
        self.why = why
        self.message = message


@dataclass(frozen=True, slots=True)
class Limits:
    """What one script may take."""

    seconds: float
    megabytes: int


class WorkerPool:
    """At most `size` worker processes, each with the same realm.

    Must be closed. Idle workers end after `idle_seconds`, so a quiet engine keeps none.
    """

    def __init__(
        self,
        realm: Callable[[], str],
        *,
        size: int,
        fresh: bool = False,
        idle_seconds: float = 60.0,
    ) -> None:
        self._realm = realm
        self._fresh = fresh
        self._idle_seconds = idle_seconds
        self._free = asyncio.Semaphore(size)
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._dying: set[_Worker] = set()
        self._closed = False

    async def evaluate(self, script: bytes, limits: Limits) -> str:
        """Evaluate a script in a worker of its own.

        Cancelling kills the worker, and the script with it.

        Raises:
            EvaluationStopped: It failed, took too long or too much memory, or killed its worker.
            Unavailable: No worker could be started, or the pool is closed.
        """
        async with self._free:
            waiting = self._take()
            if waiting is not None:
                try:
                    return await self._evaluate(waiting, script, limits)
                except EvaluationStopped as stopped:
                    # It may have died while it waited, of something else; once more, then.
                    if stopped.why is not Stop.DEATH:
                        raise
            return await self._evaluate(await self._start(), script, limits)

    @property
    def worker_ids(self) -> list[int]:
        """The process ids of living workers."""
        return [worker.pid for worker in (*self._idle, *self._busy)]

    async def close(self) -> None:
        """End all workers, also those at work."""
        self._closed = True
        for worker in (*self._idle, *self._busy):
            self._end(worker)
        self._idle.clear()
        for worker in list(self._dying):
            await worker.ended()

    async def _evaluate(self, worker: "_Worker", script: bytes, limits: Limits) -> str:
        self._busy.add(worker)
        try:
            text = await worker.evaluate(script, limits)
        except EvaluationStopped as stopped:
            if self._closed:
                raise _closed() from stopped
            if stopped.why is Stop.SCRIPT:
                self._give_back(worker)
            raise
        else:
            self._give_back(worker)
            return text
        finally:
            self._busy.discard(worker)
            if worker not in self._idle:
                self._end(worker)

    def _take(self) -> "_Worker | None":
        """A worker that waits for work, if there is one."""
        while self._idle:
            worker = self._idle.pop()
            worker.keep()
            if worker.is_alive:
                return worker
            self._end(worker)
        return None

    async def _start(self) -> "_Worker":
        if self._closed:
            raise _closed()
        return await _Worker.start(self._realm(), fresh=self._fresh)

    def _give_back(self, worker: "_Worker") -> None:
        if not self._closed and worker.is_alive:
            self._idle.append(worker)
            worker.end_after(self._idle_seconds, self._retire)

    def _retire(self, worker: "_Worker") -> None:
        if worker in self._idle:
            self._idle.remove(worker)
        self._end(worker)

    def _end(self, worker: "_Worker") -> None:
        self._dying = {dying for dying in self._dying if dying.is_running}
        self._dying.add(worker)
        worker.kill()


class _Worker:
    """One process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._in, self._out = process.stdin, process.stdout
        self._retirement: asyncio.TimerHandle | None = None
        self._is_ready = False

    @staticmethod
    async def start(realm: str, *, fresh: bool) -> "_Worker":
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(_WORKER), *(["--fresh"] if fresh else [])),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                cwd="/",
                start_new_session=True,
                limit=_BUFFER,
            )
        except OSError as error:
            raise Unavailable("The sandbox did not start.", reason="SANDBOX_FAILED") from error
        worker = _Worker(process)
        try:
            await worker.boot(realm)
        except EvaluationStopped as stopped:
            worker.kill()
            raise Unavailable("The sandbox did not start.", reason="SANDBOX_FAILED") from stopped
        except BaseException:
            worker.kill()
            raise
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    @property
    def is_alive(self) -> bool:
        return self.is_running and not self._out.at_eof()

    async def boot(self, realm: str) -> None:
        """Give it the realm and wait until it is ready."""
        await self._send(realm.encode(), Limits(_START_SECONDS, 0))
        await self._become_ready(_START_SECONDS)

    async def evaluate(self, script: bytes, limits: Limits) -> str:
        """Wait until the run before is tidied away, and evaluate."""
        await self._become_ready(_TIDY_SECONDS)
        self._is_ready = False
        await self._send(script, limits)
        try:
            status, text = await self._receive(limits.seconds + _GRACE_SECONDS)
        except TimeoutError:
            raise EvaluationStopped(Stop.TIMEOUT) from None
        if status != DONE:
            raise EvaluationStopped(Stop(status), text)
        return text

    async def _become_ready(self, seconds: float) -> None:
        if not self._is_ready:
            try:
                await self._receive(seconds)
            except TimeoutError:
                raise EvaluationStopped(Stop.DEATH) from None
            self._is_ready = True

    async def _send(self, script: bytes, limits: Limits) -> None:
        try:
            self._in.write(REQUEST.pack(len(script), limits.seconds, limits.megabytes))
            self._in.write(script)
            await self._in.drain()
        except (ConnectionError, RuntimeError):  # the latter from uvloop, when it is closed
            raise EvaluationStopped(Stop.DEATH) from None

    async def _receive(self, seconds: float) -> tuple[int, str]:
        try:
            async with asyncio.timeout(seconds):
                length, status = REPLY.unpack(await self._out.readexactly(REPLY.size))
                return status, (await self._out.readexactly(length)).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            raise EvaluationStopped(Stop.DEATH) from None

    def keep(self) -> None:
        if self._retirement is not None:
            self._retirement.cancel()

    def end_after(self, seconds: float, end: Callable[["_Worker"], None]) -> None:
        self._retirement = asyncio.get_running_loop().call_later(seconds, end, self)

    def kill(self) -> None:
        self.keep()
        self._in.close()
        if self._process.returncode is None:
            self._process.kill()

    async def ended(self) -> None:
        await self._process.wait()


def _closed() -> Unavailable:
    return Unavailable("The sandbox is closed.", reason="SANDBOX_CLOSED")


def _environment() -> dict[str, str]:
    """Nothing of ours but what the interpreter may need to be found."""
    inherited = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"TZ": "UTC", "LANG": "C.UTF-8", **inherited}
