"""The journal in PostgreSQL: what one transaction of a group commit writes, and what is read back.

Every function takes the psycopg connection of a transaction that is under way, and rows as JSON, a
batch at a time: PostgreSQL spends microseconds a row where a statement each would cost a hundred.
Functions that only send may be pipelined; each says what its cursor will hold.
"""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg

from engine_service import dispatch
from engine_service.core.events import (
    AnyFact,
    Key,
    NodeAnswered,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    NodeWaited,
    parse_iteration,
)
from engine_service.encoding import decode
from engine_service.store import line
from engine_service.store.families import cancel_below
from engine_service.store.hints import NOTIFY, Hint
from shared.tracing.trail import Trail
from shared.workflow import JsonObject

Driver = psycopg.AsyncConnection[tuple[Any, ...]]
Cursor = psycopg.AsyncCursor[tuple[Any, ...]]
Rows = Sequence[Mapping[str, Any]]
_SHARDS = 16
"""How many rows a tenant's usage of a day has at most; processes that share one take turns."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that this process has claimed; the names are those of ClaimedRun."""

    claim: str
    task: str
    attempt: int
    run_id: str


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run whose task this process has claimed, as it stands.

    Attributes:
        claim: The claim's id, which fences what is written.
        task: The task's id.
        attempt: One more than the number of workers that ended while they had the task.
        input: JSON text.
        parent_run_id: What follows is that of store/runs.py's Origin.
        counted: It came through the line, and has a slot while it is worked on.
    """

    claim: str
    task: str
    attempt: int
    id: str
    tenant_id: str
    workflow_id: str
    version: int
    mode: str
    trigger: str
    trigger_node_id: str
    input: str
    status: str
    last_sequence: int
    retry_of: str | None
    created_at: datetime
    started_at: datetime | None
    parent_run_id: str | None = None
    depth: int = 0
    error_of: str | None = None
    rerun_from: str | None = None
    definition: str | None = None
    counted: bool = False
    request_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def trail(self) -> Trail:
        """Who asked for it, and in which trace."""
        return Trail(self.request_id, self.traceparent, self.tracestate)


# In the order of its keys, so that two processes that share a shard cannot wait for each other.
_COUNTING = """
counted AS (
  INSERT INTO engine.usage AS known (tenant_id, day, shard, runs, nodes, model_calls,
    input_tokens, output_tokens, cost_usd, unpriced)
  SELECT tenant_id, day, %(shard)s, sum(runs), sum(nodes), sum(model_calls), sum(input_tokens),
    sum(output_tokens), sum(cost_usd), sum(unpriced)
  FROM json_to_recordset(%(usage)s::json) AS x(run_id text, tenant_id text, day date, runs integer,
    nodes integer, model_calls integer, input_tokens bigint, output_tokens bigint,
    cost_usd numeric, unpriced integer) JOIN ours USING (run_id)
  GROUP BY tenant_id, day ORDER BY tenant_id, day
  ON CONFLICT (tenant_id, day, shard) DO UPDATE SET
    runs = known.runs + excluded.runs,
    nodes = known.nodes + excluded.nodes,
    model_calls = known.model_calls + excluded.model_calls,
    input_tokens = known.input_tokens + excluded.input_tokens,
    output_tokens = known.output_tokens + excluded.output_tokens,
    cost_usd = known.cost_usd + excluded.cost_usd,
    unpriced = known.unpriced + excluded.unpriced
), spent AS (
  INSERT INTO engine.run_usage AS known (run_id, tenant_id, model_calls, input_tokens,
    output_tokens, cost_usd, unpriced)
  SELECT x.run_id, tenant_id, sum(model_calls), sum(input_tokens), sum(output_tokens),
    sum(cost_usd), sum(unpriced)
  FROM json_to_recordset(%(usage)s::json) AS x(run_id text, tenant_id text, model_calls integer,
    input_tokens bigint, output_tokens bigint, cost_usd numeric, unpriced integer)
  JOIN ours USING (run_id) WHERE model_calls > 0
  GROUP BY x.run_id, tenant_id
  ON CONFLICT (run_id) DO UPDATE SET
    model_calls = known.model_calls + excluded.model_calls,
    input_tokens = known.input_tokens + excluded.input_tokens,
    output_tokens = known.output_tokens + excluded.output_tokens,
    cost_usd = known.cost_usd + excluded.cost_usd,
    unpriced = known.unpriced + excluded.unpriced
)"""

# One statement, because a statement each would cost more than all of their work. First the runs
# and their claims are locked, in one order everywhere, and with a run that ends the one that waits
# for it; whatever follows is written for `ours` only.
_WRITE = f"""
WITH claimed AS MATERIALIZED (
  SELECT * FROM json_to_recordset(%(claims)s::json)
    AS c(run_id text, claim uuid, task uuid, ends boolean, parent text)
), locked AS MATERIALIZED (
  SELECT r.id FROM engine.runs r WHERE r.ended_at IS NULL AND r.id = ANY(ARRAY(
    SELECT run_id FROM claimed UNION ALL SELECT parent FROM claimed WHERE parent IS NOT NULL))
  ORDER BY r.id FOR NO KEY UPDATE
), ours AS MATERIALIZED (
  SELECT c.run_id, c.task, c.ends FROM claimed c JOIN locked ON locked.id = c.run_id
  {dispatch.FENCE.format(claim="c.claim")}
  ORDER BY c.claim FOR UPDATE OF held
), recorded AS (
  INSERT INTO engine.journal
    (run_id, node_id, iteration, attempt, kind, tenant_id, started_at, at, outputs, detail,
    outputs_blob)
  SELECT x.run_id, node_id, iteration, attempt, kind, tenant_id, started_at, at,
    outputs::json, detail::json, outputs_blob
  FROM json_to_recordset(%(facts)s::json) AS x(run_id text, node_id text, iteration text,
    attempt integer, kind text, tenant_id text, started_at timestamptz, at timestamptz,
    outputs text, detail text, outputs_blob text) JOIN ours USING (run_id)
), told AS (
  INSERT INTO engine.run_events (run_id, sequence, tenant_id, events)
  SELECT x.run_id, sequence, tenant_id, events::json
  FROM json_to_recordset(%(events)s::json) AS x(run_id text, sequence bigint, tenant_id text,
    events text) JOIN ours USING (run_id)
), moved AS (
  UPDATE engine.runs r SET
    status = coalesce(x.status, r.status),
    last_sequence = coalesce(x.last_sequence, r.last_sequence),
    started_at = coalesce(r.started_at, x.started_at),
    output = x.output::json,
    output_blob = x.output_blob,
    response = coalesce(x.response::json, r.response),
    error = x.error::json,
    wake_event = x.wake_event,
    ended_at = x.ended_at
  FROM json_to_recordset(%(moves)s::json) AS x(run_id text, status text, last_sequence bigint,
    started_at timestamptz, output text, output_blob text, response text, error text,
    wake_event text, ended_at timestamptz) JOIN ours USING (run_id)
  WHERE r.id = x.run_id
), waiting AS (
  INSERT INTO engine.waits (run_id, node_id, iteration, attempt, tenant_id, children)
  SELECT x.run_id, node_id, iteration, attempt, tenant_id, coalesce(children, false)
  FROM json_to_recordset(%(waits)s::json) AS x(run_id text, node_id text, iteration text,
    attempt integer, tenant_id text, children boolean) JOIN ours USING (run_id)
), asked AS (
  INSERT INTO engine.approvals (id, tenant_id, run_id, workflow_id, node_id, iteration, title,
    message, approvers, form_schema, created_at, expires_at, kind, quorum, first_rejection_decides)
  SELECT id, tenant_id, x.run_id, workflow_id, node_id, iteration, title, message,
    ARRAY(SELECT json_array_elements_text(approvers)), form_schema::json, created_at, expires_at,
    kind, quorum, first_rejection_decides
  FROM json_to_recordset(%(approvals)s::json) AS x(id text, tenant_id text, run_id text,
    workflow_id text, node_id text, iteration text, title text, message text, approvers json,
    form_schema text, created_at timestamptz, expires_at timestamptz, kind text, quorum integer,
    first_rejection_decides boolean) JOIN ours USING (run_id)
), noticed AS (
  INSERT INTO engine.notices (id, tenant_id, approval_id, approver, channel, recipient, credentials,
    due_at, every_seconds, reminders)
  SELECT n.id, x.tenant_id, x.id, n.approver, n.channel, n.recipient, n.credentials, x.created_at,
    n.every_seconds, n.reminders
  FROM json_to_recordset(%(approvals)s::json) AS x(id text, tenant_id text, run_id text,
    created_at timestamptz, notices json) JOIN ours USING (run_id)
  CROSS JOIN LATERAL json_to_recordset(x.notices) AS n(id text, approver text, channel text,
    recipient text, credentials json, every_seconds double precision, reminders integer)
), progressed AS (
  INSERT INTO engine.progress (run_id, node_id, iteration, number, tenant_id, step)
  SELECT x.run_id, node_id, iteration, number, tenant_id, step::json
  FROM json_to_recordset(%(progress)s::json) AS x(run_id text, node_id text, iteration text,
    number integer, tenant_id text, step text) JOIN ours USING (run_id)
), {_COUNTING}, closing AS MATERIALIZED (
  SELECT run_id, task FROM json_to_recordset(%(closing)s::json) AS x(run_id text)
  JOIN ours USING (run_id)
), closed AS (
  DELETE FROM engine.waits WHERE run_id IN (SELECT run_id FROM closing)
), withdrawn AS (
  UPDATE engine.approvals SET status = 'cancelled', answered_at = clock_timestamp()
  WHERE status = 'pending' AND run_id IN (SELECT run_id FROM closing)
), {dispatch.FINISH}
SELECT run_id FROM ours
"""

# A statement of its own, with a fresh look at the waits: those that were answered meanwhile have
# no row any more, and then the run must look again instead of sleeping.
_SLEEP = f"""
WITH due AS MATERIALIZED (
  SELECT x.* FROM json_to_recordset(%(rows)s::json) AS x(run_id text, task uuid, claim uuid,
    event text, seconds integer, waits integer)
  {dispatch.FENCE.format(claim="x.claim")}
  WHERE (SELECT count(*) FROM engine.waits w WHERE w.run_id = x.run_id) = x.waits
)
SELECT due.run_id FROM due CROSS JOIN LATERAL {
    dispatch.SLEEP.format(
        task="due.task", claim="due.claim", event="due.event", seconds="due.seconds"
    )
} AS asleep
WHERE asleep.should_suspend
"""
_RELEASE = f"""
SELECT {dispatch.RELEASE.format(claim="x.claim")}
FROM json_to_recordset(%(rows)s::json) AS x(claim uuid)
{dispatch.FENCE.format(claim="x.claim")}
"""
# Never to be joined to the claiming: a function sees what was committed while its statement ran,
# the statement around it does not; it would miss a run that has just begun, or read it as it was.
_READ_RUNS = """
SELECT r.id, r.tenant_id, r.workflow_id, r.version, r.mode, r.trigger, r.trigger_node_id,
  r.input::text, r.status, r.last_sequence, r.retry_of, r.created_at, r.started_at,
  r.parent_run_id, r.depth, r.error_of, r.rerun_from, r.definition::text, r.counted,
  r.request_id, r.traceparent, r.tracestate
