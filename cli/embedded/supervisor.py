"""Watches over the parts of a mesh: starts them, ends all when one dies, drains in order.

The life of a mesh: `running` brings parts up in stages; from then on the first of three things
ends it: somebody asks (Ctrl-C, SIGTERM), a part dies, or the parts do not become ready. Then every
part is stopped, one stage after another in the order given, inside a fixed time.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from cli.embedded.parts import Part
from cli.embedded.placement import EmbeddedError

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopAsked(Exception):
    """Somebody wants the mesh to end; no failure."""


@dataclass(slots=True)
class StopRequest:
    """What the signals said so far: once is please, twice is now."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        if self.asked.is_set():
            self.hurry.set()
        self.asked.set()

    async def raise_when_asked(self) -> None:
        await self.asked.wait()
        raise StopAsked

    async def allows(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do some work unless a stop is asked for before its end; whether it was done."""
        working = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self.asked.wait())
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if working.done():
            await working
            return True
        working.cancel()
        await asyncio.wait({working})
        return False

    @asynccontextmanager
    async def by_signal(self) -> AsyncGenerator[None]:
        """Let signals ask, for the duration of a block."""
        loop = asyncio.get_running_loop()
        for number in _ENDING_SIGNALS:
            loop.add_signal_handler(number, self.ask)
        try:
            yield
        finally:
            for number in _ENDING_SIGNALS:
                loop.remove_signal_handler(number)


class Supervisor:
    """Runs stages of parts until one dies or a stop is asked for.

    Args:
        stages: What starts together; the next stage starts when the one before has.
        drain_order: What stops together; every part of `stages` once.
        stop: Asked from outside.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Part]],
        drain_order: Sequence[Sequence[Part]],
        stop: StopRequest,
    ) -> None:
        self._stages = stages
        self._drain_order = drain_order
        self._stop = stop

    async def run(
        self,
        on_started: Callable[[], Awaitable[None]],
        on_draining: Callable[[], None],
    ) -> None:
        """Run until asked to stop.

        Args:
            on_started: Awaited when every part has been started; its failure ends the mesh.
            on_draining: Called before the first part is stopped.

        Raises:
            PartDied: a part ended on its own.
            EmbeddedError: a part could not be started.
        """
        failures: list[BaseException] = []
        try:
            for stage in self._stages:
                await _start(stage)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._stop.raise_when_asked())
                for stage in self._stages:
                    for part in stage:
                        tasks.create_task(part.watch())
                await on_started()
        except* StopAsked:
            pass
        except* EmbeddedError as group:
            failures.extend(group.exceptions)
        finally:
            on_draining()
            await self._drain()
        if failures:
            raise failures[0]

    async def _drain(self) -> None:
        for group in self._drain_order:
            async with asyncio.TaskGroup() as tasks:
                for part in group:
                    tasks.create_task(part.stop(self._stop.hurry))


async def _start(stage: Sequence[Part]) -> None:
    """Start parts together; wait for all, so that none is left half-started when another fails."""
    outcomes = await asyncio.gather(*(part.start() for part in stage), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
