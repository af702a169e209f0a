"""Rows ⇄ protobuf: the only place that knows both, the engine's client apart."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from google.protobuf.timestamp_pb2 import Timestamp

from agent_service.author import Passage
from agent_service.store.events import StoredEvent
from agent_service.store.messages import StoredMessage
from agent_service.store.sessions import SessionMode, StoredSession
from shared.errors import InvalidInput, Violation
from shared.pb.flowloom.agent.v1 import knowledge_service_pb2, session_pb2
from shared.pb.flowloom.common.v1.document_pb2 import Document

_MODES: Mapping[int, SessionMode] = {
    session_pb2.SESSION_MODE_UNSPECIFIED: "create",
    session_pb2.SESSION_MODE_CREATE: "create",
    session_pb2.SESSION_MODE_EDIT: "edit",
    session_pb2.SESSION_MODE_COPY: "copy",
}


def to_timestamp(moment: datetime) -> Timestamp:
    """An aware moment on the wire."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def from_mode(mode: int) -> SessionMode:
    """What a session is for; create when it was not said."""
    return _MODES[mode]


def to_session(session: StoredSession) -> session_pb2.Session:
    """A session on the wire."""
    return session_pb2.Session(
        id=session.id,
        title=session.title,
        mode=session_pb2.SessionMode.Value(f"SESSION_MODE_{session.mode.upper()}"),
        status=session_pb2.SessionStatus.Value(f"SESSION_STATUS_{session.status.upper()}"),
        workflow_id=session.workflow_id or "",
        last_sequence=session.last_sequence,
        create_time=to_timestamp(session.created_at),
        update_time=to_timestamp(session.updated_at),
    )


def to_message(message: StoredMessage) -> session_pb2.Message:
    """A message on the wire."""
    return session_pb2.Message(
        id=message.id,
        session_id=message.session_id,
        author=session_pb2.Author.Value(f"AUTHOR_{message.author.upper()}"),
        text=message.text,
        create_time=to_timestamp(message.created_at),
    )


def to_events(events: Sequence[StoredEvent]) -> list[session_pb2.SessionEvent]:
    """Events on the wire."""
    return [
        session_pb2.SessionEvent(
            session_id=event.session_id,
            sequence=event.sequence,
            type=event.type,
            time=to_timestamp(event.created_at),
            data=Document(json=json.dumps(event.data, ensure_ascii=False).encode()),
        )
        for event in events
    ]


def to_hit(passage: Passage) -> knowledge_service_pb2.KnowledgeHit:
    """A search hit on the wire."""
    return knowledge_service_pb2.KnowledgeHit(
        kind=passage.kind,
        name=passage.name,
        title=passage.title,
        excerpt=passage.text,
        similarity=passage.similarity,
        score=passage.score,
    )


def from_answers(document: Document) -> dict[str, str]:
    """Answers to questions, by question id.

    Raises:
        InvalidInput: It is no object, or an answer is neither text, number nor yes or no.
    """
    if not document.json:
        return {}
    try:
        value: object = json.loads(document.json)
    except ValueError as error:
        raise _answers_refused("", "The answers are not JSON.") from error
    if not isinstance(value, dict):
        raise _answers_refused("", "The answers are an object from question id to answer.")
    answers = cast("dict[str, Any]", value)
    for name, answer in answers.items():
        if not isinstance(answer, str | int | float):
            raise _answers_refused(f"/{name}", "An answer is a text, a number, true or false.")
    return {name: _as_text(answer) for name, answer in answers.items()}


def _as_text(answer: str | float) -> str:
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return str(answer)


def _answers_refused(place: str, message: str) -> InvalidInput:
    violation = Violation(f"/answers{place}", "malformed", message)
    return InvalidInput("The answers are malformed.", violations=[violation])
