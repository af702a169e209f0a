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
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import psycopg
import structlog

from engine_service import dispatch
from engine_service.metrics import RECOVERY
from engine_service.running.entry import (
    Entry,
    Written,
    claim_row,
    ended_run,
    sleep_row,
    slot_row,
    taken_up,
    writing_rows,
)
from engine_service.running.feed import Feed, with_run
from engine_service.store import journal as rows
from engine_service.store.families import cancel_below, send_parent_wakes
from engine_service.store.hints import Hint, HintKind
from engine_service.store.journal import Claim, ClaimedRun, Cursor, Driver
from engine_service.store.line import send_free
from engine_service.store.link import Link
from engine_service.store.run_rows import unpack
from engine_service.store.runs import InsertedRun, NewRun, Taken, read_starts, send_starts
from shared.database import Database
from shared.errors import Internal, Unavailable

log = structlog.get_logger()
T = TypeVar("T")

_MOST_RUNS = 500
_MOST_CLAIMS = 100
_TICK = 0.002  # a moment has come only when PostgreSQL's clock is past it


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
    claimed: Sequence[Claim]
    due: float


@dataclass(frozen=True, slots=True)
class _Share:
    """How many runs this process takes up: of those that begin, and of those in the queue."""

    starts: int
    claims: int


@dataclass(slots=True)
class _Sent:
    """What a pipeline was sent, until its results can be read."""

    ours: Cursor | None = None
    asleep: Cursor | None = None
    begun: Cursor | None = None
    claimed: Sequence[Cursor] = ()
    due: Cursor | None = None


