"""Group commit: whatever the runs of this process have to write goes into the next transaction.

One flusher per process. While one transaction commits, the next batch gathers: starts of runs,
results of nodes, events, ends, parkings, and the claims for the work that follows. So a process
that is alone with one run commits at once, and one with a hundred runs commits a hundred at a time.

Every transaction begins by locking what it writes about and checking that the claims are still
ours: a run whose claim was taken over is refused, its neighbours are written. If PostgreSQL refuses
a batch because of what is in it, each run's part is tried by itself, so that a bad row harms nobody
else. What was committed is told to followers in this process, and hinted at to other engines.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import TypeVar

import orjson
import psycopg
import structlog

from engine_service import dispatch
from engine_service.feed import Feed, with_run
from engine_service.store import journal as rows
from engine_service.store.hints import Hint, HintKind
from engine_service.store.journal import ClaimedRun, Driver, Writing
from engine_service.store.run_rows import StoredRun, unpack
from engine_service.store.runs import InsertedRun, NewRun, driver_of, read_starts, send_starts
from shared.database import Database
from shared.errors import Internal, Unavailable
from shared.workflow import JsonObject

log = structlog.get_logger()
T = TypeVar("T")

_MOST_RUNS = 500
_MOST_CLAIMS = 100
# Connection failures, shutdowns and lack of resources; anything else is about what was written.
_AWAY = ("08", "53", "57")


class Written(Enum):
    """What became of an entry."""

    DONE = auto()
    """It is in the journal."""
    AWAKE = auto()
    """It is, but the run does not sleep: an answer has come meanwhile."""
    LOST = auto()
    """It was refused: the run is somebody else's now, or has ended."""
    REFUSED = auto()
    """PostgreSQL will not take what it holds."""
    UNKNOWN = auto()
    """The database went away; what was committed, the journal knows."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ends; `output` and `response` are JSON text."""

    status: str
    at: datetime
    output: str | None = None
    response: str | None = None
    error: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """How a run parks.

    Attributes:
        event: What wakes it; a name that was never used before.
        seconds: When it wakes by itself; None for never.
        waits: How many of its nodes somebody outside may still answer.
    """

    event: str
    seconds: int | None
    waits: int


@dataclass(slots=True, eq=False)
class Entry:
    """What one run has to write at once. Everything in it is committed together or not at all.

    Attributes:
        first_sequence: The sequence of its first event.
        facts: Rows of the journal.
        waits: Waits that somebody may answer; `approvals` those that are put to a person.
        responded: What a node has answered to whoever waits for the run.
        release: Give the run back to whoever wants it.
        has_waited: The run may have open waits, which its end closes.
    """

    run: ClaimedRun
    first_sequence: int
    status: str | None = None
    started_at: datetime | None = None
    facts: list[JsonObject] = field(default_factory=list[JsonObject])
    events: list[JsonObject] = field(default_factory=list[JsonObject])
    waits: list[JsonObject] = field(default_factory=list[JsonObject])
    approvals: list[JsonObject] = field(default_factory=list[JsonObject])
    responded: JsonObject | None = None
    response: str | None = None
    end: End | None = None
    sleep: Sleep | None = None
    release: bool = False
    has_waited: bool = False

    @property
    def last_sequence(self) -> int:
        """The sequence of its last event."""
        return self.first_sequence + len(self.events) - 1

    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.events or self.facts or self.end or self.sleep or self.release)

    def lets_go(self) -> bool:
        """Whether the claim is over once it is written."""
        return self.release or self.end is not None or self.sleep is not None


@dataclass(slots=True, eq=False)
class _Waiting:
    entry: Entry
    written: "asyncio.Future[Written]"


@dataclass(slots=True, eq=False)
class _Starting:
    run: NewRun
    begun: "asyncio.Future[InsertedRun | None]"


@dataclass(frozen=True, slots=True)
class _Committed:
    ours: frozenset[str]
    asleep: frozenset[str]
    begun: Sequence[InsertedRun | None]
    claimed: Sequence[ClaimedRun]
    orphans: Sequence[str]


