"""SessionService: sessions, their messages and their history."""

from collections.abc import AsyncIterator
from dataclasses import replace

from agent_service.checkpoints import Checkpoints
from agent_service.engine import Engine
from agent_service.history import History
from agent_service.store import messages as message_store
from agent_service.store import sessions as session_store
from agent_service.store.sessions import StoredSession
from agent_service.turns import Turns
from agent_service.wire import from_mode, to_events, to_message, to_session
from shared.clock import Clock
from shared.database import Database
from shared.errors import InvalidInput, Violation
from shared.identity import Role
from shared.ids import new_id
from shared.pages import read_page
from shared.pb.flowloom.agent.v1 import session_service_pb2 as pb
from shared.pb.flowloom.agent.v1 import session_service_pb2_grpc
from shared.rpc import call
from shared.rpc.server import Context

_MAX_TITLE = 200


class SessionServicer(session_service_pb2_grpc.SessionServiceServicer):
    """Keeps sessions."""

    def __init__(
        self,
        database: Database,
        history: History,
        turns: Turns,
        engine: Engine,
        checkpoints: Checkpoints,
        clock: Clock,
    ) -> None:
        self._database = database
        self._history = history
        self._turns = turns
        self._engine = engine
        self._checkpoints = checkpoints
        self._clock = clock

    async def CreateSession(
        self, request: pb.CreateSessionRequest, context: Context
    ) -> pb.CreateSessionResponse:
        caller = call.caller(Role.EDITOR)
        mode = from_mode(request.mode)
        if (mode == "create") == bool(request.workflow_id):
            raise _refused(
                "/workflow_id",
                "A new workflow has none yet." if mode == "create" else "Say which workflow.",
            )
        _check_title(request.title)
        if request.workflow_id:
            await self._engine.get_workflow(request.workflow_id)
        now = self._clock.now()
        session = StoredSession(
            id=new_id("ses"),
            tenant_id=caller.tenant_id,
            title=request.title,
            mode=mode,
            status="idle",
            workflow_id=request.workflow_id if mode == "edit" else None,
            source_id=request.workflow_id if mode == "copy" else None,
            last_sequence=0,
            created_by=caller.subject,
            created_at=now,
            updated_at=now,
        )
        async with self._database.transaction(caller.tenant_id) as connection:
            await session_store.insert_session(connection, session)
        return pb.CreateSessionResponse(session=to_session(session))

    async def GetSession(
        self, request: pb.GetSessionRequest, context: Context
    ) -> pb.GetSessionResponse:
        session = await self._get(request.session_id)
        return pb.GetSessionResponse(session=to_session(session))

    async def ListSessions(
        self, request: pb.ListSessionsRequest, context: Context
    ) -> pb.ListSessionsResponse:
        page = read_page(request.page_size, request.page_token)
        async with self._database.transaction(call.caller().tenant_id) as connection:
            rows = await session_store.list_sessions(connection, page)
        kept, token = page.cut(rows, lambda row: row.id)
        return pb.ListSessionsResponse(
            sessions=[to_session(one) for one in kept], next_page_token=token
        )

    async def UpdateSession(
        self, request: pb.UpdateSessionRequest, context: Context
    ) -> pb.UpdateSessionResponse:
        caller = call.caller(Role.EDITOR)
        _check_title(request.title)
        async with self._database.transaction(caller.tenant_id) as connection:
            session = await session_store.lock_session(connection, request.session_id)
            session = replace(session, title=request.title, updated_at=self._clock.now())
            await session_store.save_session(connection, session)
        return pb.UpdateSessionResponse(session=to_session(session))

    async def DeleteSession(
        self, request: pb.DeleteSessionRequest, context: Context
    ) -> pb.DeleteSessionResponse:
        caller = call.caller(Role.EDITOR)
        await self._turns.cancel(caller, request.session_id)
        async with self._database.transaction(caller.tenant_id) as connection:
            session = await session_store.lock_session(connection, request.session_id)
            await session_store.delete_session(connection, session.id)
        await self._checkpoints.delete(caller.tenant_id, session.id)
        return pb.DeleteSessionResponse()

    async def ListMessages(
        self, request: pb.ListMessagesRequest, context: Context
    ) -> pb.ListMessagesResponse:
        page = read_page(request.page_size, request.page_token, request.session_id)
        async with self._database.transaction(call.caller().tenant_id) as connection:
            await session_store.get_session(connection, request.session_id)
            rows = await message_store.list_messages(connection, request.session_id, page)
        kept, token = page.cut(rows, lambda row: row.id)
        return pb.ListMessagesResponse(
            messages=[to_message(one) for one in kept], next_page_token=token
        )

    async def WatchSession(
        self, request: pb.WatchSessionRequest, context: Context
    ) -> AsyncIterator[pb.WatchSessionResponse]:
        if request.after_sequence < 0:
            raise _refused("/after_sequence", "Sequences begin at 1.")
        session = await self._get(request.session_id)
        async for batch in self._history.follow_session(session, request.after_sequence):
            yield pb.WatchSessionResponse(events=to_events(batch))

    async def CancelTurn(
        self, request: pb.CancelTurnRequest, context: Context
    ) -> pb.CancelTurnResponse:
        session = await self._turns.cancel(call.caller(Role.EDITOR), request.session_id)
        return pb.CancelTurnResponse(session=to_session(session))

    async def _get(self, session_id: str) -> StoredSession:
        async with self._database.transaction(call.caller().tenant_id) as connection:
            return await session_store.get_session(connection, session_id)


def _check_title(title: str) -> None:
    if len(title) > _MAX_TITLE:
        raise _refused("/title", f"A title has at most {_MAX_TITLE} signs.")


def _refused(place: str, message: str) -> InvalidInput:
    return InvalidInput(message, violations=[Violation(place, "invalid", message)])