FROM engine.runs r WHERE r.id = ANY(%(ids)s) AND r.ended_at IS NULL
"""

_READ_JOURNAL = """
SELECT node_id, iteration, attempt, kind, at, outputs::text, detail, outputs_blob
FROM engine.journal
WHERE run_id = %(run_id)s
"""
_READ_SIGNALS = """
SELECT node_id, iteration, attempt, created_at, answer FROM engine.signals
WHERE run_id = %(run_id)s
"""
_READ_PROGRESS = """
SELECT step FROM engine.progress
WHERE run_id = %(run_id)s AND node_id = %(node_id)s AND iteration = %(iteration)s ORDER BY number
"""

_EXPIRE = """
WITH ours AS (
  SELECT r.id FROM engine.runs r WHERE r.id = %(run_id)s AND r.ended_at IS NULL
  FOR NO KEY UPDATE OF r
), closed AS (
  DELETE FROM engine.waits w USING ours
  WHERE w.run_id = ours.id AND w.node_id = %(node_id)s AND w.iteration = %(iteration)s
  RETURNING w.run_id, w.children
), expired AS (
  UPDATE engine.approvals a SET status = 'expired', answered_at = clock_timestamp()
  FROM closed WHERE a.run_id = closed.run_id AND a.node_id = %(node_id)s
    AND a.iteration = %(iteration)s AND a.status = 'pending'
)
SELECT coalesce(bool_or(children), false) FROM closed
"""


async def send_writing(driver: Driver, worker: str, writing: "Writing") -> Cursor:
    """Write for runs whose claims are ours; the cursor's first column holds their ids."""
    values = {name: _json(getattr(writing, name)) for name in Writing.__slots__}
    shard = zlib.crc32(worker.encode()) % _SHARDS
    return await driver.execute(_WRITE, {"worker": worker, "shard": shard, **values})


