"""KnowledgeService: what the consultant knows, for people and other programs to search."""

from agent_service.author import Library
from agent_service.wire import to_hit
from shared.errors import InvalidInput, Violation
from shared.pb.flowloom.agent.v1 import knowledge_service_pb2 as pb
from shared.pb.flowloom.agent.v1 import knowledge_service_pb2_grpc
from shared.rpc import call
from shared.rpc.server import Context

_DEFAULT_LIMIT = 8
_MAX_LIMIT = 50
_MAX_QUERY = 2_000
_KINDS = ("", "node", "practice", "example")


class KnowledgeServicer(knowledge_service_pb2_grpc.KnowledgeServiceServicer):
    """Searches the library."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def SearchKnowledge(
        self, request: pb.SearchKnowledgeRequest, context: Context
    ) -> pb.SearchKnowledgeResponse:
        call.caller()
        if not request.query.strip() or len(request.query) > _MAX_QUERY:
            raise _refused("/query", f"Say what to look for, in at most {_MAX_QUERY} signs.")
        if request.kind not in _KINDS:
            raise _refused("/kind", "It is node, practice or example.")
        if request.limit < 0:
            raise _refused("/limit", "At least one can be asked for.")
        limit = min(request.limit or _DEFAULT_LIMIT, _MAX_LIMIT)
        found = await self._library.search(request.query, request.kind, limit)
        return pb.SearchKnowledgeResponse(
            hits=[to_hit(one) for one in found.passages], lexical_only=found.lexical_only
        )


def _refused(place: str, message: str) -> InvalidInput:
    return InvalidInput(message, violations=[Violation(place, "invalid", message)])
