"""What was seen before, in PostgreSQL: keys with a history that is bounded, and marks that rise."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_SEE = sa.text("""
INSERT INTO engine.sightings (tenant_id, scope, digest, first_by)
SELECT :tenant_id, :scope, digest, :key FROM unnest(CAST(:digests AS bytea[])) AS given(digest)
ON CONFLICT DO NOTHING
""")
_SEEN = sa.text("""
SELECT digest FROM engine.sightings
WHERE scope = :scope AND digest = ANY(CAST(:digests AS bytea[])) AND first_by <> :key
""")
_TRIM = sa.text("""
DELETE FROM engine.sightings WHERE scope = :scope AND place <= (
  SELECT place FROM engine.sightings WHERE scope = :scope
  ORDER BY place DESC OFFSET :history LIMIT 1
)
""")
_FORGET = sa.text("DELETE FROM engine.sightings WHERE scope = :scope")
_FORGET_MARK = sa.text("DELETE FROM engine.marks WHERE scope = :scope")
_MARK = sa.text("""
SELECT value, before, set_by FROM engine.marks WHERE scope = :scope FOR UPDATE
""")
_SET_MARK = sa.text("""
INSERT INTO engine.marks (tenant_id, scope, value, before, set_by)
VALUES (:tenant_id, :scope, :value, :before, :key)
ON CONFLICT (tenant_id, scope)
DO UPDATE SET value = excluded.value, before = excluded.before, set_by = excluded.set_by
""")


async def see(
    connection: AsyncConnection, tenant_id: str, scope: str, digests: Sequence[bytes], key: str
) -> set[bytes]:
    """Those that another execution saw first; all are seen now."""
    values = {"tenant_id": tenant_id, "scope": scope, "digests": list(digests), "key": key}
    await connection.execute(_SEE, values)
    del values["tenant_id"]
    return {bytes(row.digest) for row in await connection.execute(_SEEN, values)}


async def trim(connection: AsyncConnection, scope: str, history: int) -> None:
    """Forget the oldest beyond a number."""
    await connection.execute(_TRIM, {"scope": scope, "history": history})


async def forget(connection: AsyncConnection, scope: str) -> int:
    """Forget a scope; how much that was."""
    seen = (await connection.execute(_FORGET, {"scope": scope})).rowcount
    return seen + (await connection.execute(_FORGET_MARK, {"scope": scope})).rowcount


async def find_mark(connection: AsyncConnection, scope: str) -> tuple[str, str | None, str] | None:
    """A mark, the one before it, and by which execution it was set."""
    row = (await connection.execute(_MARK, {"scope": scope})).one_or_none()
    return None if row is None else (row.value, row.before, row.set_by)


async def set_mark(
    connection: AsyncConnection, tenant_id: str, scope: str, mark: tuple[str, str | None, str]
) -> None:
    """Set a mark: its value, the one before, and by which execution."""
    value, before, key = mark
    values = {"tenant_id": tenant_id, "scope": scope, "value": value, "before": before, "key": key}
    await connection.execute(_SET_MARK, values)
