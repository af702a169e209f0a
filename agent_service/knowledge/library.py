"""The library: searched by meaning and by words at once, filled from the catalogue at start.

When the embedding model is away, words alone decide and the answer says so. Filling is idempotent:
what has not changed, by content, is neither written nor embedded again.
"""

import structlog

from agent_service.author import Found, Passage
from agent_service.catalogue import Catalogue
from agent_service.knowledge.passages import everybodys
from agent_service.store import knowledge as store
from agent_service.store.knowledge import EVERYBODY, Query
from shared import words
from shared.clock import Clock
from shared.database import Database
from shared.errors import AppError
from shared.llm import Embedder
from shared.rpc import call

log = structlog.get_logger()

_BATCH = 64
_EXCERPT_LENGTH = 600


class KnowledgeLibrary:
    """What is known of nodes, practices and examples.

    Args:
        database: As flowloom_app: searches for one tenant.
        worker: As flowloom_worker: writes what is everybody's.
        embedder: Turns texts into vectors.
        threshold: Passages less similar than this count only if their words fit.
        clock: What time it is.
    """

    def __init__(
        self,
        database: Database,
        worker: Database,
        embedder: Embedder,
        threshold: float,
        clock: Clock,
    ) -> None:
        self._database = database
        self._worker = worker
        self._embedder = embedder
        self._threshold = threshold
        self._clock = clock

    async def search(self, query: str, kind: str = "", limit: int = 8) -> Found:
        """The passages that fit best: everybody's and the caller's own."""
        vector = await self._vector(query)
        wanted = Query(
            words=words.query(query),
            vector=vector,
            model=self._embedder.name,
            threshold=self._threshold,
            kind=kind,
            limit=limit,
        )
        async with self._database.transaction(call.caller().tenant_id) as connection:
            matches = await store.match(connection, wanted)
        passages = [
            Passage(
                kind=one.kind,
                name=one.name,
                title=one.title,
                text=one.text[:_EXCERPT_LENGTH],
                similarity=max(0.0, one.similarity),
                score=one.score,
            )
            for one in matches
        ]
        return Found(passages, lexical_only=vector is None)

    async def _vector(self, query: str) -> list[float] | None:
        if not query.strip():
            return None
        try:
            embedded = await self._embedder.embed([query])
        except AppError as error:
            log.warning("embedding_failed", reason=error.code)
            return None
        return list(embedded.vectors[0])

    async def fill(self, catalogue: Catalogue) -> int:
        """Bring everybody's passages up to date; how many had to be embedded.

        Raises:
            Unavailable: The database or the embedding model is away; what is there stays.
        """
        passages = everybodys(catalogue)
        async with self._worker.transaction() as connection:
            await store.save_passages(connection, passages, self._clock.now())
        count = 0
        model = self._embedder.name
        while True:
            async with self._worker.transaction() as connection:
                waiting = await store.list_unembedded(connection, EVERYBODY, model, _BATCH)
            if not waiting:
                return count
            texts = [f"{one.title}\n{one.text}" for one in waiting]
            embedded = await self._embedder.embed(texts)
            async with self._worker.transaction() as connection:
                await store.save_embeddings(connection, model, waiting, embedded.vectors)
            count += len(waiting)
