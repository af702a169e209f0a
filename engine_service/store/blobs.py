"""Files in PostgreSQL: a row for each, and which runs use it. The bytes are elsewhere.

A row comes before the first byte and has no size until the last one is kept, so whatever an engine
leaves behind when it dies has a row to be found by. A file is kept as long as a run uses it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.sdk.blob import Blob

_INSERT = sa.text("""
INSERT INTO engine.blobs (id, tenant_id, file_name, media_type, created_at)
VALUES (:id, :tenant_id, :file_name, :media_type, :now)
""")
_USED = sa.text("""
SELECT coalesce(sum(b.size), 0) FROM engine.blob_uses u JOIN engine.blobs b ON b.id = u.blob_id
WHERE u.run_id = :run_id
""")
_KEPT = sa.text("SELECT coalesce(sum(size), 0) FROM engine.blobs")
_COMPLETE = sa.text("""
UPDATE engine.blobs SET size = :size, sha256 = :sha256 WHERE id = :id
""")
_USE = sa.text("""
INSERT INTO engine.blob_uses (run_id, blob_id, tenant_id, created_at)
VALUES (:run_id, :id, :tenant_id, :now) ON CONFLICT DO NOTHING
""")
_FIND = sa.text("""
SELECT id, file_name, media_type, size, sha256 FROM engine.blobs
WHERE id = :id AND size IS NOT NULL FOR KEY SHARE
""")
_USED_BY = sa.text("""
SELECT b.id, b.file_name, b.media_type, b.size, b.sha256
FROM engine.blobs b JOIN engine.blob_uses u ON u.blob_id = b.id
WHERE b.id = :id AND u.run_id = :run_id AND b.size IS NOT NULL
""")
_SHARE = sa.text("""
INSERT INTO engine.blob_uses (run_id, blob_id, tenant_id, created_at)
SELECT :to_run, blob_id, tenant_id, :now FROM engine.blob_uses WHERE run_id = :from_run
ON CONFLICT DO NOTHING
""")
_FORGET = sa.text("DELETE FROM engine.blob_uses WHERE run_id = ANY(:run_ids)")
_FORGET_STRAYS = sa.text("""
DELETE FROM engine.blob_uses u
WHERE u.created_at < :before AND NOT EXISTS (SELECT FROM engine.runs r WHERE r.id = u.run_id)
""")
_UNUSED = sa.text("""
SELECT b.id, b.tenant_id FROM engine.blobs b
WHERE b.created_at < :before
  AND NOT EXISTS (SELECT FROM engine.blob_uses u WHERE u.blob_id = b.id)
ORDER BY b.created_at LIMIT :at_most FOR UPDATE OF b SKIP LOCKED
""")
_DELETE = sa.text("DELETE FROM engine.blobs WHERE id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class NewBlob:
    """A file whose bytes are still to come; `run_id` is empty for one that no run uses yet."""

    id: str
    tenant_id: str
    run_id: str
    file_name: str
    media_type: str
    now: datetime


async def insert_blob(connection: AsyncConnection, blob: NewBlob) -> None:
    """Announce a file."""
    await connection.execute(
        _INSERT,
        {
            "id": blob.id,
            "tenant_id": blob.tenant_id,
            "file_name": blob.file_name,
            "media_type": blob.media_type,
            "now": blob.now,
        },
    )


async def bytes_of_run(connection: AsyncConnection, run_id: str) -> int:
    """How much a run keeps."""
    return int((await connection.execute(_USED, {"run_id": run_id})).scalar_one())


async def bytes_of_tenant(connection: AsyncConnection) -> int:
    """How much the tenant of this transaction keeps."""
    return int((await connection.execute(_KEPT)).scalar_one())


async def complete_blob(connection: AsyncConnection, blob: NewBlob, size: int, sha256: str) -> None:
    """Say that a file is whole, and that its run uses it."""
    values = {"id": blob.id, "size": size, "sha256": sha256}
    await connection.execute(_COMPLETE, values)
    if blob.run_id:
        await use_blob(connection, blob.tenant_id, blob.run_id, blob.id, blob.now)


async def use_blob(
    connection: AsyncConnection, tenant_id: str, run_id: str, blob_id: str, now: datetime
) -> None:
    """Keep a file as long as a run is kept; the run may be about to begin."""
    values = {"tenant_id": tenant_id, "run_id": run_id, "id": blob_id, "now": now}
    await connection.execute(_USE, values)


async def find_blob(connection: AsyncConnection, blob_id: str) -> Blob | None:
    """A whole file of this tenant, held until the transaction ends."""
    row = (await connection.execute(_FIND, {"id": blob_id})).one_or_none()
    return None if row is None else Blob(*row)


async def find_blob_of_run(connection: AsyncConnection, run_id: str, blob_id: str) -> Blob | None:
    """A whole file that a run uses."""
    row = (await connection.execute(_USED_BY, {"id": blob_id, "run_id": run_id})).one_or_none()
    return None if row is None else Blob(*row)


async def share_blobs(
    connection: AsyncConnection, from_run: str, to_run: str, now: datetime
) -> None:
    """Let a run use all that another one of its tenant uses."""
    values = {"from_run": from_run, "to_run": to_run, "now": now}
    await connection.execute(_SHARE, values)


async def forget_blobs(connection: AsyncConnection, run_ids: Sequence[str]) -> None:
    """Say that runs use nothing any more, in the transaction that deletes them.

    What nobody else uses is collected soon.
    """
    await connection.execute(_FORGET, {"run_ids": list(run_ids)})


async def forget_strays(connection: AsyncConnection, before: datetime) -> None:
    """Likewise for runs that are gone, or never began, by some moment."""
    await connection.execute(_FORGET_STRAYS, {"before": before})


async def lock_unused(
    connection: AsyncConnection, before: datetime, at_most: int
) -> list[tuple[str, str]]:
    """Ids and tenants of files that nobody uses, for this transaction to delete."""
    rows = await connection.execute(_UNUSED, {"before": before, "at_most": at_most})
    return [(row.id, row.tenant_id) for row in rows]


async def delete_blobs(connection: AsyncConnection, blob_ids: Sequence[str]) -> None:
    """Delete rows whose bytes are gone."""
    await connection.execute(_DELETE, {"ids": list(blob_ids)})
