"""What PostgreSQL notifies of: hints that there is news, heard over one connection for a process.

A hint may be lost with the connection, so whoever heeds one looks now and then anyway.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable

import structlog

from shared.database import Database
from shared.errors import Unavailable

log = structlog.get_logger()

_PAUSE_SECONDS = 1.0


class Notifications:
    """Hears for everybody in a process; whoever wants to hear says so before `run`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heeding: defaultdict[str, list[Callable[[str], None]]] = defaultdict(list)

    def on(self, channel: str, heed: Callable[[str], None]) -> None:
        """Call somebody with the payload of every notification of a channel."""
        self._heeding[channel].append(heed)

    async def run(self) -> None:
        """Hear until cancelled; a database that is away is waited for."""
        while True:
            try:
                async for channel, payload in self._database.listen(*self._heeding):
                    for heed in self._heeding[channel]:
                        heed(payload)
            except Unavailable as error:
                log.warning("notifications_missed", reason=error.message)
            await asyncio.sleep(_PAUSE_SECONDS)
