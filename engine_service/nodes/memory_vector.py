"""`memory.vector`: what was said earlier that has to do with a question."""

from datetime import UTC, timedelta
from typing import ClassVar

from pydantic import Field

from engine_service.ai.embedding import EMBEDDING_KEYS, EmbeddingParameters, embed
from engine_service.ai.indexing import Shelving, draft, index
from engine_service.ai.memory import MemoryNode, Recollection, SessionParameters, Talk
from engine_service.sdk.memory import Found, Wanted
from engine_service.sdk.node import Services
from engine_service.sdk.tenant_data import Choice, Condition
from shared.workflow import JsonObject

_PIECE = 4_000


class VectorParameters(SessionParameters, EmbeddingParameters):
    """Whose conversation, where it is kept, and how much of it is told."""

    collection: str = Field(
        default="memory",
        pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$",
        description="The collection that turns are kept in, as `ai.retrieve` knows it",
    )
    limit: int = Field(default=4, ge=1, le=50, description="At most so many turns are told")
    min_similarity: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Turns that are less near the question are not told, unless words found them",
    )
    everyone: bool = Field(
        default=False, description="Whether what was said in other conversations counts, too"
    )
    keep_days: int = Field(default=90, ge=1, le=3_650, description="How long a turn is kept")


class MemoryVector(MemoryNode[VectorParameters]):
    """Has an agent know what was said earlier that has to do with the question.

    Each question with its answer becomes a document of a collection; those that are nearest to the
    next question, by meaning and by words, are told to the agent as notes, with their dates. That
    finds what was said long ago; for the last turns attach a `memory.buffer` beside it. A turn is
    deleted after `keep_days`; the collection can be asked and cleared with `ai.retrieve`.
    """

    Parameters = VectorParameters
    type = "memory.vector"
    title = "Memory by meaning"
    credential_types = EMBEDDING_KEYS
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {},
        {"session": "{{ $json.email }}", "scope": "tenant", "limit": 8, "collection": "talks"},
    )
    keywords = (
        "long-term memory", "vector memory", "semantic memory", "recall earlier conversations",
        "长期记忆", "向量记忆", "语义记忆",
    )  # fmt: skip

    async def recall(
        self, parameters: VectorParameters, talk: Talk, services: Services
    ) -> Recollection:
        made = await embed([talk.question], parameters.model, services, talk.budget)
        wanted = Wanted(
            talk.question,
            made.vectors[0],
            parameters.limit,
            where=self._where(parameters, talk),
            least=parameters.min_similarity,
        )
        found = await services.memory.documents.search(parameters.collection, made.model, wanted)
        if not found:
            return Recollection()
        told = "\n\n".join(map(_told, found))
        return Recollection(notes=f"What was said earlier and may matter now:\n\n{told}")

    async def remember(
        self, parameters: VectorParameters, talk: Talk, answer: str, services: Services
    ) -> None:
        session = parameters.session_of(talk, self.type)
        at = talk.now.astimezone(UTC)
        metadata: JsonObject = {"scope": session.scope, "session": session.name}
        metadata["said_at"] = at.isoformat(timespec="seconds")
        text = f"User: {talk.question}\nAssistant: {answer}"
        ends = talk.now + timedelta(days=parameters.keep_days)
        to = Shelving(parameters.collection, parameters.model, ends, talk.budget)
        await index([draft(talk.key, text, metadata, _PIECE, 0)], to, services)

    def _where(self, parameters: VectorParameters, talk: Talk) -> Choice:
        session = parameters.session_of(talk, self.type)
        whose = [Condition("scope", "equals", session.scope)]
        if not parameters.everyone:
            whose.append(Condition("session", "equals", session.name))
        return Choice(whose)


def _told(found: Found) -> str:
    return f"[{str(found.metadata.get('said_at', ''))[:10]}]\n{found.text}"
