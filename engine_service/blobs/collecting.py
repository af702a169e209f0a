"""Deletes the files that no run uses: those of deleted runs, and what crashes left behind."""

import asyncio
from datetime import timedelta

import obstore
import structlog

from engine_service.blobs.keeper import key_of
from engine_service.blobs.objects import Objects
from engine_service.store.blobs import delete_blobs, forget_strays, lock_unused
from shared.clock import Clock
from shared.database import Database
from shared.errors import Unavailable

log = structlog.get_logger()

_EVERY_SECONDS = 600.0
_GRACE = timedelta(days=1)
"""So long a file may be without a run: it is being written, or its run is about to begin."""
_BATCH = 100


class Collector:
    """Collects now and then; several engines may, without waiting for each other.

    Args:
        database: Acts as flowloom_worker.
    """

    def __init__(self, database: Database, objects: Objects, clock: Clock) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock

    async def run(self) -> None:
        """Collect until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.collect()
            except (Unavailable, OSError, obstore.exceptions.BaseError) as error:
                log.warning("files_not_collected", reason=str(error))

    async def collect(self) -> int:
        """Delete what nobody uses any more; how many files that were."""
        before = self._clock.now() - _GRACE
        async with self._database.transaction() as connection:
            await forget_strays(connection, before)
        collected, batch = 0, _BATCH
        while batch == _BATCH:
            async with self._database.transaction() as connection:
                unused = await lock_unused(connection, before, _BATCH)
                await self._objects.delete([key_of(tenant, blob) for blob, tenant in unused])
                await delete_blobs(connection, [blob for blob, _ in unused])
            batch = len(unused)
            collected += batch
        await asyncio.to_thread(self._objects.sweep)
        return collected
