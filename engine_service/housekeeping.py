"""What is cleared away while the engine works: in small transactions, by every engine.

Nothing here is needed for a run to be right. It keeps tables small, and mends what should not be.
"""

import asyncio
from datetime import timedelta

import structlog

from engine_service import dispatch
from engine_service.store import line
from shared.database import Database
from shared.errors import Unavailable

log = structlog.get_logger()

_EVERY = timedelta(seconds=30)


async def keep_house(database: Database) -> None:
    """Clear away until cancelled; a database that is away is waited for.

    Args:
        database: Acts as flowloom_worker.
    """
    while True:
        await asyncio.sleep(_EVERY.total_seconds())
        try:
            await _clear(database)
        except Unavailable as error:
            log.warning("house_not_kept", reason=error.message)


async def _clear(database: Database) -> None:
    more = True
    while more:
        async with database.transaction() as connection:
            more = await dispatch.clean_up(connection)
    async with database.transaction() as connection:
        await line.reconcile(connection)
