"""Fires clock triggers: takes due rows, starts their runs, and says when they are due again.

Any number of engines run this loop. A due row belongs to whoever locks it first; its runs begin and
its `next_fire_at` moves on in that same transaction, each run under a key made of trigger and tick.
So a tick gives one run, whichever engine dies when. PostgreSQL hints at new triggers; a slow poll
makes up for hints that get lost.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import structlog
from pydantic import ValidationError

from engine_service.catalogue import Catalogue
from engine_service.metrics import SCHEDULE_SKEW
from engine_service.sdk.node import NodeParameters
from engine_service.sdk.trigger import ClockTrigger, TickPolicy
from engine_service.store import triggers
from engine_service.store.runs import NewRun, insert_runs
from engine_service.store.triggers import LiveTrigger
from engine_service.triggering.rounds import Rounds
from shared.clock import Clock
from shared.database import Database
from shared.ids import new_id
from shared.notifications import Notifications
from shared.tracing import spans

log = structlog.get_logger()

_POLL = timedelta(seconds=30)
BATCH = 100
_TICKS_AT_ONCE = 100
_PUT_OFF = timedelta(hours=1)
_LOOK_BACK = (timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(days=31))


class Rhythm:
    """One clock trigger's ticks: which of them to run now, and when the next one comes."""

    def __init__(
        self, trigger: ClockTrigger[Any], parameters: NodeParameters, timezone: str
    ) -> None:
        self._trigger = trigger
        self._parameters = parameters
        self._timezone = timezone
        self.policy: TickPolicy = trigger.policy(parameters)

    def due(self, first: datetime, now: datetime) -> tuple[list[datetime], datetime | None]:
        """The ticks to run, from `first` on, and the one to wait for.

        A tick that is merely late runs; of missed ones the policy says which. Of very many, the
        rest stays due.
        """
        missed_before = now - self.policy.missed_after
        ticks: list[datetime] = []
        if first < missed_before and self.policy.catch_up != "all":
            if self.policy.catch_up == "latest":
                ticks.append(self._latest(first, missed_before))
            upcoming = self.after(missed_before - timedelta(microseconds=1))
        else:
            upcoming = first
        while upcoming is not None and upcoming <= now and len(ticks) < _TICKS_AT_ONCE:
            ticks.append(upcoming)
            upcoming = self.after(upcoming)
        return ticks, upcoming

    def after(self, moment: datetime) -> datetime | None:
        """The first tick after a moment, if there is one."""
        return self._trigger.next_fire_at(self._parameters, moment, self._timezone)

    def input(self, tick: datetime) -> str:
        """What the run of a tick is given, as JSON."""
        item = self._trigger.tick_item(self._parameters, tick, self._timezone)
        return orjson.dumps([item]).decode()

    def _latest(self, first: datetime, before: datetime) -> datetime:
        """The last tick before a moment, found without walking through all of them."""
        for span in _LOOK_BACK:
            if before - span > first and (found := self._last_within(before - span, before)):
                return found
        return self._last_within(first, before) or first

    def _last_within(self, start: datetime, before: datetime) -> datetime | None:
        last = None
        upcoming = self.after(start)
        while upcoming is not None and upcoming < before:
            last, upcoming = upcoming, self.after(upcoming)
        return last


class Scheduler:
    """The loop.

    Args:
        database: Acts as flowloom_worker.
    """

    def __init__(
        self,
        database: Database,
        notifications: Notifications,
        catalogue: Catalogue,
        clock: Clock,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._clock = clock
        self._rounds = Rounds("scheduler", notifications, triggers.CHANNEL, clock, _POLL)

    async def run(self) -> None:
        """Fire until cancelled; a database that is away is waited for."""
        await self._rounds.run(self._fire_all)

    async def fire_due(self) -> int:
        """Start the runs of what is due, in one transaction.

        Returns:
            How many triggers were due; a full batch if there may be more.
        """
        async with self._database.transaction() as connection:
            now = self._clock.now()
            taken = await triggers.take_due(connection, now, BATCH)
            rhythms = [(row, self._rhythm(row)) for row in taken]
            wary = [
                row.workflow_id
                for row, rhythm in rhythms
                if rhythm is not None and rhythm.policy.overlap == "skip"
            ]
            busy = await triggers.find_busy_workflows(connection, wary)
            runs: list[NewRun] = []
            due: dict[str, datetime | None] = {}
            for row, rhythm in rhythms:
                if rhythm is None:
                    due[row.id] = now + _PUT_OFF
                    continue
                ticks, due[row.id] = rhythm.due(row.next_fire_at or now, now)
                if rhythm.policy.overlap == "skip":
                    ticks = [] if row.workflow_id in busy else ticks[:1]
                    busy.update([row.workflow_id] if ticks else [])
                runs += [begin(row, rhythm, tick, now) for tick in ticks]
                for tick in ticks:
                    SCHEDULE_SKEW.observe(max((now - tick).total_seconds(), 0.0))
            if runs:
                await insert_runs(connection, runs)
            await triggers.advance(connection, due)
            return len(taken)

    async def _fire_all(self) -> datetime:
        """Fire whatever is due, and say when to look again."""
        while (fired := await self.fire_due()) == BATCH:
            pass
        async with self._database.transaction() as connection:
            due_at = await triggers.find_next_fire_at(connection)
        return self._rounds.next_look(due_at, at_once=bool(fired))

    def _rhythm(self, row: LiveTrigger) -> Rhythm | None:
        """The rhythm of a row; None for one this version of the engine cannot read."""
        trigger = self._catalogue.find(row.type)
        if isinstance(trigger, ClockTrigger):
            try:
                parameters = trigger.Parameters.model_validate(row.parameters)
            except ValidationError as error:
                log.error("trigger_unreadable", trigger_id=row.id, error=str(error))
                return None
            return Rhythm(trigger, parameters, row.timezone)
        log.error("trigger_unreadable", trigger_id=row.id, error=f"unknown type {row.type}")
        return None


def upcoming(row: LiveTrigger, catalogue: Catalogue, most: int) -> list[datetime]:
    """The next times that a live clock trigger fires; none for others."""
    trigger = catalogue.find(row.type)
    if row.next_fire_at is None or not isinstance(trigger, ClockTrigger):
        return []
    try:
        rhythm = Rhythm(trigger, trigger.Parameters.model_validate(row.parameters), row.timezone)
    except ValidationError:
        return []
    moments = [row.next_fire_at]
    while len(moments) < most and (following := rhythm.after(moments[-1])) is not None:
        moments.append(following)
    return moments


def begin(row: LiveTrigger, rhythm: Rhythm, tick: datetime, now: datetime) -> NewRun:
    """The run of a tick, which begins a trace."""
    with spans.span(f"fire {row.type}", "producer", {"flowloom.trigger.type": row.type}):
        return _new_run(row, rhythm, tick, now)


def _new_run(row: LiveTrigger, rhythm: Rhythm, tick: datetime, now: datetime) -> NewRun:
    return NewRun(
        id=new_id("run"),
        tenant_id=row.tenant_id,
        workflow_id=row.workflow_id,
        version=row.version,
        mode="live",
        trigger=row.type,
        trigger_node_id=row.node_id,
        input=rhythm.input(tick),
        created_at=now,
        trigger_id=row.id,
        idempotency_key=f"tick:{row.id}:{tick.astimezone(UTC).isoformat()}",
    )