async def send_sleeps(driver: Driver, worker: str, rows: Rows) -> Cursor:
    """Park runs; the cursor holds the ids of those that sleep now."""
    return await driver.execute(_SLEEP, {"worker": worker, "rows": _json(rows)})


async def send_releases(driver: Driver, worker: str, claims: Rows) -> None:
    """Give claims back."""
    await driver.execute(_RELEASE, {"worker": worker, "rows": _json(claims)})


async def send_claim(driver: Driver, worker: str, lease: int, quantity: int) -> Sequence[Cursor]:
    """Take tasks from engines that are gone, claim tasks, then runs that stand in the line.

    `read_freed` understands the first cursor, `read_claims` the others.
    """
    values = {"worker": worker, "lease": lease, "quantity": quantity}
    freed = await driver.execute(dispatch.SET_FREE, values)
    begun = await driver.execute(dispatch.CLAIM, values)
    return freed, begun, await line.send_pick(driver, worker, lease, quantity)


async def send_due(driver: Driver) -> Cursor:
    """Ask when there will be something to claim; `read_due` understands the cursor."""
    return await driver.execute(dispatch.NEXT_DUE)


async def read_due(sent: Cursor) -> float:
    """In how many seconds there will be; infinite when nobody knows."""
    row = await sent.fetchone()
    return math.inf if row is None or row[0] is None else row[0]


