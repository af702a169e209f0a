"""Follows runs: tells whoever watches what was committed, and whoever waits what came of it.

The history in PostgreSQL is the truth; this is how followers learn of it without asking all the
time. What this process commits is handed over at once and never read back; what others commit is
read upon their hint, once for all who follow the run. Hints may be lost, so everything that is
followed is also looked after now and then.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace

import orjson

from engine_service.store.run_rows import StoredEvent, StoredRun, get_run, read_events
from engine_service.wire.runs import resource
from shared.database import Database
from shared.errors import Unavailable
from shared.run_events import TERMINAL
from shared.workflow import JsonObject

_KEPT = 1_000
_LOOK_AFTER_SECONDS = 5.0
_TURNS = 10
"""In how many parts everybody is looked after, so that not all ask the database at once."""


@dataclass(slots=True, eq=False)
class _Channel:
    """A run that somebody follows.

    Attributes:
        events: The latest events, without gaps; `last` is the sequence of the last one.
        changed: Set, and replaced, whenever there is reason to look.
        stale: PostgreSQL may hold more than `events`.
    """

    run_id: str
    tenant_id: str
    last: int
    followers: int = 0
    stale: bool = True
    events: list[StoredEvent] = field(default_factory=list[StoredEvent])
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def append(self, events: Sequence[StoredEvent]) -> None:
        """Take in what follows the last event; a gap makes the channel stale."""
        fresh = [event for event in events if event.sequence > self.last]
        if fresh and fresh[0].sequence == self.last + 1:
            self.events.extend(fresh)
            self.last = fresh[-1].sequence
            del self.events[:-_KEPT]
        elif fresh:
            self.stale = True
        self.wake()

    def behind(self, after: int) -> list[StoredEvent] | None:
        """The events behind a sequence; None when some of them are not kept."""
        first = self.last - len(self.events)
        return self.events[after - first :] if after >= first else None

    def wake(self) -> None:
        """Let all followers look."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


