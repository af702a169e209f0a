"""What is cleared away while the engine works: in small transactions, by every engine.

Nothing here is needed for a run to be right. It keeps tables small, and mends what should not be.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from engine_service import dispatch, metrics
from engine_service.store import conversations, documents, line, retention
from shared.clock import Clock
from shared.database import Database
from shared.errors import Unavailable

log = structlog.get_logger()

_EVERY = timedelta(seconds=30)
_LOOK_EVERY = timedelta(seconds=10)
_RETENTION_EVERY = timedelta(minutes=10)
_PAUSE_SECONDS = 0.05
_WINDOW = 1_000


async def keep_house(database: Database, clock: Clock, tell_every: int = 0) -> None:
    """Clear away until cancelled; a database that is away is waited for.

    Args:
        database: Acts as flowloom_worker.
        clock: Says which runs are old.
        tell_every: How often, in seconds, the log says how far behind the queue is; 0 for never.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(_again_and_again(_LOOK_EVERY, lambda: look_around(database)))
        group.create_task(_again_and_again(_EVERY, lambda: _clear(database)))
        group.create_task(
            _again_and_again(_RETENTION_EVERY, lambda: delete_old_runs(database, clock))
        )
        group.create_task(_again_and_again(_RETENTION_EVERY, lambda: forget(database, clock)))
        if tell_every:
            every = timedelta(seconds=tell_every)
            group.create_task(_again_and_again(every, lambda: tell_lag(database)))


async def _again_and_again(every: timedelta, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            await work()
        except Unavailable as error:
            log.warning("house_not_kept", reason=error.message)


async def _clear(database: Database) -> None:
    more = True
    while more:
        async with database.transaction() as connection:
            more = await dispatch.clean_up(connection)
    async with database.transaction() as connection:
        await line.reconcile(connection)


async def tell_lag(database: Database) -> None:
    """Write to the log how far behind the queue is; infra/terraform makes a metric of the line.

    Raises:
        Unavailable: The database is away.
    """
    standing, lag = await look_around(database)
    log.info("queue_lag", lag_seconds=round(lag, 3), line_runs=standing)


async def look_around(database: Database) -> tuple[int, float]:
    """Tell the metrics what only the database knows: the runs in the line, and the queue's lag.

    Raises:
        Unavailable: The database is away.
    """
    async with database.transaction() as connection:
        standing, waited = await line.look(connection)
        overdue = await dispatch.lag(connection)
    lag = max(waited, overdue)
    metrics.LINE.set(standing)
    metrics.QUEUE_LAG.set(lag)
    return standing, lag


async def delete_old_runs(database: Database, clock: Clock) -> int:
    """Delete the runs whose time is over; how many. Several engines may do so at once.

    Raises:
        Unavailable: The database is away; what was deleted stays so.
    """
    async with database.transaction() as connection:
        if not await retention.is_wanted(connection):
            return 0
    deleted, window = 0, retention.Window(0, "")
    while True:
        async with database.transaction() as connection:
            window = await retention.delete_window(connection, window.last, clock.now())
        deleted += window.deleted
        if not window.last:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    if deleted:
        log.info("runs_deleted", count=deleted)
    return deleted


async def forget(database: Database, clock: Clock) -> int:
    """Delete conversations and documents whose time is over; how many, pieces counted.

    Raises:
        Unavailable: The database is away; what was deleted stays so.
    """
    forgotten = 0
    for delete in (conversations.delete_expired, documents.delete_expired):
        gone = _WINDOW
        while gone >= _WINDOW:
            async with database.transaction() as connection:
                gone = await delete(connection, clock.now(), _WINDOW)
            forgotten += gone
    if forgotten:
        log.info("memory_forgotten", count=forgotten)
    return forgotten
