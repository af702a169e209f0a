"""The turns of this process: begun in one transaction, kept under leases, cancelled, taken over.

A turn runs in a task of this process and stops for nobody who merely leaves. When the process dies,
its lease runs out and another (or the same, restarted) takes the turn over: the graph continues
from its last checkpoint, and events that were published already are not published again.

    begin ─▶ row + user's message + turn.started ─▶ task: the graph, step by step ─▶ turn.completed
                                                      ▲
    take over (a lease ran out) ──────────────────────┘
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from agent_service import metrics
from agent_service.history import History
from agent_service.store.messages import StoredMessage, insert_messages
from agent_service.store.sessions import StoredSession, lock_session
from agent_service.store.turns import (
    StoredTurn,
    end_turn,
    extend_leases,
    find_running_turn,
    find_turn_by_key,
    insert_turn,
    release_leases,
    take_over,
)
from agent_service.views import as_new_event, completed
from agent_service.work import Work, tell_turn
from shared.clock import Clock
from shared.database import Database
from shared.errors import Conflict, LimitReached, Unavailable
from shared.identity import Principal
from shared.ids import new_id
from shared.session_events import TurnStarted
from shared.tracing.trail import at_hand

log = structlog.get_logger()

_TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a person says in a session."""

    text: str
    answers: Mapping[str, str]
    auto: bool
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one process takes on, and for how long it is believed to be alive."""

    max_turns: int
    lease_seconds: float


class Turns:
    """The turns this process works on.

    Args:
        database: As flowloom_app.
        worker: As flowloom_worker, which sees leases across tenants.
        history: Where events go.
        work: Who works on a turn.
        limits: How much, how long.
        clock: What time it is.
    """

    def __init__(
        self,
        database: Database,
        worker: Database,
        history: History,
        work: Work,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._database = database
        self._worker = worker
        self._history = history
        self._work = work
        self._limits = limits
        self._clock = clock
        self._owner = new_id("agent")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._alive_until = clock.now()
        self._draining = False

    # --- on behalf of a caller

    async def begin(
        self, principal: Principal, session_id: str, spoken: Spoken
    ) -> tuple[StoredSession, StoredTurn]:
        """Store what was said and begin to work on it; a known key gives the turn it began.

        Raises:
            NotFound: There is no such session.
            Conflict: A turn is under way.
            LimitReached: This process has enough to do.
        """
        async with self._database.transaction(principal.tenant_id) as connection:
            session = await lock_session(connection, session_id)
            if spoken.idempotency_key and (
                known := await find_turn_by_key(connection, session_id, spoken.idempotency_key)
            ):
                return session, known
            self._refuse_if_busy(session)
            session, turn = await self._store(connection, principal, session, spoken)
        self._history.wake(session_id)
        self._start(turn)
        return session, turn

    def _refuse_if_busy(self, session: StoredSession) -> None:
        if session.status == "working":
            raise Conflict(
                "The consultant is still at work on the last message.", reason="TURN_UNDER_WAY"
            )
        if self._draining or len(self._tasks) >= self._limits.max_turns:
            raise LimitReached(
                "The consultant has too much to do at the moment.",
                reason="TOO_MANY_TURNS",
                metadata={"retry_after": "5"},
            )

    async def _store(
        self,
        connection: AsyncConnection,
        principal: Principal,
        session: StoredSession,
        spoken: Spoken,
    ) -> tuple[StoredSession, StoredTurn]:
        now = self._clock.now()
        started = TurnStarted(
            turn_id=new_id("turn"),
            message_id=new_id("msg"),
            text=spoken.text,
            answers=dict(spoken.answers),
            auto=spoken.auto,
        )
        turn = StoredTurn(
            id=started.turn_id,
            tenant_id=session.tenant_id,
            session_id=session.id,
            status="running",
            outcome=None,
            request=started.model_dump(mode="json"),
            principal=principal.model_dump(mode="json"),
            idempotency_key=spoken.idempotency_key or None,
            first_sequence=session.last_sequence + 1,
            lease_owner=self._owner,
            lease_until=now + timedelta(seconds=self._limits.lease_seconds),
            attempt=1,
            created_at=now,
            ended_at=None,
            **asdict(at_hand()),
        )
        await insert_turn(connection, turn)
        said = StoredMessage(
            id=started.message_id,
            tenant_id=session.tenant_id,
            session_id=session.id,
            author="user",
            text=_as_text(spoken),
            created_at=now,
        )
        await insert_messages(connection, [said])
        titled = replace(session, status="working", title=session.title or _title(spoken))
        event = as_new_event("started", started)
        return await self._history.write(connection, titled, turn.id, [event]), turn

    async def cancel(self, principal: Principal, session_id: str) -> StoredSession:
        """End the turn under way, whoever works on it; without one the session stays as it is.

        The turn has ended when this returns. Its worker finds that out at its next write, or when
        it next extends its lease.
        """
        async with self._database.transaction(principal.tenant_id) as connection:
            session = await lock_session(connection, session_id)
            turn = await find_running_turn(connection, session_id)
            if turn is None:
                return session
            now = self._clock.now()
            await end_turn(connection, turn.id, "cancelled", now)
            idle = replace(session, status="idle")
            last = completed(idle, turn.id, "cancelled", None, now)
            event = as_new_event(f"last.{last.type}", last)
            session = await self._history.write(connection, idle, turn.id, [event])
        self._history.wake(session_id)
        if task := self._tasks.get(turn.id):
            task.cancel()
        tell_turn(turn, "cancelled", now)
        return session

    # --- the process's own loop

    async def run(self) -> None:
        """Keep the leases, take over what others dropped; runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            while True:
                await self._tend()
                pause = timedelta(seconds=self._limits.lease_seconds / 4)
                await self._clock.sleep_until(self._clock.now() + pause)

    async def _tend(self) -> None:
        try:
            async with asyncio.timeout(self._limits.lease_seconds / 2):
                await self._tend_leases()
        except (Unavailable, TimeoutError):
            log.warning("leases_not_extended")
            if self._clock.now() > self._alive_until:
                self._stop(set(self._tasks))  # others believe us dead by now

    async def _tend_leases(self) -> None:
        seconds = self._limits.lease_seconds
        mine = set(self._tasks)
        dropped: list[StoredTurn] = []
        async with self._worker.transaction() as connection:
            kept = await extend_leases(connection, self._owner, list(mine), seconds)
            room = self._limits.max_turns - len(mine)
            if room > 0 and not self._draining:
                dropped.extend(await take_over(connection, self._owner, seconds, room))
        self._alive_until = self._clock.now() + timedelta(seconds=seconds)
        self._stop(mine - kept)
        for turn in dropped:
            log.info("turn_taken_over", turn_id=turn.id, attempt=turn.attempt)
            metrics.TAKEN_OVER.inc()
            self._start(turn)

    def _start(self, turn: StoredTurn) -> None:
        if self._group is None:
            raise RuntimeError("turns can be started only while run() is running")
        task = self._group.create_task(self._work.do(turn))
        self._tasks[turn.id] = task
        metrics.ACTIVE.inc()
        task.add_done_callback(lambda _: self._done(turn.id))

    def _done(self, turn_id: str) -> None:
        self._tasks.pop(turn_id, None)
        metrics.ACTIVE.dec()

    def _stop(self, turn_ids: set[str]) -> None:
        for turn_id in turn_ids:
            if task := self._tasks.get(turn_id):
                task.cancel()

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, give what is under way so long, and hand over the rest."""
        self._draining = True
        if tasks := list(self._tasks.values()):
            await asyncio.wait(tasks, timeout=seconds)
        self._stop(set(self._tasks))
        with suppress(Unavailable):
            async with self._worker.transaction() as connection:
                await release_leases(connection, self._owner)


def _title(spoken: Spoken) -> str:
    text = " ".join(spoken.text.split())
    return text if len(text) <= _TITLE_LENGTH else text[: _TITLE_LENGTH - 1] + "…"


def _as_text(spoken: Spoken) -> str:
    """What was said, answers included, as a message reads."""
    return "\n".join([*([spoken.text] if spoken.text else []), *spoken.answers.values()])
