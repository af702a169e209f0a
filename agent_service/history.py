"""A session's history: the only thing that streams are made of.

Events are appended under the session's lock and the turn's lease. Whoever follows a session reads
its rows; a notification from PostgreSQL only says when to look again.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from agent_service.state import Outgoing
from agent_service.store import events as event_store
from agent_service.store.events import CHANNEL, NewEvent, StoredEvent
from agent_service.store.messages import StoredMessage, insert_messages
from agent_service.store.sessions import StoredSession, get_session, lock_session, save_session
from agent_service.store.turns import Lease, hold
from shared.clock import Clock
from shared.database import Database
from shared.notifications import Notifications
from shared.session_events import MessageCompleted, TurnCompleted

_BATCH = 200
_POLL_SECONDS = 2.0


class History:
    """Appends to sessions' histories and follows them.

    Attributes:
        notifications: While they run, followers hear at once what other processes append.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.notifications = Notifications(database)
        self.notifications.on(CHANNEL, self.wake)
        self._database = database
        self._clock = clock
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def append(self, lease: Lease, outgoing: Sequence[Outgoing]) -> None:
        """Append a turn's events; those whose key is there already are left out.

        Raises:
            LeaseLost: The turn has ended, or is another process's.
        """
        if not outgoing:
            return
        made = [NewEvent(one.key, one.type, one.data) for one in outgoing]
        async with self._database.transaction(lease.tenant_id) as connection:
            session = await lock_session(connection, lease.session_id)
            await hold(connection, lease)
            if fresh := await event_store.new_keys(connection, lease.turn_id, made):
                await self.write(connection, session, lease.turn_id, fresh)
        self.wake(lease.session_id)

    async def write(
        self,
        connection: AsyncConnection,
        session: StoredSession,
        turn_id: str,
        made: Sequence[NewEvent],
    ) -> StoredSession:
        """Append events to a session that this transaction has locked; the session after it."""
        now = self._clock.now()
        turn = (session.tenant_id, session.id, turn_id)
        await event_store.insert_events(connection, turn, session.last_sequence + 1, made, now)
        said = [
            StoredMessage(
                id=event.data["message_id"],
                tenant_id=session.tenant_id,
                session_id=session.id,
                author="consultant",
                text=event.data["text"],
                created_at=now,
            )
            for event in made
            if event.type == MessageCompleted.type
        ]
        if said:
            await insert_messages(connection, said)
        longer = replace(session, last_sequence=session.last_sequence + len(made), updated_at=now)
        await save_session(connection, longer)
        return longer

    async def follow_turn(
        self, session: StoredSession, turn_id: str, after: int
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        """A session's events behind a place, until this turn has ended."""
        async for batch in self._follow(session, after):
            for place, event in enumerate(batch):
                if _ends(event, turn_id):
                    yield batch[: place + 1]
                    return
            if batch:
                yield batch

    async def follow_session(
        self, session: StoredSession, after: int
    ) -> AsyncIterator[Sequence[StoredEvent]]:
        """A session's events behind a place, until no turn is under way."""
        async for batch in self._follow(session, after):
            if batch:
                after = batch[-1].sequence
                yield batch
            async with self._database.transaction(session.tenant_id) as connection:
                now = await get_session(connection, session.id)
            if now.status != "working" and now.last_sequence <= after:
                return

    async def _follow(
        self, session: StoredSession, after: int
    ) -> AsyncGenerator[Sequence[StoredEvent]]:
        """Whatever is there, then whatever comes; an empty batch when nothing came for a while."""
        with self._watching(session.id) as changed:
            while True:
                changed.clear()
                async with self._database.transaction(session.tenant_id) as connection:
                    batch = await event_store.list_events(connection, session.id, after, _BATCH)
                yield batch
                if batch:
                    after = batch[-1].sequence
                if len(batch) < _BATCH:
                    await _wait(changed, _POLL_SECONDS)

    @contextmanager
    def _watching(self, session_id: str) -> Generator[asyncio.Event]:
        changed = asyncio.Event()
        self._waiting[session_id].add(changed)
        try:
            yield changed
        finally:
            self._waiting[session_id].discard(changed)
            if not self._waiting[session_id]:
                del self._waiting[session_id]

    def wake(self, session_id: str) -> None:
        for changed in self._waiting.get(session_id, ()):
            changed.set()


def _ends(event: StoredEvent, turn_id: str) -> bool:
    return event.type == TurnCompleted.type and event.data["turn_id"] == turn_id


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return
