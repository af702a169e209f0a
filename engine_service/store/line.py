"""The line: runs that wait for their turn, and the slots of those that came through it.

The story is told in migration 0008. What stands here is how an engine takes runs out of the line,
fairly and within every limit, and how slots are given back. One engine at a time picks; who finds
another at it looks again in a moment. Nothing here waits for a lock that others hold for long.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service import dispatch

Driver = psycopg.AsyncConnection[tuple[Any, ...]]
Cursor = psycopg.AsyncCursor[tuple[Any, ...]]

_NORMAL_PRIORITY = "5"
_UNLIMITED = "2147483647"

COUNTED = """(NOT w.take OR v.concurrency IS NOT NULL OR EXISTS (
    SELECT FROM engine.tenants q WHERE q.tenant_id IN (w.tenant_id, '') AND q.runs IS NOT NULL))"""
"""Whether a run `w` of a version `v` goes through the line: nobody takes it up at once, or there is
a limit that might be reached."""

LINE_UP = f"""
INSERT INTO engine.line (run_id, tenant_id, workflow_id, concurrency, priority)
SELECT w.id, w.tenant_id, w.workflow_id, coalesce(v.concurrency, {_UNLIMITED}),
  coalesce(w.priority, v.priority, {_NORMAL_PRIORITY})
FROM stored s JOIN wanted w USING (id)
LEFT JOIN engine.versions v ON v.workflow_id = w.workflow_id AND v.number = w.version
WHERE s.counted
"""
"""Puts those of `stored` that are counted into the line."""

WITHDRAW = (
    "DELETE FROM engine.line WHERE run_id = ANY(%(run_ids)s)",
    "DELETE FROM engine.slots WHERE run_id = ANY(%(run_ids)s)",
    dispatch.DROP,
)
"""Takes runs that have just ended out of the line, their slots away and their tasks. A statement
each, because the first may wait for an engine that is just turning a place into a slot and a task;
the others see them then."""

_GATE = """
SELECT set_config('flowloom.picks', pg_try_advisory_xact_lock(7281064)::text, true)
WHERE EXISTS (SELECT FROM engine.line)
"""

# Between tenants it is start-time fair queueing among those with the least under way: each has a
# `turn`, which a run moves on by 1 / weight; who comes anew begins at the turn served last.
# Runs are looked at by groups (tenant, workflow, limit), found by hopping along the index, so that
# a workflow at its limit hides nobody who stands behind it. The counts are exact, because nobody
# else picks and this statement sees what whoever picked last has committed.
_PICK = f"""
WITH RECURSIVE groups AS (
  (SELECT tenant_id, workflow_id, concurrency FROM engine.line
   WHERE current_setting('flowloom.picks', true) = 'true'
   ORDER BY tenant_id, workflow_id, concurrency LIMIT 1)
  UNION ALL
  SELECT following.* FROM groups g CROSS JOIN LATERAL (
    SELECT l.tenant_id, l.workflow_id, l.concurrency FROM engine.line l
    WHERE (l.tenant_id, l.workflow_id, l.concurrency)
      > (g.tenant_id, g.workflow_id, g.concurrency)
    ORDER BY l.tenant_id, l.workflow_id, l.concurrency LIMIT 1
  ) AS following
), wanted AS MATERIALIZED (
  SELECT %(quantity)s - coalesce(
    nullif(current_setting('flowloom.claimed', true), ''), '0')::integer AS most
), used AS MATERIALIZED (
  SELECT tenant_id, workflow_id, count(*) AS runs FROM engine.slots
  WHERE EXISTS (SELECT FROM groups) GROUP BY tenant_id, workflow_id
), busy AS MATERIALIZED (
  SELECT tenant_id, sum(runs) AS runs FROM used GROUP BY tenant_id
), standing AS (
  SELECT l.*, coalesce(u.runs, 0) + row_number() OVER (
    PARTITION BY l.tenant_id, l.workflow_id ORDER BY l.priority DESC, l.run_id) AS of_workflow
  FROM groups g LEFT JOIN used u USING (tenant_id, workflow_id) CROSS JOIN LATERAL (
    SELECT * FROM engine.line l WHERE l.tenant_id = g.tenant_id
      AND l.workflow_id = g.workflow_id AND l.concurrency = g.concurrency
    ORDER BY l.priority DESC, l.run_id
    LIMIT greatest(least((SELECT most FROM wanted), g.concurrency - coalesce(u.runs, 0)), 0)
  ) AS l
), fitting AS (
  SELECT s.run_id, s.tenant_id, coalesce(b.runs, 0) AS under_way, row_number() OVER (
    PARTITION BY s.tenant_id ORDER BY s.priority DESC, s.run_id) AS place
  FROM standing s LEFT JOIN busy b USING (tenant_id) WHERE s.of_workflow <= s.concurrency
), chosen AS MATERIALIZED (
  SELECT f.run_id, f.tenant_id, greatest(mine.turn, now.turn) + (f.place - 1) / share AS turn,
    share
  FROM fitting f
  LEFT JOIN engine.tenants own ON own.tenant_id = f.tenant_id
  LEFT JOIN engine.tenants others ON others.tenant_id = ''
  LEFT JOIN engine.turns mine ON mine.tenant_id = f.tenant_id
  LEFT JOIN engine.turns now ON now.tenant_id = ''
  CROSS JOIN LATERAL (SELECT coalesce(own.weight, 1) AS share) AS shares
  WHERE f.under_way + f.place <= coalesce(own.runs, others.runs, {_UNLIMITED})
  ORDER BY (f.under_way + f.place - 1) / share, turn, f.run_id
  LIMIT (SELECT most FROM wanted)
), turned AS (
  INSERT INTO engine.turns (tenant_id, turn)
  SELECT tenant_id, max(turn + 1 / share) FROM chosen GROUP BY tenant_id
  UNION ALL SELECT '', max(turn) FROM chosen HAVING count(*) > 0
  ON CONFLICT (tenant_id) DO UPDATE SET turn = greatest(turns.turn, excluded.turn)
), free AS MATERIALIZED (
  SELECT l.run_id FROM engine.line l WHERE l.run_id IN (SELECT run_id FROM chosen)
  FOR UPDATE SKIP LOCKED
), taken AS MATERIALIZED (
  DELETE FROM engine.line l USING free WHERE l.run_id = free.run_id
  RETURNING l.run_id AS id, l.tenant_id, l.workflow_id
), held AS (
  INSERT INTO engine.slots (run_id, tenant_id, workflow_id)
  SELECT id, tenant_id, workflow_id FROM taken ON CONFLICT DO NOTHING
), {dispatch.TAKE}
SELECT claim::text, task::text, 1 AS attempt, run_id FROM tasks
"""

_HOLD = """
INSERT INTO engine.slots (run_id, tenant_id, workflow_id)
SELECT r.id, r.tenant_id, r.workflow_id FROM engine.runs r
WHERE r.id = ANY(%(run_ids)s) AND r.counted AND r.ended_at IS NULL
FOR SHARE OF r
ON CONFLICT DO NOTHING
"""
# Looks at what has become of the runs, because an entry may have been refused.
_FREE = f"""
DELETE FROM engine.slots s
USING json_to_recordset(%(rows)s::json) AS x(run_id text, claim uuid), engine.runs r
WHERE s.run_id = x.run_id AND r.id = x.run_id
  AND (r.ended_at IS NOT NULL OR {dispatch.ASLEEP.format(claim="x.claim")})
