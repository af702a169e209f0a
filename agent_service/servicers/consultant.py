"""ConsultantService: something is said, and what comes of it is followed to the end of the turn."""

from collections.abc import AsyncIterator

from agent_service.history import History
from agent_service.turns import Spoken, Turns
from agent_service.wire import from_answers, to_events
from shared.errors import InvalidInput, Violation
from shared.identity import Role
from shared.pb.flowloom.agent.v1 import consultant_service_pb2 as pb
from shared.pb.flowloom.agent.v1 import consultant_service_pb2_grpc
from shared.rpc import call
from shared.rpc.server import Context

_MAX_TEXT = 20_000


class ConsultantServicer(consultant_service_pb2_grpc.ConsultantServiceServicer):
    """Takes what people say; the turn goes on whether or not they stay."""

    def __init__(self, turns: Turns, history: History) -> None:
        self._turns = turns
        self._history = history

    async def Converse(
        self, request: pb.ConverseRequest, context: Context
    ) -> AsyncIterator[pb.ConverseResponse]:
        caller = call.caller(Role.EDITOR)
        answers = from_answers(request.answers)
        if not request.text.strip() and not answers:
            raise _refused("Say something, or answer what was asked.")
        if len(request.text) > _MAX_TEXT:
            raise _refused(f"A message has at most {_MAX_TEXT} signs.")
        spoken = Spoken(request.text, answers, request.auto, request.idempotency_key)
        session, turn = await self._turns.begin(caller, request.session_id, spoken)
        after = turn.first_sequence - 1
        async for batch in self._history.follow_turn(session, turn.id, after):
            yield pb.ConverseResponse(events=to_events(batch))


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, violations=[Violation("/text", "invalid", message)])
