"""Passages and their vectors in PostgreSQL, and the search over both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

EVERYBODY = ""


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage; `words` is what is indexed, `digest` names all that is searched."""

    id: str
    tenant_id: str
    kind: str
    name: str
    title: str
    text: str
    words: str
    digest: str


@dataclass(frozen=True, slots=True)
class Match:
    """A passage that was found; `similarity` is 0 when only its words fit."""

    kind: str
    name: str
    title: str
    text: str
    similarity: float
    score: float


_UPSERT = sa.text("""
INSERT INTO agent.knowledge AS known
  (id, tenant_id, kind, name, title, text, words, digest, updated_at)
VALUES
  (:id, :tenant_id, :kind, :name, :title, :text, to_tsvector('english', :words), :digest, :now)
ON CONFLICT (tenant_id, kind, name) DO UPDATE SET
  title = excluded.title, text = excluded.text, words = excluded.words,
  digest = excluded.digest, updated_at = excluded.updated_at
WHERE known.digest <> excluded.digest
""")

_FORGET = sa.text("""
DELETE FROM agent.knowledge WHERE tenant_id = :tenant_id AND NOT (id = ANY(:ids))
""")

_UNEMBEDDED = sa.text("""
SELECT k.id, k.tenant_id, k.kind, k.name, k.title, k.text, '' AS words, k.digest
FROM agent.knowledge k
LEFT JOIN agent.knowledge_embeddings e ON e.knowledge_id = k.id AND e.model = :model
WHERE k.tenant_id = :tenant_id AND e.digest IS DISTINCT FROM k.digest
ORDER BY k.id LIMIT :limit
""")

_EMBED = sa.text("""
INSERT INTO agent.knowledge_embeddings
  (knowledge_id, tenant_id, model, dimensions, embedding, digest)
VALUES (:knowledge_id, :tenant_id, :model, :dimensions, CAST(:embedding AS vector), :digest)
ON CONFLICT (knowledge_id, model) DO UPDATE SET
  dimensions = excluded.dimensions, embedding = excluded.embedding, digest = excluded.digest
""")

_MATCH = sa.text("""
SELECT kind, name, title, text, similarity, score FROM agent.match_node_knowledge(
  CAST(:embedding AS vector), :words, :model, :threshold, :count, :kind
)
""")


async def save_passages(
    connection: AsyncConnection, passages: Sequence[StoredPassage], now: datetime
) -> None:
    """Make these the passages of their tenant: new ones come, changed ones change, others go."""
    rows = [
        {**{name: getattr(one, name) for name in StoredPassage.__slots__}, "now": now}
        for one in passages
    ]
    await connection.execute(_UPSERT, rows)
    ids = [one.id for one in passages]
    await connection.execute(_FORGET, {"tenant_id": passages[0].tenant_id, "ids": ids})


async def list_unembedded(
    connection: AsyncConnection, tenant_id: str, model: str, limit: int
) -> Sequence[StoredPassage]:
    """Passages that a model has not seen as they are now."""
    found = await connection.execute(
        _UNEMBEDDED, {"tenant_id": tenant_id, "model": model, "limit": limit}
    )
    return [StoredPassage(**row) for row in found.mappings()]


async def save_embeddings(
    connection: AsyncConnection,
    model: str,
    passages: Sequence[StoredPassage],
    vectors: Sequence[Sequence[float]],
) -> None:
    """Store what a model makes of passages."""
    rows = [
        {
            "knowledge_id": passage.id,
            "tenant_id": passage.tenant_id,
            "model": model,
            "dimensions": len(vector),
            "embedding": _vector(vector),
            "digest": passage.digest,
        }
        for passage, vector in zip(passages, vectors, strict=True)
    ]
    await connection.execute(_EMBED, rows)


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; without a vector only words are compared."""

    words: str
    vector: Sequence[float] | None
    model: str
    threshold: float
    kind: str
    limit: int


async def match(connection: AsyncConnection, query: Query) -> Sequence[Match]:
    """The passages that fit best: everybody's and the tenant's."""
    found = await connection.execute(
        _MATCH,
        {
            "embedding": None if query.vector is None else _vector(query.vector),
            "words": query.words,
            "model": query.model,
            "threshold": query.threshold,
            "count": query.limit,
            "kind": query.kind,
        },
    )
    return [Match(**row) for row in found.mappings()]


def _vector(numbers: Sequence[float]) -> str:
    return f"[{','.join(map(str, numbers))}]"