@dataclass(slots=True, eq=False)
class Ticket:
    """Somebody's wait for a run.

    Attributes:
        response: What a responding node has answered: `{"status", "headers", "body"}`.
        run: The run, once it has ended.
    """

    tenant_id: str
    run_id: str
    response: JsonObject | None = None
    run: StoredRun | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Feed:
    """Followers of runs in this process.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._channels: dict[str, _Channel] = {}
        self._tickets: dict[str, list[Ticket]] = {}
        self._closed = False

    # --- what is heard

    def follows(self, run_id: str) -> bool:
        """Whether anybody here wants to hear of a run."""
        return run_id in self._channels or run_id in self._tickets

    def tell(self, events: Sequence[StoredEvent]) -> None:
        """Events of one run were committed here."""
        channel = self._channels.get(events[0].run_id)
        if channel is not None:
            channel.append(events)

    def responded(self, run_id: str, response: JsonObject) -> None:
        """A node of a run has answered here."""
        for ticket in self._tickets.get(run_id, ()):
            ticket.response = ticket.response or response
            ticket.changed.set()

    def ended(self, run: StoredRun) -> None:
        """A run has ended here."""
        for ticket in self._tickets.get(run.id, ()):
            ticket.run = run
            ticket.changed.set()

    def hint(self, run_ids: Iterable[str]) -> None:
        """Others may have committed something for these runs."""
        for run_id in run_ids:
            if channel := self._channels.get(run_id):
                channel.stale = True
                channel.wake()
            for ticket in self._tickets.get(run_id, ()):
                ticket.changed.set()

    async def look_after(self) -> None:
        """Make up for lost hints, until cancelled: everybody has a turn in every few seconds."""
        while True:
            for turn in range(_TURNS):
                await asyncio.sleep(_LOOK_AFTER_SECONDS / _TURNS)
                self.hint(in_turn(turn, {*self._channels, *self._tickets}))

    def close(self) -> None:
        """Send all followers away once they have what there is; they come back elsewhere."""
        self._closed = True
        for channel in self._channels.values():
            channel.wake()

    # --- following

    async def follow(
        self, tenant_id: str, run_id: str, after: int
    ) -> AsyncGenerator[Sequence[StoredEvent]]:
        """The events behind a sequence, whatever is ready at a time, until the run has ended.

        Raises:
            RunNotFound: The tenant has no such run.
            Unavailable: The database is away.
        """
        async with self._database.transaction(tenant_id) as connection:
            run = await get_run(connection, run_id)
        after = min(after, run.last_sequence)
        if run.ended_at is not None and after == run.last_sequence:
            return
        channel = self._channels.get(run_id)
        if channel is None:
            channel = self._channels[run_id] = _Channel(run_id, tenant_id, after)
        channel.followers += 1
        try:
            while True:
                changed = channel.changed
                events = await self._behind(channel, after)
                if not events:
                    if self._closed:
                        raise Unavailable("This engine is about to stop; follow again.")
                    await changed.wait()
                    continue
                yield events
                after = events[-1].sequence
                if events[-1].type in TERMINAL:
                    return
        finally:
            channel.followers -= 1
            if not channel.followers:
                self._channels.pop(run_id, None)

    async def _behind(self, channel: _Channel, after: int) -> Sequence[StoredEvent]:
        if channel.stale:
            await self._refresh(channel)
        kept = channel.behind(after)
        return kept if kept is not None else await self._read(channel, after)

    async def _refresh(self, channel: _Channel) -> None:
        """Read what the channel lacks, once for all its followers."""
        async with channel.reading:
            while channel.stale:
                channel.stale = False
                events = await self._read(channel, channel.last)
                channel.append(events)
                channel.stale = channel.stale or bool(events)  # there may be another page

    async def _read(self, channel: _Channel, after: int) -> list[StoredEvent]:
        async with self._database.transaction(channel.tenant_id) as connection:
            events = await read_events(connection, channel.run_id, after)
            if events and events[-1].type in TERMINAL:
                run = await get_run(connection, channel.run_id)
                events[-1] = with_run(events[-1], run)
        return events

    # --- waiting

    @contextlib.contextmanager
    def ticket(self, tenant_id: str, run_id: str) -> Generator[Ticket]:
        """A wait for a run that need not exist yet."""
        ticket = Ticket(tenant_id, run_id)
        self._tickets.setdefault(run_id, []).append(ticket)
        try:
            yield ticket
        finally:
            others = [one for one in self._tickets[run_id] if one is not ticket]
            if others:
                self._tickets[run_id] = others
            else:
                del self._tickets[run_id]

    async def wait(self, ticket: Ticket, seconds: float, *, for_response: bool = False) -> bool:
        """Wait until the ticket holds the run's end, or also its response if that is enough.

        Returns:
            False when the time ran out first.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while ticket.run is None and not (for_response and ticket.response):
                    await ticket.changed.wait()
                    ticket.changed.clear()
                    if ticket.run is None and not (for_response and ticket.response):
                        await self._ask(ticket)
                return True
        return False

    async def _ask(self, ticket: Ticket) -> None:
        """Look in the database: the run may have ended, or answered, elsewhere."""
        async with self._database.transaction(ticket.tenant_id) as connection:
            run = await get_run(connection, ticket.run_id)
        if run.response is not None:
            ticket.response = orjson.loads(run.response)
        if run.ended_at is not None:
            ticket.run = run


def in_turn(turn: int, run_ids: Iterable[str]) -> list[str]:
    """The runs whose turn it is; a run's turn is always the same one, whoever comes and goes."""
    return [run_id for run_id in run_ids if hash(run_id) % _TURNS == turn]


def with_run(event: StoredEvent, run: StoredRun) -> StoredEvent:
    """A terminal event as followers get it: with the whole run."""
    return replace(event, data={**event.data, "run": resource(run)})
