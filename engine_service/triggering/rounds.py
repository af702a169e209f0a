"""The loop of whoever does what is due: do it, rest until more is, and hear of what is new.

Any number of engines go round at once; rows are taken with SKIP LOCKED, so none does another's
work. PostgreSQL's hints save the poll's delay; a slow poll makes up for hints that get lost.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from shared.clock import Clock
from shared.errors import Unavailable
from shared.notifications import Notifications

log = structlog.get_logger()

PAUSE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Rounds:
    """One such loop.

    Attributes:
        name: Who goes round, for the log.
        notifications: Tell of hints.
        channel: Where PostgreSQL hints at what is new.
        poll: The longest rest.
    """

    name: str
    notifications: Notifications
    channel: str
    clock: Clock
    poll: timedelta
    _hinted: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        self.notifications.on(self.channel, lambda _: self._hinted.set())

    async def run(self, turn: Callable[[], Awaitable[datetime]]) -> None:
        """Go round until cancelled; a database that is away is waited for.

        Args:
            turn: Does whatever is due, and says when to look again.
        """
        while True:
            self._hinted.clear()
            try:
                await self._rest(await turn())
            except Unavailable as error:
                log.warning("round_waits", name=self.name, reason=error.message)
                await asyncio.sleep(PAUSE.total_seconds())

    def next_look(self, due_at: datetime | None, *, at_once: bool = False) -> datetime:
        """When to look again, if something is due then.

        Args:
            due_at: When the next row is due; None when no row is.
            at_once: A row that is due already may be had now. Otherwise it is in another engine's
                hands at this moment, and there is a pause.
        """
        now = self.clock.now()
        if due_at is None:
            return now + self.poll
        return min(max(due_at, now if at_once else now + PAUSE), now + self.poll)

    async def _rest(self, until: datetime) -> None:
        """Return at a moment, or as soon as there is a hint."""
        async with asyncio.TaskGroup() as group:
            asleep = group.create_task(self.clock.sleep_until(until))
            heard = group.create_task(self._hinted.wait())
            asleep.add_done_callback(lambda _: heard.cancel())
            heard.add_done_callback(lambda _: asleep.cancel())
