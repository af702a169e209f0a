"""Fills the library when the agent starts, and tries again while the engine is not there yet."""

from datetime import timedelta

import structlog

from agent_service.engine import Engine
from agent_service.knowledge.library import KnowledgeLibrary
from shared.clock import Clock
from shared.errors import AppError

log = structlog.get_logger()

_AGAIN = timedelta(seconds=5)


async def keep_filled(library: KnowledgeLibrary, engine: Engine, clock: Clock) -> None:
    """Return once the library holds today's catalogue."""
    while True:
        try:
            count = await library.fill(await engine.catalogue())
        except AppError as error:
            log.info("library_not_filled", reason=error.code)
            await clock.sleep_until(clock.now() + _AGAIN)
        else:
            log.info("library_filled", embedded=count)
            return
