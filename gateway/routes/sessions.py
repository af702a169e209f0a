"""Sessions: conversations with the consultant that lead to a workflow."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from grpc.aio import UnaryStreamCall
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.gate import ChatRoute, UserRoute
from gateway.parts import ClientsPart, StreamsPart
from gateway.replies import NO_CONTENT, reply, returns, streams
from gateway.shapes import Body, Document, Page, Sequence, Text
from gateway.sse import collect, read_after
from gateway.wire import WireEnum, to_pb
from shared.pb.flowloom.agent.v1 import consultant_service_pb2, session_pb2, session_service_pb2

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=UserRoute)
chat = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=ChatRoute)

# Until the turn has begun, a failure is an ordinary error; a turn begins at once.
_TURN_PATIENCE_SECONDS = 10.0
_PATIENCE_SECONDS = 1.5


class SessionMode(WireEnum):
    """What a session is for."""

    CREATE = "create"
    EDIT = "edit"
    COPY = "copy"


class CreateSession(Body):
    """A new session."""

    mode: Annotated[SessionMode, Field(strict=False)] = SessionMode.CREATE
    workflow_id: Text = Field(default="", description="The workflow to edit or copy")
    title: Text = Field(default="", description="Taken from the first message when empty")


class UpdateSession(Body):
    """A JSON Merge Patch."""

    title: Text


class ListSessions(Page):
    """Which sessions."""


class ListMessages(Page):
    """Which messages."""


class Converse(Body):
    """Something to say."""

    text: Text = Field(default="", description="In the person's own words")
    answers: Document | None = Field(
        default=None, description="Answers to what was asked, from question id to answer"
    )
    auto: bool = Field(default=False, description="Ask nothing; assume what is missing and say so")


@router.post("", **returns(session_pb2.Session, 201))
async def create_session(clients: ClientsPart, body: CreateSession | None = None) -> Response:
    request = to_pb(session_service_pb2.CreateSessionRequest, body or CreateSession())
    return reply((await clients.sessions.CreateSession(request)).session, 201)


@router.get("", **returns(session_service_pb2.ListSessionsResponse))
async def list_sessions(query: Annotated[ListSessions, Query()], clients: ClientsPart) -> Response:
    request = to_pb(session_service_pb2.ListSessionsRequest, query)
    return reply(await clients.sessions.ListSessions(request))


@router.get("/{session_id:id}", **returns(session_pb2.Session))
async def get_session(session_id: str, clients: ClientsPart) -> Response:
    request = session_service_pb2.GetSessionRequest(session_id=session_id)
    return reply((await clients.sessions.GetSession(request)).session)


@router.patch("/{session_id:id}", **returns(session_pb2.Session))
async def update_session(session_id: str, body: UpdateSession, clients: ClientsPart) -> Response:
    request = to_pb(session_service_pb2.UpdateSessionRequest, body, session_id=session_id)
    return reply((await clients.sessions.UpdateSession(request)).session)


@router.delete("/{session_id:id}", **NO_CONTENT)
async def delete_session(session_id: str, clients: ClientsPart) -> Response:
    """Delete a session and all that was said in it; its workflow stays."""
    request = session_service_pb2.DeleteSessionRequest(session_id=session_id)
    await clients.sessions.DeleteSession(request)
    return Response(status_code=204)


@router.post("/{session_id:id}:cancel", **returns(session_pb2.Session))
async def cancel_turn(session_id: str, clients: ClientsPart) -> Response:
    """Stop the turn under way; a session without one is answered as it is."""
    request = session_service_pb2.CancelTurnRequest(session_id=session_id)
    return reply((await clients.sessions.CancelTurn(request)).session)


@router.get("/{session_id:id}/messages", **returns(session_service_pb2.ListMessagesResponse))
async def list_messages(
    session_id: str, query: Annotated[ListMessages, Query()], clients: ClientsPart
) -> Response:
    request = to_pb(session_service_pb2.ListMessagesRequest, query, session_id=session_id)
    return reply(await clients.sessions.ListMessages(request))


@chat.post(
    "/{session_id:id}/messages",
    **streams(session_pb2.SessionEvent, consultant_service_pb2.ConverseResponse),
)
async def converse(
    session_id: str,
    body: Converse,
    request: Request,
    clients: ClientsPart,
    events: StreamsPart,
    idempotency_key: Annotated[
        str,
        Header(description="The same key says the same thing only once", pattern="^[!-~]{0,255}$"),
    ] = "",
) -> Response:
    """Say something and follow the turn; with `Accept: application/json`, wait for its end.

    A client that leaves does not stop the turn: the session's events resume it.
    """
    said = to_pb(
        consultant_service_pb2.ConverseRequest,
        body,
        session_id=session_id,
        idempotency_key=idempotency_key,
    )

    def follow(sequence: int) -> UnaryStreamCall[Any, Any]:
        # What was said is said once; a turn that goes on is followed from where it was.
        if sequence:
            return _watch(clients, session_id, sequence)
        return clients.consultant.Converse(said)

    if _wants_json(request):
        turn = consultant_service_pb2.ConverseResponse()
        turn.events.extend(await collect(follow, 0))
        return reply(turn)
    return await events.respond(request, follow, 0, _TURN_PATIENCE_SECONDS)


@router.get("/{session_id:id}/events", **streams(session_pb2.SessionEvent))
async def watch_session(
    session_id: str,
    request: Request,
    clients: ClientsPart,
    events: StreamsPart,
    after: Annotated[Sequence, Query(description="Start behind this event")] = 0,
) -> Response:
    """Follow the turn under way to its end. Last-Event-ID resumes without gap or repeat."""

    def follow(sequence: int) -> UnaryStreamCall[Any, Any]:
        return _watch(clients, session_id, sequence)

    return await events.respond(request, follow, read_after(request, after), _PATIENCE_SECONDS)


def _watch(clients: ClientsPart, session_id: str, sequence: int) -> UnaryStreamCall[Any, Any]:
    return clients.sessions.WatchSession(
        session_service_pb2.WatchSessionRequest(session_id=session_id, after_sequence=sequence)
    )


def _wants_json(request: Request) -> bool:
    accepted = [
        part.partition(";")[0].strip() for part in request.headers.get("accept", "").split(",")
    ]
    return "application/json" in accepted and "text/event-stream" not in accepted