async def read_freed(sent: Sequence[Cursor]) -> list[float]:
    """For how many seconds nobody had heard of the engines whose tasks are free now."""
    return [row[0] for cursor in sent[:1] for row in await cursor.fetchall()]


async def read_claims(sent: Sequence[Cursor]) -> list[Claim]:
    """What was claimed."""
    return [Claim(*row[:4]) for cursor in sent[1:] for row in await cursor.fetchall()]


async def read_claimed_runs(
    driver: Driver, claims: Sequence[Claim]
) -> tuple[list[ClaimedRun], list[str]]:
    """The runs that were claimed, and ids for whose tasks there is no living run."""
    found = await driver.execute(_READ_RUNS, {"ids": [claim.run_id for claim in claims]})
    runs = {row[0]: row for row in await found.fetchall()}
    living = [
        ClaimedRun(one.claim, one.task, one.attempt, *runs[one.run_id])
        for one in claims
        if one.run_id in runs
    ]
    if woken := [run.id for run in living if run.counted and run.status != "queued"]:
        await line.hold(driver, woken)
    return living, [one.run_id for one in claims if one.run_id not in runs]


async def drop(driver: Driver, run_ids: Sequence[str]) -> None:
    """End tasks that belong to no living run."""
    await driver.execute(dispatch.DROP, {"run_ids": list(run_ids)})