"""
_RECONCILE = text(f"""
DELETE FROM engine.slots WHERE run_id IN (
  SELECT s.run_id FROM engine.slots s LEFT JOIN engine.runs r ON r.id = s.run_id
  WHERE r.id IS NULL OR r.ended_at IS NOT NULL OR {dispatch.RUN_ASLEEP.format(run_id="s.run_id")}
  FOR UPDATE OF s SKIP LOCKED
)
""")
_LOOK = text("""
SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(l.since) FILTER (
    WHERE l.concurrency = 2147483647 AND coalesce(own.runs, others.runs) IS NULL)), 0)::float
FROM engine.line l
LEFT JOIN engine.tenants own ON own.tenant_id = l.tenant_id
LEFT JOIN engine.tenants others ON others.tenant_id = ''
""")
_SET_DEFAULTS = text("""
INSERT INTO engine.tenants (tenant_id, runs, keep_days, keep_runs)
VALUES ('', :runs, :keep_days, :keep_runs)
ON CONFLICT (tenant_id) DO UPDATE
SET runs = excluded.runs, keep_days = excluded.keep_days, keep_runs = excluded.keep_runs
""")


async def send_pick(driver: Driver, worker: str, lease: int, quantity: int) -> Cursor:
    """Take runs out of the line, claimed; the cursor holds what `read_claims` understands.

    At most `quantity`, together with the tasks that this transaction has claimed already.
    """
    await driver.execute(_GATE)
    values = {"worker": worker, "lease": lease, "quantity": quantity}
    return await driver.execute(_PICK, values)


async def send_free(driver: Driver, claims: Sequence[Mapping[str, Any]]) -> None:
    """Give back the slots of runs that have ended or sleep now; `claims` as of `slot_row`."""
    await driver.execute(_FREE, {"rows": orjson.dumps(list(claims)).decode()})


async def hold(driver: Driver, run_ids: Sequence[str]) -> None:
    """Give runs that go on their slots back, above the limits if need be."""
    await driver.execute(_HOLD, {"run_ids": list(run_ids)})


async def reconcile(connection: AsyncConnection) -> None:
    """Take away slots that nobody uses; there are none, unless a process froze at a bad moment."""
    await connection.execute(_RECONCILE)


async def look(connection: AsyncConnection) -> tuple[int, float]:
    """How many runs stand in the line, and since when the oldest does that no limit holds up."""
    count, seconds = (await connection.execute(_LOOK)).one()
    return count, seconds


async def set_defaults(
    connection: AsyncConnection,
    *,
    runs: int | None,
    keep_days: int | None = None,
    keep_runs: int | None = None,
) -> None:
    """Say what holds for tenants of whom nothing else is said; None for no limit."""
    values = {"runs": runs, "keep_days": keep_days, "keep_runs": keep_runs}
    await connection.execute(_SET_DEFAULTS, values)
