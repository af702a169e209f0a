"""What is done to runs from outside: how every run begins, is woken, and is cancelled.

There is one way for each, in whatever transaction has the reason for it. `insert_runs` stores the
row, the first event and its place in the line, or its task when an engine takes it up at once;
`wake` leaves an answer and wakes who waits for it; `cancel` ends a run, whoever works on it, and
the runs that it waits for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import orjson
import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.dispatch import TAKE
from engine_service.store.families import cancel_below, send_parent_wakes
from engine_service.store.hints import NOTIFY, Hint, HintKind
from engine_service.store.line import COUNTED, LINE_UP, WITHDRAW
from shared.tracing.trail import Trail, at_hand
from shared.workflow import JsonObject


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run comes from, other than from outside.

    Attributes:
        parent_run_id: The run that began it; with the node, the iteration, and the attempt that
            waits for its end: 0 when none does, -1 when one stays awake for it.
        parent_index: Its place among those that one attempt began.
        depth: How many runs there are above it.
        error_of: The failed run that it, or a run above it, is about.
        rerun_from: The node from which it repeats `retry_of`.
        definition: Its workflow, when that is stored nowhere; JSON text.
    """

    parent_run_id: str | None = None
    parent_node_id: str | None = None
    parent_iteration: str | None = None
    parent_attempt: int | None = None
    parent_index: int | None = None
    depth: int = 0
    error_of: str | None = None
    rerun_from: str | None = None
    definition: str | None = None


