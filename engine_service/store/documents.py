"""Collections of documents in PostgreSQL, and the search in one of them.

A search looks at every piece of its collection, of which there are some thousands (ADR 30). Words
are compared as the English dictionary stems them; Chinese ones are pairs of neighbouring signs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.sdk.memory import Document, Found, Wanted
from engine_service.sdk.tenant_data import Choice
from engine_service.store.choices import where
from shared import words

Collection = tuple[str, str]
"""A tenant and the name of one of its collections."""

_FIND = sa.text("SELECT model, dimensions FROM engine.collections WHERE name = :name")
# The lock lets one transaction at a time write to a collection, so that counts hold.
_MAKE = sa.text("""
INSERT INTO engine.collections (tenant_id, name, model, dimensions, created_at)
VALUES (:tenant_id, :name, :model, :dimensions, :now)
ON CONFLICT (tenant_id, name) DO UPDATE SET name = excluded.name
RETURNING model, dimensions
""")
_COUNTS = sa.text("""
SELECT (SELECT count(*) FROM engine.documents WHERE collection = :name),
  (SELECT count(*) FROM engine.collections)
""")
_DIGESTS = sa.text("""
SELECT document_id, digest FROM engine.documents
WHERE collection = :name AND piece = 0 AND document_id = ANY(:ids)
""")
_REMOVE = sa.text("""
DELETE FROM engine.documents WHERE collection = :name AND document_id = ANY(:ids)
""")
_TOUCH = sa.text("""
UPDATE engine.documents SET metadata = CAST(:metadata AS jsonb), expires_at = :expires_at,
  updated_at = :now
WHERE collection = :name AND document_id = :id
""")
_INSERT = sa.text("""
INSERT INTO engine.documents (tenant_id, collection, document_id, piece, text, metadata, digest,
  words, embedding, updated_at, expires_at)
VALUES (:tenant_id, :name, :id, :piece, :text, CAST(:metadata AS jsonb), :digest,
  to_tsvector('english', :words), CAST(:embedding AS vector), :now, :expires_at)
""")
_CLEAN = sa.text("""
DELETE FROM engine.collections c WHERE name = :name
  AND NOT EXISTS (SELECT FROM engine.documents d WHERE d.collection = c.name)
""")
# A vector of nothing but zeros has no direction, and a nearness that is not a number.
_NEARNESS = "coalesce(nullif(1 - (embedding <=> CAST(:vector AS vector)), 'NaN'), 0)"
_MEANT = """
  FROM engine.documents{more}
  WHERE collection = :name AND (expires_at IS NULL OR expires_at > :now) AND {chosen}
"""
_BY_MEANING = f"""
SELECT document_id, piece, nearness, row_number() OVER (
  ORDER BY nearness DESC, document_id, piece) AS place
FROM (
  SELECT document_id, piece, {_NEARNESS} AS nearness {_MEANT.replace("{more}", "")}
  ORDER BY nearness DESC, document_id, piece LIMIT :wide
) AS near WHERE nearness >= :least
"""
_BY_WORDS = f"""
SELECT document_id, piece, nearness, row_number() OVER (
  ORDER BY worth DESC, document_id, piece) AS place
FROM (
  SELECT document_id, piece, ts_rank(words, asked, 1) AS worth, {_NEARNESS} AS nearness
  {_MEANT.replace("{more}", ", to_tsquery('english', :words) AS asked")} AND words @@ asked
  ORDER BY worth DESC, document_id, piece LIMIT :wide
) AS worded
"""
_RANKINGS = {
    "cosine": f"""
WITH ranked AS (SELECT document_id, piece, nearness, nearness AS score FROM ({_BY_MEANING}) AS m)
""",
    "hybrid": f"""
WITH ranked AS (
  SELECT document_id, piece, max(nearness) AS nearness,
    CAST(sum(1.0 / (60 + place)) AS double precision) AS score
  FROM ({_BY_MEANING} UNION ALL {_BY_WORDS}) AS both_ways
  GROUP BY document_id, piece
)
""",
}
_SHOW = """
SELECT d.document_id, d.piece, d.text, d.metadata, r.nearness AS similarity, r.score
FROM ranked r JOIN engine.documents d
  ON d.collection = :name AND d.document_id = r.document_id AND d.piece = r.piece
ORDER BY r.score DESC, r.nearness DESC, r.document_id, r.piece LIMIT :limit
"""
_EXPIRE = sa.text("""
DELETE FROM engine.documents WHERE expires_at < :now AND ctid IN (
  SELECT ctid FROM engine.documents WHERE expires_at < :now LIMIT :window)
