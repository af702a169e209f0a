"""What is done to runs from outside: how every run begins, is woken, and is cancelled.

There is one way for each, in whatever transaction has the reason for it. `insert_runs` stores the
row, the first event and its place in the line, or its task when an engine takes it up at once;
`wake` leaves an answer and wakes who waits for it; `cancel` ends a run, whoever works on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson
import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.dispatch import DROP, TAKE
from engine_service.store.hints import NOTIFY, Hint, HintKind
from engine_service.store.line import COUNTED, LEAVE, LINE_UP
from shared.workflow import JsonObject


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
        priority: 0 to 9, the highest first among the tenant's own; None for the version's.
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
    priority: int | None = None


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


_START = f"""
WITH wanted AS (
  SELECT * FROM json_to_recordset(%(runs)s::json) AS w(
    id text, tenant_id text, workflow_id text, version integer, mode text, trigger text,
    trigger_node_id text, input text, created_at timestamptz, trigger_id text,
    idempotency_key text, retry_of text, event text, priority smallint, take boolean)
), stored AS (
  INSERT INTO engine.runs (id, tenant_id, workflow_id, version, mode, trigger, trigger_node_id,
    input, created_at, trigger_id, idempotency_key, retry_of, counted)
  SELECT w.id, w.tenant_id, w.workflow_id, w.version, w.mode, w.trigger, w.trigger_node_id,
    w.input::json, w.created_at, w.trigger_id, w.idempotency_key, w.retry_of, {COUNTED}
  FROM wanted w
  LEFT JOIN engine.versions v ON v.workflow_id = w.workflow_id AND v.number = w.version
  WHERE trigger_id IS NULL OR EXISTS (
    SELECT FROM engine.triggers t WHERE t.id = w.trigger_id AND t.tenant_id = w.tenant_id)
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
            "priority": run.priority,
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


_LOCK_PARKED = """
SELECT wake_event, tenant_id FROM engine.runs
WHERE id = %(run_id)s AND ended_at IS NULL FOR NO KEY UPDATE
"""
_END_WAIT = """
DELETE FROM engine.waits
WHERE run_id = %(run_id)s AND node_id = %(node_id)s AND iteration = %(iteration)s
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
        False when the node does not wait (any more): it was answered, its time ran out, or the run
        has ended. Nothing was written then.
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


_LOCK_OPEN = """
SELECT last_sequence FROM engine.runs
WHERE id = %(run_id)s AND tenant_id = %(tenant_id)s AND ended_at IS NULL FOR NO KEY UPDATE
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
    """End a run of a tenant; whoever works on it stops, and can write nothing any more.

    Returns:
        False when there is no such run that has not ended.
    """
    driver = await driver_of(connection)
    key = {"run_id": run_id, "tenant_id": tenant_id, "at": at}
    found = await (await driver.execute(_LOCK_OPEN, key)).fetchone()
    if found is None:
        return False
    event = {"type": "run.cancelled", "at": at, "data": {"reason": reason}}
    values = {**key, "sequence": found[0] + 1, "events": orjson.dumps([event]).decode()}
    for statement in (_CANCEL, _TELL, _CLOSE_WAITS, *LEAVE, DROP):
        await driver.execute(statement, values)
    # Its slot may be another's now, so there may be work.
    for kind in (HintKind.CANCEL, HintKind.NEWS, HintKind.WORK):
        hint = Hint(kind, run_ids=[run_id]).payloads()[0]
        await driver.execute(NOTIFY, {"hint": hint})
    return True
