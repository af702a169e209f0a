"""Working on one turn: the graph from where it stands to its end, and the turn's last words.

What a turn does is published under its lease. What goes wrong is told in an `error` event; only a
database that is away leaves a turn as it is, for whoever takes it over when the lease runs out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from langchain_core.runnables import RunnableConfig
from structlog.contextvars import bind_contextvars

from agent_service import checkpoints
from agent_service.author import Author, Library
from agent_service.checkpoints import Checkpoints
from agent_service.desk import Desk, to_usage
from agent_service.engine import Engine
from agent_service.graph import Conversation
from agent_service.history import History
from agent_service.metrics import TURN_DURATION, TURNS
from agent_service.state import Outgoing, State, Turn, at_start
from agent_service.store.sessions import get_session, lock_session
from agent_service.store.turns import Lease, LeaseLost, StoredTurn, end_turn, hold
from agent_service.views import Outcome, as_new_event, completed
from shared.clock import Clock
from shared.database import Database
from shared.errors import AppError, Internal, Unavailable
from shared.llm import Usage
from shared.rpc import call
from shared.session_events import ErrorHappened, SessionEventData, UsageReported
from shared.tracing.spans import Attributes
from shared.tracing.trail import Ended

log = structlog.get_logger()

_MAX_STEPS = 60
_MAX_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Workshop:
    """What turns are worked on with; `hire` gives a session's author what it has spent so far."""

    hire: Callable[[Usage], Author]
    engine: Engine
    library: Library
    conversation: Conversation
    checkpoints: Checkpoints
    max_repairs: int


class Work:
    """Works on turns, one call for each."""

    def __init__(
        self, database: Database, history: History, workshop: Workshop, clock: Clock
    ) -> None:
        self._database = database
        self._history = history
        self._workshop = workshop
        self._clock = clock

    async def do(self, turn: StoredTurn) -> None:
        """Bring a turn to its end, from wherever it stands; whose turn it is says its row."""
        lease = Lease(turn.tenant_id, turn.session_id, turn.id, turn.lease_owner)
        context = turn.trail.call(turn.id, turn.on_behalf_of())
        bind_contextvars(turn_id=turn.id)  # the turn's task ends with it
        try:
            with call.use(context), checkpoints.under(lease):
                await self._attempt(turn, lease)
        except LeaseLost:
            log.info("turn_left", turn_id=turn.id)
        except Unavailable:
            log.warning("turn_dropped", turn_id=turn.id)

    async def _attempt(self, turn: StoredTurn, lease: Lease) -> None:
        try:
            if turn.attempt > _MAX_ATTEMPTS:
                raise Internal("The consultant could not finish this; please say it differently.")
            state = await self._converse(turn, lease)
        except LeaseLost:
            raise
        except AppError as error:
            await self._end(turn, lease, None, error)
        except Exception as error:
            # The border of a turn: whatever a step did not foresee ends the turn, not the
            # process, and is told to nobody in detail.
            log.error("turn_failed", turn_id=turn.id, exc_info=error)
            await self._end(turn, lease, None, Internal("Something went wrong on our side."))
        else:
            await self._end(turn, lease, state, None)

    async def _converse(self, turn: StoredTurn, lease: Lease) -> State:
        """Run the graph from where this turn stands to the end."""
        conversation = self._workshop.conversation
        config: RunnableConfig = {
            "configurable": {"thread_id": turn.session_id},
            "recursion_limit": _MAX_STEPS,
        }
        before = await conversation.aget_state(config)
        state = State.model_validate(before.values)
        begun = state.turn.id == turn.id
        if not begun or before.next:
            given = None if begun else at_start(await self._said(turn))
            desk = self._desk(turn, lease, state)
            values = await conversation.ainvoke(given, config, context=desk, durability="sync")
            state = State.model_validate(values)
        await self._workshop.checkpoints.prune(turn.tenant_id, turn.session_id)
        await self._history.append(lease, state.outbox)
        return state

    async def _said(self, turn: StoredTurn) -> Turn:
        async with self._database.transaction(turn.tenant_id) as connection:
            session = await get_session(connection, turn.session_id)
        return Turn(
            id=turn.id,
            text=turn.request["text"],
            answers=turn.request["answers"],
            auto=turn.request["auto"],
            mode=session.mode,
            workflow_id=session.workflow_id or "",
            source_id=session.source_id or "",
            started_at=turn.created_at,
        )

    def _desk(self, turn: StoredTurn, lease: Lease, state: State) -> Desk:
        async def publish(outgoing: Sequence[Outgoing]) -> None:
            await self._history.append(lease, outgoing)

        return Desk(
            author=self._workshop.hire(to_usage(state.spent)),
            engine=self._workshop.engine,
            library=self._workshop.library,
            publish=publish,
            retried=turn.attempt > 1,
            max_repairs=self._workshop.max_repairs,
        )

    async def _end(
        self, turn: StoredTurn, lease: Lease, state: State | None, error: AppError | None
    ) -> None:
        """Close the turn: its last events, and where the session stands now."""
        outcome: Outcome = "failed" if state is None else state.outcome or "answered"
        workflow = state.workflow if state and state.workflow and state.workflow.id else None
        async with self._database.transaction(lease.tenant_id) as connection:
            session = await lock_session(connection, lease.session_id)
            await hold(connection, lease)
            now = self._clock.now()
            await end_turn(connection, lease.turn_id, outcome, now)
            after = replace(
                session,
                status="asking" if outcome == "asked" else "idle",
                workflow_id=workflow.id if workflow else session.workflow_id,
            )
            last = _last_words(lease.turn_id, state, error)
            counted = replace(after, last_sequence=after.last_sequence + len(last))
            last.append(completed(counted, lease.turn_id, outcome, workflow, now))
            made = [as_new_event(f"last.{event.type}", event) for event in last]
            await self._history.write(connection, after, lease.turn_id, made)
        self._history.wake(lease.session_id)
        tell_turn(turn, outcome, now, error.code if error else "")


def tell_turn(turn: StoredTurn, outcome: str, at: datetime, failure: str = "") -> None:
    """Count a turn that has ended, and send its span."""
    TURNS.labels(outcome).inc()
    TURN_DURATION.observe(max((at - turn.created_at).total_seconds(), 0.0))
    attributes: Attributes = {
        "flowloom.turn.id": turn.id,
        "flowloom.turn.outcome": outcome,
        "flowloom.session.id": turn.session_id,
    }
    turn.trail.end(turn.id, Ended("turn", attributes, turn.created_at, at, failure))


def _last_words(
    turn_id: str, state: State | None, error: AppError | None
) -> list[SessionEventData]:
    """What is said right before the terminal event: the bill, or what went wrong."""
    if error is not None:
        return [
            ErrorHappened(
                turn_id=turn_id,
                code=error.code,
                message=error.message,
                retryable=error.retryable,
            )
        ]
    if state is not None and state.turn_spent.model:
        return [UsageReported(turn_id=turn_id, **state.turn_spent.model_dump())]
    return []