class Journal:
    """The one writer of this process.

    Args:
        database: Acts as flowloom_worker.
        feed: Is told of what was committed.
        claims: Says who we are to the queue.
        room: How many more runs this process can take on now.
        take: Is given the runs that were claimed.
        poll: Seconds between two looks for tasks when nothing hints at any.

    Attributes:
        is_behind: There is more to be claimed than there was room for.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        claims: dispatch.Claims,
        room: Callable[[], int],
        take: Callable[[Sequence[ClaimedRun]], None],
        poll: float,
    ) -> None:
        self._link = Link(database)
        self._feed = feed
        self._claims = claims
        self._room = room
        self._take = take
        self._waiting: list[_Waiting] = []
        self._starting: list[_Starting] = []
        self._poll = poll
        self._look = False
        self._look_at = 0.0
        self.is_behind = False
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
        if entry.lets_go():
            self._claims.leave(entry.run.claim)
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
        try:
            await self._run()
        finally:
            await self._link.close()

    async def _run(self) -> None:
        while True:
            if not self._wanted.is_set():
                await self._rest()
            self._wanted.clear()
            waiting, self._waiting = self._waiting[:_MOST_RUNS], self._waiting[_MOST_RUNS:]
            starting, self._starting = self._starting[:_MOST_RUNS], self._starting[_MOST_RUNS:]
            if self._waiting or self._starting:
                self._wanted.set()
            look, self._look = self._look, False
            await self._flush(waiting, starting, look=look)

    async def _rest(self) -> None:
        """Wait for something to write, or until it is time to look for tasks."""
        try:
            async with asyncio.timeout_at(self._look_at):
                await self._wanted.wait()
        except TimeoutError:
            self._look = True

    def _look_again_in(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        self._look_at = now + min(seconds, self._poll)

    # --- one flush

    async def _flush(
        self, waiting: Sequence[_Waiting], starting: Sequence[_Starting], *, look: bool
    ) -> None:
        room = self._room()
        # Who is behind takes up the oldest runs first, not those that begin now.
        most = 0 if self.is_behind else min(room, len(starting))
        look = look or most < len(starting) or any(_frees_slot(one.entry) for one in waiting)
        quantity = min(room - most, _MOST_CLAIMS) if look else 0
        if look:
            self.is_behind = quantity <= 0
            self._look_again_in(self._poll)
        if not waiting and not starting and quantity <= 0:
            return
        try:
            await self._commit_and_tell(waiting, starting, _Share(most, quantity))
        except Unavailable as error:
            log.warning("journal_waits", reason=error.message, entries=len(waiting))
            _give_up(waiting, starting, error)
        except psycopg.Error as error:
            log.warning("batch_refused", entries=len(waiting), error=str(error))
            await self._one_by_one(waiting, starting)
            self.look()

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
            await self._commit_and_tell(waiting, starting, _Share(0, 0))
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
        self, waiting: Sequence[_Waiting], starting: Sequence[_Starting], share: _Share
    ) -> None:
        entries = [one.entry for one in waiting]
        new = [one.run for one in starting]
        committed = await self._commit(entries, new, share)
        if share.claims:
            self.is_behind = len(committed.claimed) >= share.claims
            self._look_again_in(committed.due + _TICK)
        taken = [
            taken_up(run, *begun.claim)
            for run, begun in zip(new, committed.begun, strict=True)
            if begun is not None and begun.claim is not None
        ]
        if taken:
            self._take(taken)
        if not share.claims and any(begun and begun.waits for begun in committed.begun):
            self.look()
        for one in waiting:
            became = _became(one.entry, committed)
            if became is not Written.LOST:
                self._tell(one.entry)
            if became is Written.DONE and one.entry.lets_go():
                self._claims.let_go(one.entry.run.claim)
                self._wake_for(one.entry)
            elif became is Written.AWAKE:
                self._claims.stay(one.entry.run.claim)
            _settle(one.written, became)
        for one, begun in zip(starting, committed.begun, strict=True):
            _settle(one.begun, begun)
        if committed.claimed:
            await self._take_up(committed.claimed)

    async def _commit(
        self, entries: Sequence[Entry], new: Sequence[NewRun], share: _Share
    ) -> _Committed:
        worker, lease, sent = self._claims.worker, self._claims.lease, _Sent()
        async with self._link.pipeline() as driver:
            if entries:
                sent.ours = await rows.send_writing(driver, worker, writing_rows(entries))
                if sleeps := [sleep_row(entry) for entry in entries if entry.sleep is not None]:
                    sent.asleep = await rows.send_sleeps(driver, worker, sleeps)
                await self._send_family(driver, entries)
                if releases := [claim_row(entry) for entry in entries if entry.release]:
                    await rows.send_releases(driver, worker, releases)
                if freed := [slot_row(entry) for entry in entries if _frees_slot(entry)]:
                    await send_free(driver, freed)
                run_ids = list(dict.fromkeys(entry.run.id for entry in entries))
                await rows.send_hint(driver, Hint(HintKind.NEWS, worker, run_ids))
            if new:
                sent.begun = await send_starts(driver, new, Taken(worker, lease, share.starts))
            if share.claims > 0:
                sent.claimed = await rows.send_claim(driver, worker, lease, share.claims)
                sent.due = await rows.send_due(driver)
        try:
            return await _read(driver, new, sent)
        except psycopg.Error as error:  # all is committed; the claims will lapse
            raise Unavailable("The database went away while it answered.") from error

    async def _send_family(self, driver: Driver, entries: Sequence[Entry]) -> None:
        """What entries mean for other runs: those they begin, wait for, or are waited for by."""
        if starts := [run for entry in entries for run in entry.starts]:
            await send_starts(driver, starts)
            await rows.send_hint(driver, Hint(HintKind.WORK))
        ended = [entry.run for entry in entries if entry.end is not None]
        if children := [run for run in ended if run.parent_run_id is not None]:
            parents = [run.parent_run_id for run in children if run.parent_run_id is not None]
            await send_parent_wakes(driver, [run.id for run in children], parents)
        for entry in entries:
            if entry.end is not None and entry.stops_children:
                reason = "The run that waited for it has failed."
                await cancel_below(driver, [entry.run.id], reason, entry.end.at)

    def _wake_for(self, entry: Entry) -> None:
        """Look when a run wakes that has just been parked, if that is soon."""
        if entry.sleep is not None and entry.sleep.seconds is not None:
            wakes_at = asyncio.get_running_loop().time() + entry.sleep.seconds + _TICK
            self._look_at = min(self._look_at, wakes_at)

    async def _take_up(self, claims: Sequence[Claim]) -> None:
        """Take up the runs whose tasks were claimed; if that fails, the claims lapse."""
        try:
            async with self._link.connected() as driver:
                runs, orphans = await rows.read_claimed_runs(driver, claims)
                if orphans:
                    log.error("tasks_without_runs", run_ids=orphans)
                    await rows.drop(driver, orphans)
        except (Unavailable, psycopg.Error) as error:
            log.warning("claims_let_go", count=len(claims), reason=str(error))
        else:
            self._take(runs)

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


def _became(entry: Entry, committed: _Committed) -> Written:
    if entry.run.id not in committed.ours:
        return Written.LOST
    if entry.sleep is not None and entry.run.id not in committed.asleep:
        return Written.AWAKE
    return Written.DONE


async def _read(driver: Driver, new: Sequence[NewRun], sent: _Sent) -> _Committed:
    for seconds in await rows.read_freed(sent.claimed):
        RECOVERY.observe(seconds)
    return _Committed(
        ours=await _ids(sent.ours),
        asleep=await _ids(sent.asleep),
        begun=await read_starts(driver, new, sent.begun) if sent.begun else [],
        claimed=await rows.read_claims(sent.claimed),
        due=await rows.read_due(sent.due) if sent.due else math.inf,
    )


def _frees_slot(entry: Entry) -> bool:
    return entry.run.counted and (entry.end is not None or entry.sleep is not None)


async def _ids(sent: Cursor | None) -> frozenset[str]:
    return frozenset([row[0] for row in await sent.fetchall()] if sent else ())


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