_ORIGIN = tuple(Origin.__slots__)
_TRAIL = tuple(Trail.__slots__)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is to begin.

    Attributes:
        id: `new_id("run")`, chosen by the caller so that it can await the run before it exists.
        mode: live or test.
        trigger: The trigger's type, or `api`.
        trigger_node_id: The trigger node it begins at.
        input: What it is given, JSON text: a list of items or a single object.
        trigger_id: The live trigger that begins it; the run is refused once that is gone.
        idempotency_key: The same key gives the same run only once per tenant.
        origin: What began it, if that is a run.
        priority: 0 to 9, the highest first among the tenant's own; None for the version's.
        trail: Who asked for it, and in which trace; that of the call at hand.
    """

    id: str
    tenant_id: str
    workflow_id: str
    version: int
    mode: str
    trigger: str
    trigger_node_id: str
    input: str
    created_at: datetime
    trigger_id: str | None = None
    idempotency_key: str | None = None
    retry_of: str | None = None
    origin: Origin = field(default_factory=Origin)
    priority: int | None = None
    trail: Trail = field(default_factory=at_hand)


@dataclass(frozen=True, slots=True)
class InsertedRun:
    """What became of a NewRun: its id, or that of the run that has its idempotency key already.

    Attributes:
        claim: Its claim and task, when it was taken up at once; else it waits in the line.
    """

    id: str
    created: bool
    claim: tuple[str, str] | None = None

    @property
    def waits(self) -> bool:
        """Whether it stands in the line, perhaps at its head."""
        return self.created and self.claim is None


@dataclass(frozen=True, slots=True)
class Taken:
    """Who takes up runs in the moment in which they begin, and how many."""

    worker: str
    lease: int
    most: int


# A child that its parent is to wait for begins if the parent does wait: the same transaction has
# written that, unless the parent is somebody else's now. An error's run begins if the run has
# failed indeed.
_START = f"""
WITH wanted AS (
  SELECT * FROM json_to_recordset(%(runs)s::json) AS w(
    id text, tenant_id text, workflow_id text, version integer, mode text, trigger text,
    trigger_node_id text, input text, created_at timestamptz, trigger_id text,
    idempotency_key text, retry_of text, parent_run_id text, parent_node_id text,
    parent_iteration text, parent_attempt integer, parent_index integer, depth integer,
    error_of text, rerun_from text, definition text, event text, priority smallint,
    take boolean, request_id text, traceparent text, tracestate text)
), stored AS (
  INSERT INTO engine.runs (id, tenant_id, workflow_id, version, mode, trigger, trigger_node_id,
    input, created_at, trigger_id, idempotency_key, retry_of, parent_run_id, parent_node_id,
    parent_iteration, parent_attempt, parent_index, depth, error_of, rerun_from, definition,
    counted, request_id, traceparent, tracestate)
  SELECT w.id, w.tenant_id, w.workflow_id, w.version, mode, trigger, trigger_node_id,
    input::json, w.created_at, trigger_id, idempotency_key, retry_of, parent_run_id, parent_node_id,
    parent_iteration, parent_attempt, parent_index, depth, error_of, rerun_from,
    w.definition::json, {COUNTED}, request_id, traceparent, tracestate
  FROM wanted w
  LEFT JOIN engine.versions v ON v.workflow_id = w.workflow_id AND v.number = w.version
  WHERE (trigger_id IS NULL OR EXISTS (
      SELECT FROM engine.triggers t WHERE t.id = w.trigger_id AND t.tenant_id = w.tenant_id))
    AND (coalesce(parent_attempt, 0) <= 0 OR EXISTS (
      SELECT FROM engine.waits x WHERE x.run_id = w.parent_run_id AND x.node_id = w.parent_node_id
        AND x.iteration = w.parent_iteration AND x.attempt = w.parent_attempt))
    AND (error_of IS NULL OR parent_run_id IS NOT NULL OR EXISTS (
      SELECT FROM engine.runs f WHERE f.id = w.error_of AND f.status = 'failed'))
  ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
  RETURNING id, counted
), told AS (
  INSERT INTO engine.run_events (run_id, sequence, tenant_id, events)
  SELECT id, 1, tenant_id, event::json FROM wanted w JOIN stored USING (id)
), lined_up AS ({LINE_UP}), taken AS MATERIALIZED (
  SELECT id FROM stored WHERE NOT counted
), {TAKE}
SELECT id, claim::text, task::text FROM stored LEFT JOIN tasks ON tasks.run_id = stored.id
"""

_FIND_BY_KEY = """
SELECT r.tenant_id, r.idempotency_key, r.id
FROM json_to_recordset(%(keys)s::json) AS k(tenant_id text, idempotency_key text)
JOIN engine.runs r USING (tenant_id, idempotency_key)
"""


async def insert_runs(
    connection: AsyncConnection, runs: Sequence[NewRun]
) -> list[InsertedRun | None]:
    """Let runs begin when the transaction commits.

    Returns:
        For each what became of it; None when its trigger is no longer live.
    """
    driver = await driver_of(connection)
    sent = await send_starts(driver, runs)
    await driver.execute(NOTIFY, {"hint": Hint(HintKind.WORK).payloads()[0]})
    return await read_starts(driver, runs, sent)


async def driver_of(connection: AsyncConnection) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """The psycopg connection below, in the same transaction."""
    return cast(
        "psycopg.AsyncConnection[tuple[Any, ...]]",
        (await connection.get_raw_connection()).driver_connection,
    )


async def send_starts(
    driver: psycopg.AsyncConnection[tuple[Any, ...]],
    runs: Sequence[NewRun],
    taken: Taken | None = None,
) -> psycopg.AsyncCursor[tuple[Any, ...]]:
    """The first half of `insert_runs`; `read_starts` may follow later in a pipeline.

    Args:
        driver: In a transaction.
        runs: What is to begin.
        taken: Who takes up how many of them at once; nobody when None.
    """
    by = taken or Taken("", 0, 0)
    rows = [
        {
            "id": run.id,
            "tenant_id": run.tenant_id,
            "workflow_id": run.workflow_id,
            "version": run.version,
            "mode": run.mode,
            "trigger": run.trigger,
            "trigger_node_id": run.trigger_node_id,
            "input": run.input,
            "created_at": run.created_at,
            "trigger_id": run.trigger_id,
            "idempotency_key": run.idempotency_key,
            "retry_of": run.retry_of,
            **{name: getattr(run.origin, name) for name in _ORIGIN},
            "priority": run.priority,
            **{name: getattr(run.trail, name) for name in _TRAIL},
            "event": orjson.dumps([queued_event(run)]).decode(),
            "take": place < by.most,
        }
        for place, run in enumerate(runs)
    ]
    values = {"runs": orjson.dumps(rows).decode(), "worker": by.worker, "lease": by.lease}
    return await driver.execute(_START, values)


async def read_starts(
    driver: psycopg.AsyncConnection[tuple[Any, ...]],
    runs: Sequence[NewRun],
    sent: psycopg.AsyncCursor[tuple[Any, ...]],
) -> list[InsertedRun | None]:
    """The second half of `insert_runs`."""
    begun = {
        run_id: InsertedRun(run_id, created=True, claim=(claim, task) if claim else None)
        for run_id, claim, task in await sent.fetchall()
    }
    known: dict[tuple[str, str | None], str] = {
        (run.tenant_id, run.idempotency_key): run.id
        for run in runs
        if run.id in begun and run.idempotency_key is not None
    }
    missing = [
        {"tenant_id": run.tenant_id, "idempotency_key": run.idempotency_key}
        for run in runs
        if run.id not in begun
        and run.idempotency_key is not None
        and (run.tenant_id, run.idempotency_key) not in known
    ]
    if missing:
        found = await driver.execute(_FIND_BY_KEY, {"keys": orjson.dumps(missing).decode()})
        known.update({(tenant, key): run_id for tenant, key, run_id in await found.fetchall()})
    return [_became(run, begun, known) for run in runs]


def _became(
    run: NewRun, begun: dict[str, InsertedRun], known: dict[tuple[str, str | None], str]
) -> InsertedRun | None:
    if run.id in begun:
        return begun[run.id]
    existing = known.get((run.tenant_id, run.idempotency_key))
    return None if existing is None else InsertedRun(existing, created=False)


def queued_event(run: NewRun) -> JsonObject:
    """The first event of a run's history."""
    return {
        "type": "run.queued",
        "at": run.created_at,
        "data": {
            "workflow_id": run.workflow_id,
            "version": run.version,
            "mode": run.mode,
            "trigger": run.trigger,
        },
    }