""")


async def find_collection(connection: AsyncConnection, name: str) -> tuple[str, int] | None:
    """The model of a collection and the size of its vectors, if there is one."""
    row = (await connection.execute(_FIND, {"name": name})).one_or_none()
    return None if row is None else (row.model, row.dimensions)


async def make_collection(
    connection: AsyncConnection, collection: Collection, model: str, dimensions: int, now: datetime
) -> tuple[str, int]:
    """The same, of a collection that is made if need be; nobody else writes to it meanwhile."""
    tenant_id, name = collection
    values = {"tenant_id": tenant_id, "name": name, "now": now}
    found = await connection.execute(_MAKE, {**values, "model": model, "dimensions": dimensions})
    row = found.one()
    return row.model, row.dimensions


async def count(connection: AsyncConnection, name: str) -> tuple[int, int]:
    """How many pieces a collection has, and how many collections there are."""
    pieces, collections = (await connection.execute(_COUNTS, {"name": name})).one()
    return pieces, collections


async def find_digests(
    connection: AsyncConnection, name: str, ids: Sequence[str]
) -> Mapping[str, bytes]:
    """What names the texts of documents that are there."""
    found = await connection.execute(_DIGESTS, {"name": name, "ids": list(ids)})
    return {row.document_id: bytes(row.digest) for row in found}


async def touch(
    connection: AsyncConnection,
    name: str,
    documents: Sequence[Document],
    now: datetime,
    expires_at: datetime | None,
) -> None:
    """Change what stands beside texts that stay as they are."""
    values = {"name": name, "now": now, "expires_at": expires_at}
    rows = [
        {**values, "id": one.id, "metadata": orjson.dumps(one.metadata).decode()}
        for one in documents
    ]
    await connection.execute(_TOUCH, rows)


async def replace(
    connection: AsyncConnection, name: str, ids: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Put the pieces that documents have now in the place of those that they had."""
    await connection.execute(_REMOVE, {"name": name, "ids": list(ids)})
    await connection.execute(_INSERT, rows)


def rows_of(
    collection: Collection,
    documents: Sequence[Document],
    now: datetime,
    expires_at: datetime | None,
) -> Sequence[Mapping[str, Any]]:
    """The rows that documents are; takes a while for many."""
    tenant_id, name = collection
    return [
        {
            "tenant_id": tenant_id,
            "name": name,
            "id": one.id,
            "piece": place,
            "text": piece.text,
            "metadata": orjson.dumps(one.metadata).decode(),
            "digest": one.digest,
            "words": words.searchable(piece.text),
            "embedding": as_text(piece.vector),
            "now": now,
            "expires_at": expires_at,
        }
        for one in documents
        for place, piece in enumerate(one.pieces)
    ]


def as_text(vector: Sequence[float]) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(map(str, vector))}]"


async def search(
    connection: AsyncConnection, name: str, wanted: Wanted, now: datetime
) -> Sequence[Found]:
    """The pieces of a collection that fit best, best first."""
    chosen, values = where(wanted.where, "metadata")
    statement = sa.text(_RANKINGS[wanted.ranking].format(chosen=chosen) + _SHOW)
    given = {
        **values,
        "name": name,
        "vector": as_text(wanted.vector),
        "least": wanted.least,
        "limit": wanted.limit,
        "wide": max(4 * wanted.limit, 40),
        "now": now,
    }
    if wanted.ranking == "hybrid":
        given["words"] = words.query(wanted.text)
    found = await connection.execute(statement, given)
    return [Found(**row) for row in found.mappings()]


async def delete(connection: AsyncConnection, name: str, ids: Sequence[str], choice: Choice) -> int:
    """Remove documents; how many. A collection without any goes with the last."""
    chosen, values = where(choice, "metadata")
    some = "AND document_id = ANY(:ids)" if ids else ""
    statement = sa.text(
        "WITH gone AS (DELETE FROM engine.documents"
        f" WHERE collection = :name {some} AND {chosen} RETURNING document_id)"
        " SELECT count(DISTINCT document_id) FROM gone"
    )
    given = {**values, "name": name, **({"ids": list(ids)} if ids else {})}
    gone = (await connection.execute(statement, given)).scalar_one()
    await connection.execute(_CLEAN, {"name": name})
    return gone


async def delete_expired(connection: AsyncConnection, now: datetime, window: int) -> int:
    """Delete pieces whose time is over, so many at most; how many there were."""
    return (await connection.execute(_EXPIRE, {"now": now, "window": window})).rowcount
