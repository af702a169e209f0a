"""Events as they are stored and read: keyed, and the terminal one with the session whole."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from agent_service.store.events import NewEvent
from agent_service.store.sessions import StoredSession
from shared.session_events import SessionEventData, SessionView, TurnCompleted, WorkflowView

Outcome = Literal["delivered", "asked", "answered", "failed", "cancelled"]


def as_new_event(key: str, event: SessionEventData) -> NewEvent:
    """An event under its key within the turn."""
    return NewEvent(key, event.type, event.model_dump(mode="json"))


def completed(
    session: StoredSession,
    turn_id: str,
    outcome: Outcome,
    workflow: WorkflowView | None,
    now: datetime,
) -> TurnCompleted:
    """The terminal event of a turn; the session in it counts that event already."""
    ended = replace(session, last_sequence=session.last_sequence + 1, updated_at=now)
    return TurnCompleted(
        turn_id=turn_id, outcome=outcome, session=session_view(ended), workflow=workflow
    )


def session_view(session: StoredSession) -> SessionView:
    """A session, whole."""
    return SessionView(
        id=session.id,
        title=session.title,
        mode=session.mode,
        status=session.status,
        workflow_id=session.workflow_id or "",
        last_sequence=session.last_sequence,
        create_time=session.created_at,
        update_time=session.updated_at,
    )