async def hold(connection: AsyncConnection, run_id: str) -> None:
    """Keep everybody else from changing a run and what it waits for, until the transaction ends."""
    await (await driver_of(connection)).execute(_LOCK_PARKED, {"run_id": run_id})


_LOCK_PARKED = """
SELECT wake_event, tenant_id FROM engine.runs
WHERE id = %(run_id)s AND ended_at IS NULL FOR NO KEY UPDATE
"""
_END_WAIT = """
DELETE FROM engine.waits
WHERE run_id = %(run_id)s AND node_id = %(node_id)s AND iteration = %(iteration)s
  AND NOT children
RETURNING attempt
"""
_SIGNAL = """
INSERT INTO engine.signals (run_id, node_id, iteration, attempt, tenant_id, answer)
VALUES (%(run_id)s, %(node_id)s, %(iteration)s, %(attempt)s, %(tenant_id)s, %(answer)s::json)
"""
_EMIT = "SELECT engine.emit_wake(%(event)s)"


async def wake(
    connection: AsyncConnection, run_id: str, node_id: str, iteration: str, answer: JsonObject
) -> bool:
    """Answer a waiting node, in the transaction that has the answer; its run goes on by itself.

    Returns:
        False when the node does not wait (any more), or only for other runs: it was answered, its
        time ran out, or the run has ended. Nothing was written then.
    """
    driver = await driver_of(connection)
    key = {"run_id": run_id, "node_id": node_id, "iteration": iteration}
    parked = await (await driver.execute(_LOCK_PARKED, key)).fetchone()
    if parked is None:
        return False
    waited = await (await driver.execute(_END_WAIT, key)).fetchone()
    if waited is None:
        return False
    wake_event, tenant_id = parked
    signal = {
        **key,
        "attempt": waited[0],
        "tenant_id": tenant_id,
        "answer": orjson.dumps(answer).decode(),
    }
    await driver.execute(_SIGNAL, signal)
    if wake_event is not None:
        await driver.execute(_EMIT, {"event": wake_event})
    hint = Hint(HintKind.SIGNAL, run_ids=[run_id]).payloads()[0]
    await driver.execute(NOTIFY, {"hint": hint})
    return True


# With its parent, whom its end may wake.
_LOCK_OPEN = """
SELECT r.id, r.last_sequence, r.parent_run_id FROM engine.runs r
WHERE r.id IN (%(run_id)s, (SELECT c.parent_run_id FROM engine.runs c WHERE c.id = %(run_id)s))
  AND r.tenant_id = %(tenant_id)s AND r.ended_at IS NULL
ORDER BY r.id FOR NO KEY UPDATE
"""
_CANCEL = """
UPDATE engine.runs SET status = 'cancelled', ended_at = %(at)s, last_sequence = %(sequence)s,
  wake_event = NULL
WHERE id = %(run_id)s
"""
_TELL = """
INSERT INTO engine.run_events (run_id, sequence, tenant_id, events)
VALUES (%(run_id)s, %(sequence)s, %(tenant_id)s, %(events)s::json)
"""
_CLOSE_WAITS = """
WITH closed AS (DELETE FROM engine.waits WHERE run_id = %(run_id)s)
UPDATE engine.approvals SET status = 'cancelled', answered_at = %(at)s
WHERE run_id = %(run_id)s AND status = 'pending'
"""


async def cancel(
    connection: AsyncConnection, tenant_id: str, run_id: str, reason: str, at: datetime
) -> bool:
    """End a run of a tenant, and all that it waits for; whoever works on one stops.

    Nobody can write anything for them any more. If a node of another run waits for this one, it is
    told.

    Returns:
        False when there is no such run that has not ended.
    """
    driver = await driver_of(connection)
    key = {"run_id": run_id, "tenant_id": tenant_id, "at": at}
    locked = await (await driver.execute(_LOCK_OPEN, key)).fetchall()
    found = next((row for row in locked if row[0] == run_id), None)
    if found is None:
        return False
    event = {"type": "run.cancelled", "at": at, "data": {"reason": reason}}
    values = {**key, "sequence": found[1] + 1, "events": orjson.dumps([event]).decode()}
    values["run_ids"] = [run_id]
    for statement in (_CANCEL, _TELL, _CLOSE_WAITS, *WITHDRAW):
        await driver.execute(statement, values)
    await cancel_below(driver, [run_id], "The run that waited for it was cancelled.", at)
    if found[2] is not None:
        await send_parent_wakes(driver, [run_id], [found[2]])
    # Slots may be others' now, so there may be work.
    for kind in (HintKind.CANCEL, HintKind.NEWS, HintKind.WORK):
        hint = Hint(kind, run_ids=[run_id]).payloads()[0]
        await driver.execute(NOTIFY, {"hint": hint})
    return True