class Journal:
    """The one writer of this process.

    Args:
        database: Acts as flowloom_worker.
        feed: Is told of what was committed.
        claims: Says who we are to the queue.
        room: How many more runs this process can take on now.
        take: Is given the runs that were claimed.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        claims: dispatch.Claims,
        room: Callable[[], int],
        take: Callable[[Sequence[ClaimedRun]], None],
    ) -> None:
        self._database = database
        self._feed = feed
        self._claims = claims
        self._room = room
        self._take = take
        self._waiting: list[_Waiting] = []
        self._starting: list[_Starting] = []
        self._look = False
        self._wanted = asyncio.Event()

    async def start(self, run: NewRun) -> InsertedRun | None:
        """Let a run begin; it is stored when this returns.

        Returns:
            What became of it; None when its trigger is no longer live.

        Raises:
            Unavailable: The database is away; the run may have been stored.
            Internal: PostgreSQL refused the run.
        """
        begun: asyncio.Future[InsertedRun | None] = asyncio.get_running_loop().create_future()
        self._starting.append(_Starting(run, begun))
        self._wanted.set()
        return await begun

    def write(self, entry: Entry) -> "asyncio.Future[Written]":
        """Write an entry; entries of a run are committed in the order in which they come."""
        written: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entry, written))
        self._wanted.set()
        return written

    def look(self) -> None:
        """Look for tasks to claim, with the next transaction or with one of its own."""
        self._look = True
        self._wanted.set()

    async def run(self) -> None:
        """Flush until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            waiting, self._waiting = self._waiting[:_MOST_RUNS], self._waiting[_MOST_RUNS:]
            starting, self._starting = self._starting[:_MOST_RUNS], self._starting[_MOST_RUNS:]
            if self._waiting or self._starting:
                self._wanted.set()
            look = self._look or bool(starting)
            self._look = False
            await self._flush(waiting, starting, look=look)

    # --- one flush

    async def _flush(
        self, waiting: Sequence[_Waiting], starting: Sequence[_Starting], *, look: bool
    ) -> None:
        quantity = min(self._room(), _MOST_CLAIMS) if look else 0
        if not waiting and not starting and quantity <= 0:
            return
        try:
            await self._commit_and_tell(waiting, starting, quantity)
        except Unavailable as error:
            log.warning("journal_waits", reason=error.message, entries=len(waiting))
            _give_up(waiting, starting, error)
        except psycopg.Error as error:
            log.warning("batch_refused", entries=len(waiting), error=str(error))
            await self._one_by_one(waiting, starting)
            self._look = self._look or look
            self._wanted.set()

    async def _one_by_one(self, waiting: Sequence[_Waiting], starting: Sequence[_Starting]) -> None:
        by_run: dict[str, list[_Waiting]] = {}
        for one in waiting:
            by_run.setdefault(one.entry.run.id, []).append(one)
        for own in by_run.values():
            await self._by_itself(own, [])
        for one in starting:
            await self._by_itself([], [one])

    async def _by_itself(self, waiting: Sequence[_Waiting], starting: Sequence[_Starting]) -> None:
        try:
            await self._commit_and_tell(waiting, starting, 0)
        except Unavailable as error:
            _give_up(waiting, starting, error)
        except psycopg.Error as error:
            log.error("entry_refused", error=str(error))
            refused = isinstance(error, psycopg.DataError | psycopg.IntegrityError)
            for one in waiting:
                _settle(one.written, Written.REFUSED if refused else Written.UNKNOWN)
            for one in starting:
                if not one.begun.done():
                    one.begun.set_exception(Internal("The run cannot be stored."))

    async def _commit_and_tell(
        self, waiting: Sequence[_Waiting], starting: Sequence[_Starting], quantity: int
    ) -> None:
        entries = [one.entry for one in waiting]
        new = [one.run for one in starting]
        try:
            async with self._database.transaction() as connection:
                driver = await driver_of(connection)
                async with driver.pipeline():
                    committed = await self._write(driver, entries, new, quantity)
        except psycopg.OperationalError as error:
            if error.sqlstate is None or error.sqlstate.startswith(_AWAY):
                raise Unavailable("The database is away for the moment.") from error
            raise
        if committed.claimed:
            self._take(committed.claimed)
        if committed.orphans:
            await self._complete(committed.orphans)
        for one in waiting:
            became = _became(one.entry, committed)
            if became is not Written.LOST:
                self._tell(one.entry)
            if became is Written.DONE and one.entry.lets_go():
                self._claims.let_go(one.entry.run.claim)
            _settle(one.written, became)
        for one, begun in zip(starting, committed.begun, strict=True):
            _settle(one.begun, begun)

    async def _write(
        self, driver: Driver, entries: Sequence[Entry], new: Sequence[NewRun], quantity: int
    ) -> _Committed:
        ours = await self._fence(driver, entries) if entries else frozenset[str]()
        kept = [entry for entry in entries if entry.run.id in ours]
        asleep = begun = claimed = None
        if kept:
            await rows.send_rows(driver, _writing(kept))
            if sleeps := [_sleep(entry) for entry in kept if entry.sleep is not None]:
                asleep = await rows.send_sleeps(driver, sleeps)
            run_ids = list(dict.fromkeys(entry.run.id for entry in kept))
            await rows.send_hint(driver, Hint(HintKind.NEWS, self._claims.worker, run_ids))
        if new:
            begun = await send_starts(driver, new)
        if quantity > 0:
            worker, lease = self._claims.worker, self._claims.lease
            claimed = await rows.send_claim(driver, worker, lease, quantity)
        runs, orphans = await rows.read_claims(claimed) if claimed else ((), ())
        return _Committed(
            ours,
            frozenset([run_id for (run_id,) in await asleep.fetchall()] if asleep else ()),
            await read_starts(driver, new, begun) if begun else (),
            runs,
            orphans,
        )

    async def _complete(self, orphans: Sequence[str]) -> None:
        log.error("tasks_without_runs", count=len(orphans))
        async with self._database.transaction() as connection:
            await rows.complete(await driver_of(connection), orphans)

    async def _fence(self, driver: Driver, entries: Sequence[Entry]) -> frozenset[str]:
        claims = {entry.run.claim: entry.run.id for entry in entries}
        sent = await rows.send_fence(
            driver,
            self._claims.worker,
            [{"run_id": run_id, "claim": claim} for claim, run_id in claims.items()],
        )
        return frozenset([run_id for (run_id,) in await sent.fetchall()])

    def _tell(self, entry: Entry) -> None:
        if not self._feed.follows(entry.run.id):
            return
        events = unpack(entry.run.id, entry.first_sequence, entry.events)
        if entry.end is not None:
            run = ended_run(entry)
            events[-1] = with_run(events[-1], run)
            self._feed.ended(run)
        if entry.responded is not None:
            self._feed.responded(entry.run.id, entry.responded)
        if events:
            self._feed.tell(events)


