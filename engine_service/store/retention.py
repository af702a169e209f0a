"""Deleting runs whose time is over, a window of rows at a time, oldest first.

A run goes with its journal, history, answers and approvals when it ended longer ago than its tenant
keeps runs, or when its workflow has enough newer ones. A run that has not ended stays, whatever its
age; so does one that a waiting run has begun, whose result is still needed; and for a day so does
whatever an idempotency key names, so that the key is never forgotten too early. Files are forgotten
here and collected elsewhere.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.store.blobs import forget_blobs

_WINDOW = 2_000

_IS_WANTED = text("""
SELECT EXISTS (
  SELECT FROM engine.tenants WHERE keep_days IS NOT NULL OR keep_runs IS NOT NULL)
""")
# Ids are in the order in which runs began, so a window is a stretch of the primary key.
_FIND = text("""
WITH looked_at AS MATERIALIZED (
  SELECT id, tenant_id, workflow_id, mode, ended_at, created_at, idempotency_key, parent_run_id
  FROM engine.runs WHERE id > :after ORDER BY id LIMIT :window
), kept AS (
  SELECT l.*, coalesce(own.keep_days, others.keep_days) AS days,
    coalesce(own.keep_runs, others.keep_runs) AS most
  FROM looked_at l
  LEFT JOIN engine.tenants own ON own.tenant_id = l.tenant_id
  LEFT JOIN engine.tenants others ON others.tenant_id = ''
), bounds AS MATERIALIZED (
  SELECT groups.*, newest.id AS oldest_kept
  FROM (SELECT DISTINCT tenant_id, workflow_id, mode, most FROM kept WHERE most IS NOT NULL) groups
  CROSS JOIN LATERAL (
    SELECT r.id FROM (VALUES ('completed'), ('failed'), ('cancelled')) AS s(status)
    CROSS JOIN LATERAL (
      SELECT id FROM engine.runs r WHERE r.tenant_id = groups.tenant_id
        AND r.workflow_id = groups.workflow_id AND r.mode = groups.mode AND r.status = s.status
      ORDER BY id COLLATE "C" DESC LIMIT groups.most
    ) AS r
    ORDER BY r.id COLLATE "C" DESC LIMIT 1 OFFSET groups.most - 1
  ) AS newest
), over AS (
  SELECT k.id FROM kept k LEFT JOIN bounds b USING (tenant_id, workflow_id, mode)
  WHERE k.ended_at IS NOT NULL
    AND (k.ended_at < :now - make_interval(days => k.days) OR k.id < b.oldest_kept)
    AND (k.idempotency_key IS NULL OR k.created_at < :now - interval '25 hours')
    AND NOT EXISTS (
      SELECT FROM engine.runs p WHERE p.id = k.parent_run_id AND p.ended_at IS NULL)
), locked AS (
  SELECT r.id FROM engine.runs r WHERE r.id IN (SELECT id FROM over) FOR UPDATE SKIP LOCKED
)
SELECT array(SELECT id FROM locked), max(id), count(*) FROM looked_at
""")
_DELETE = tuple(
    text(f"DELETE FROM engine.{table} WHERE {column} = ANY(:ids)")
    for table, column in (
        ("approvals", "run_id"),
        ("signals", "run_id"),
        ("waits", "run_id"),
        ("progress", "run_id"),
        ("run_usage", "run_id"),
        ("journal", "run_id"),
        ("run_events", "run_id"),
        ("runs", "id"),
    )
)


@dataclass(frozen=True, slots=True)
class Window:
    """What became of a stretch of runs.

    Attributes:
        last: The last run that was looked at; empty when there are no more.
    """

    deleted: int
    last: str


async def is_wanted(connection: AsyncConnection) -> bool:
    """Whether anything is ever to be deleted."""
    return bool((await connection.execute(_IS_WANTED)).scalar_one())


async def delete_window(connection: AsyncConnection, after: str, now: datetime) -> Window:
    """Look at the runs behind one, and delete those whose time is over."""
    found = await connection.execute(_FIND, {"after": after, "now": now, "window": _WINDOW})
    ids, last, looked_at = found.one()
    if ids:
        await forget_blobs(connection, ids)
        for statement in _DELETE:
            await connection.execute(statement, {"ids": ids})
    return Window(len(ids), last if looked_at == _WINDOW else "")