async def send_hint(driver: Driver, hint: Hint) -> None:
    """Tell the other engines something, when the transaction commits."""
    for payload in hint.payloads():
        await driver.execute(NOTIFY, {"hint": payload})


@dataclass(slots=True)
class Writing:
    """What one statement writes, as rows.

    Attributes:
        claims: The runs it is about, and whether they end.
        moves: What changes in the runs' own rows.
        closing: Runs whose open waits are over.
        progress: Steps of actions that have several.
        usage: What is counted, by run and day.
    """

    claims: Rows
    facts: Rows
    events: Rows
    moves: Rows
    waits: Rows
    approvals: Rows
    closing: Rows
    progress: Rows
    usage: Rows


# --- reading


async def read_facts(driver: Driver, run_id: str) -> dict[Key, list[AnyFact]]:
    """All that is known of a run's nodes: the journal and the answers that came.

    Outputs that are in files are not read here.
    """
    facts: dict[Key, list[AnyFact]] = {}
    journal = await driver.execute(_READ_JOURNAL, {"run_id": run_id})
    for row in await journal.fetchall():
        fact = _fact(row)
        facts.setdefault(fact.key, []).append(fact)
    for answer in await read_answers(driver, run_id):
        facts.setdefault(answer.key, []).append(answer)
    return facts


async def read_answers(driver: Driver, run_id: str) -> list[NodeAnswered]:
    """The answers that came from outside."""
    signals = await driver.execute(_READ_SIGNALS, {"run_id": run_id})
    return [
        NodeAnswered(node_id, parse_iteration(iteration), attempt, at, answer)
        for node_id, iteration, attempt, at, answer in await signals.fetchall()
    ]


async def read_progress(
    driver: Driver, run_id: str, node_id: str, iteration: str
) -> list[JsonObject]:
    """The steps of one execution of a node, in order."""
    key = {"run_id": run_id, "node_id": node_id, "iteration": iteration}
    found = await driver.execute(_READ_PROGRESS, key)
    return [row[0] for row in await found.fetchall()]


async def expire(driver: Driver, run_id: str, node_id: str, iteration: str, now: datetime) -> None:
    """Close a wait whose time is over; an answer that came first remains in the signals.

    Runs that the node waited for are cancelled.
    """
    key = {"run_id": run_id, "node_id": node_id, "iteration": iteration}
    row = await (await driver.execute(_EXPIRE, key)).fetchone()
    if row is not None and row[0]:
        reason = "The run that waited for it waits no longer."
        await cancel_below(driver, [run_id], reason, now, (node_id, iteration))


def _fact(row: tuple[Any, ...]) -> AnyFact:
    node_id, iteration, attempt, kind, at, outputs, detail, blob = row
    key = node_id, parse_iteration(iteration), attempt, at
    said: JsonObject = detail or {}
    match kind:
        case "started":
            return NodeStarted(*key)
        case "finished":
            failures = tuple(said.get("failures", ()))
            known = decode(outputs or "{}")
            return NodeFinished(*key, known, failures, said.get("response"), blob)
        case "failed":
            return NodeFailed(*key, said["code"], said["message"], _moment(said.get("retry_at")))
        case _:
            return NodeWaited(
                *key,
                _moment(said.get("until")),
                answerable=said.get("answerable", False),
                outcome_unknown=said.get("outcome_unknown", False),
                children=said.get("children", 0),
            )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _json(rows: Iterable[Any]) -> str:
    return orjson.dumps(rows).decode()