def ended_run(entry: Entry) -> StoredRun:
    """A run as the entry that ends it leaves it."""
    run, end = entry.run, entry.end
    assert end is not None
    return StoredRun(
        id=run.id,
        tenant_id=run.tenant_id,
        workflow_id=run.workflow_id,
        version=run.version,
        status=end.status,
        mode=run.mode,
        trigger=run.trigger,
        trigger_node_id=run.trigger_node_id,
        input=run.input,
        output=end.output,
        response=end.response,
        error=end.error,
        created_at=run.created_at,
        started_at=entry.started_at or run.started_at,
        ended_at=end.at,
        last_sequence=entry.last_sequence,
        retry_of=run.retry_of,
    )


def _became(entry: Entry, committed: _Committed) -> Written:
    if entry.run.id not in committed.ours:
        return Written.LOST
    if entry.sleep is not None and entry.run.id not in committed.asleep:
        return Written.AWAKE
    return Written.DONE


def _writing(entries: Iterable[Entry]) -> Writing:
    writing = Writing([], [], [], [], [], [], [], [])
    moves: dict[str, JsonObject] = {}
    for entry in entries:
        run_id = entry.run.id
        writing.facts += entry.facts
        writing.waits += entry.waits
        writing.approvals += entry.approvals
        if entry.events:
            writing.events.append(_packed(entry))
        said = {name: value for name, value in _move(entry).items() if value is not None}
        moves[run_id] = {**moves.get(run_id, {}), **said}
        if entry.end is not None:
            writing.complete.append(entry.run.claim)
            if entry.has_waited:
                writing.close_waits.append(run_id)
        elif entry.release:
            writing.release.append(entry.run.claim)
    writing.moves = list(moves.values())
    return writing


def _packed(entry: Entry) -> JsonObject:
    """The events of an entry as one row, named by the last of them."""
    return {
        "run_id": entry.run.id,
        "sequence": entry.last_sequence,
        "tenant_id": entry.run.tenant_id,
        "events": orjson.dumps(entry.events).decode(),
    }


def _move(entry: Entry) -> JsonObject:
    """What changes in the run's row; None leaves it as it is."""
    end = entry.end or End("", entry.run.created_at)
    return {
        "run_id": entry.run.id,
        "status": end.status or entry.status,
        "last_sequence": entry.last_sequence if entry.events else None,
        "started_at": entry.started_at,
        "output": end.output,
        "response": end.response or entry.response,
        "error": None if end.error is None else orjson.dumps(end.error).decode(),
        "wake_event": entry.sleep.event if entry.sleep else None,
        "ended_at": end.at if entry.end else None,
    }


def _sleep(entry: Entry) -> JsonObject:
    assert entry.sleep is not None
    return {
        "run_id": entry.run.id,
        "task": entry.run.task,
        "claim": entry.run.claim,
        "event": entry.sleep.event,
        "seconds": entry.sleep.seconds,
        "waits": entry.sleep.waits,
    }


def _settle(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():
        future.set_result(result)


def _give_up(
    waiting: Iterable[_Waiting], starting: Iterable[_Starting], error: Unavailable
) -> None:
    for one in waiting:
        _settle(one.written, Written.UNKNOWN)
    for one in starting:
        if not one.begun.done():
            one.begun.set_exception(error)
