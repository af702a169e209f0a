"""What runs mean to the runs they began: waking the parent, cancelling the children.

All of it happens in the transaction that ends a run, so that no end is told to nobody. Whoever ends
a child has locked the parent's row, too, before: so of two children that end at the same moment the
second sees that it is the last. Rows are locked in the order of their ids, as everywhere.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
import psycopg

from engine_service.store.hints import NOTIFY, Hint, HintKind
from engine_service.store.line import WITHDRAW
from shared.workflow import JsonObject

Driver = psycopg.AsyncConnection[tuple[Any, ...]]

_WAKE_PARENTS = """
WITH asked AS MATERIALIZED (
  SELECT DISTINCT parent_run_id AS run_id, parent_node_id AS node_id,
    parent_iteration AS iteration, parent_attempt AS attempt
  FROM engine.runs WHERE id = ANY(%(ids)s) AND ended_at IS NOT NULL AND parent_attempt > 0
), ready AS MATERIALIZED (
  SELECT a.*, p.wake_event, p.tenant_id
  FROM asked a JOIN engine.runs p ON p.id = a.run_id AND p.ended_at IS NULL
  WHERE NOT EXISTS (SELECT FROM engine.runs s
    WHERE s.parent_run_id = a.run_id AND s.parent_node_id = a.node_id
      AND s.parent_iteration = a.iteration AND s.parent_attempt = a.attempt
      AND s.ended_at IS NULL)
), closed AS (
  DELETE FROM engine.waits w USING ready r
  WHERE w.run_id = r.run_id AND w.node_id = r.node_id AND w.iteration = r.iteration
    AND w.attempt = r.attempt
  RETURNING w.run_id, w.node_id, w.iteration
), told AS (
  INSERT INTO engine.signals (run_id, node_id, iteration, attempt, tenant_id, answer)
  SELECT r.run_id, r.node_id, r.iteration, r.attempt, r.tenant_id, (
    SELECT json_build_object('children', json_agg(
      json_build_object('run_id', s.id, 'status', s.status, 'output', s.output, 'error', s.error)
      ORDER BY s.parent_index))
    FROM engine.runs s
    WHERE s.parent_run_id = r.run_id AND s.parent_node_id = r.node_id
      AND s.parent_iteration = r.iteration AND s.parent_attempt = r.attempt)
  FROM ready r JOIN closed USING (run_id, node_id, iteration)
), woken AS MATERIALIZED (
  SELECT DISTINCT run_id, wake_event FROM ready JOIN closed USING (run_id, node_id, iteration)
)
SELECT run_id, CASE WHEN wake_event IS NOT NULL THEN engine.emit_wake(wake_event) END FROM woken
"""

_CANCEL_BELOW = """
WITH RECURSIVE tree (id) AS (
  SELECT id FROM engine.runs
  WHERE parent_run_id = ANY(%(ids)s) AND parent_attempt <> 0
    AND (%(node_id)s::text IS NULL
      OR parent_node_id = %(node_id)s AND parent_iteration = %(iteration)s)
  UNION
  SELECT r.id FROM tree JOIN engine.runs r ON r.parent_run_id = tree.id AND r.parent_attempt <> 0
), listed AS MATERIALIZED (
  SELECT r.id, r.tenant_id, r.last_sequence + 1 AS sequence FROM engine.runs r
  WHERE r.id IN (SELECT id FROM tree) AND r.ended_at IS NULL
  ORDER BY r.id FOR NO KEY UPDATE
), ended AS (
  UPDATE engine.runs r SET status = 'cancelled', ended_at = %(at)s,
    last_sequence = listed.sequence, wake_event = NULL
  FROM listed WHERE r.id = listed.id
), told AS (
  INSERT INTO engine.run_events (run_id, sequence, tenant_id, events)
  SELECT id, sequence, tenant_id, %(events)s::json FROM listed
), closed AS (
  DELETE FROM engine.waits WHERE run_id IN (SELECT id FROM listed)
), withdrawn AS (
  UPDATE engine.approvals SET status = 'cancelled', answered_at = %(at)s
  WHERE status = 'pending' AND run_id IN (SELECT id FROM listed)
), notified AS (
  SELECT pg_notify('flowloom_engine', 'cancel - ' || id || ','),
    pg_notify('flowloom_engine', 'news - ' || id || ',') FROM listed
)
SELECT id, (SELECT count(*) FROM notified) FROM listed
"""


async def send_parent_wakes(driver: Driver, ended: Sequence[str], parents: Iterable[str]) -> None:
    """Wake the parents whose last child is among the runs that have ended in this transaction."""
    await driver.execute(_WAKE_PARENTS, {"ids": list(ended)})
    for payload in Hint(HintKind.SIGNAL, run_ids=sorted(set(parents))).payloads():
        await driver.execute(NOTIFY, {"hint": payload})


async def cancel_below(
    driver: Driver,
    run_ids: Sequence[str],
    reason: str,
    at: datetime,
    wait: tuple[str, str] | None = None,
) -> None:
    """Cancel what these runs wait for, and what that waits for.

    Args:
        driver: In a transaction that has locked these runs, so that they begin no others.
        run_ids: Whose descendants.
        reason: Why, for their histories.
        at: When.
        wait: Only what one of their nodes waits for, in one iteration.
    """
    values = _below(run_ids, reason, at, wait)
    while cancelled := await (await driver.execute(_CANCEL_BELOW, values)).fetchall():
        # Again until nothing is found: a child may have begun another before it was locked.
        for statement in WITHDRAW:
            await driver.execute(statement, {"run_ids": [row[0] for row in cancelled]})


def _below(
    run_ids: Sequence[str], reason: str, at: datetime, wait: tuple[str, str] | None
) -> JsonObject:
    event: JsonObject = {"type": "run.cancelled", "at": at, "data": {"reason": reason}}
    node_id, iteration = wait or (None, None)
    return {
        "ids": list(run_ids),
        "at": at,
        "events": orjson.dumps([event]).decode(),
        "node_id": node_id,
        "iteration": iteration,
    }
