"""A connection of its own for a loop that never rests, with all statements sent in one round trip.

What is sent within a `pipeline` is one transaction: PostgreSQL commits it when the block ends, or
none of it. The planner is told to look rows up by index always: plans are made once, when tables
may be empty, and kept when they are large.
"""

import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import psycopg

from engine_service.store.journal import Driver
from shared.database import Database
from shared.errors import Unavailable

# Connection failures, shutdowns and lack of resources; anything else is about what was sent.
_AWAY = ("08", "53", "57")
# A process that freezes in the middle of a pipeline keeps what it has locked; PostgreSQL counts it
# as busy, not as idle, and from 17 on can be told to end it all the same.
_KNOWS_LIMIT = 170_000
_LIMIT = "SET transaction_timeout = '10s'"
_SETTINGS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "lock_timeout": "2s",
}


class Link:
    """The connection, made when it is first needed and again when it broke."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._driver: Driver | None = None

    @asynccontextmanager
    async def pipeline(self) -> AsyncGenerator[Driver]:
        """One transaction; results can be fetched when the block has ended.

        Raises:
            Unavailable: The database is away; what was sent may have been committed.
            psycopg.Error: PostgreSQL refused something; nothing was committed.
        """
        async with self.connected() as driver, driver.pipeline():
            yield driver

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Driver]:
        """The connection; each statement is a transaction. Raises what `pipeline` does."""
        driver = self._driver
        if driver is None or driver.closed:
            driver = self._driver = await self._database.connect(**_SETTINGS)
            if driver.info.server_version >= _KNOWS_LIMIT:
                await driver.execute(_LIMIT)
        try:
            yield driver
        except psycopg.OperationalError as error:
            if error.sqlstate is None or error.sqlstate.startswith(_AWAY):
                await self.close()
                raise Unavailable("The database is away for the moment.") from error
            raise
        except BaseException as error:
            if not isinstance(error, psycopg.Error):
                await self.close()  # interrupted in the middle: nobody knows where it stands
            raise

    async def close(self) -> None:
        """Close the connection; the next pipeline makes another."""
        driver, self._driver = self._driver, None
        if driver is not None:
            with contextlib.suppress(psycopg.Error):
                await driver.close()
