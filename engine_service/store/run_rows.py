"""Reading runs in PostgreSQL: rows, lists, histories, and what each node did."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import NotFound
from shared.ids import is_id
from shared.pages import Page
from shared.tracing.trail import Trail
from shared.workflow import JsonObject


class RunNotFound(NotFound):
    """There is no such run, or it belongs to another tenant."""

    reason = "RUN_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it stands; `input`, `output` and `response` are JSON text, empty when left out.

    Attributes:
        output_blob: The file that holds the output, when it is too large for a row.
    """

    id: str
    tenant_id: str
    workflow_id: str
    version: int
    status: str
    mode: str
    trigger: str
    trigger_node_id: str
    input: str
    output: str | None
    response: str | None
    error: JsonObject | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    last_sequence: int
    retry_of: str | None
    parent_run_id: str | None = None
    error_of: str | None = None
    rerun_from: str | None = None
    output_blob: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event of a run's history."""

    run_id: str
    sequence: int
    type: str
    at: datetime
    data: JsonObject


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One row of a run's journal; `outputs` is JSON text, or in a file."""

    node_id: str
    iteration: str
    attempt: int
    kind: str
    started_at: datetime
    at: datetime
    outputs: str | None
    detail: JsonObject | None
    outputs_blob: str | None = None


_LARGEST_LISTED = 16 * 1024
"""Larger inputs and outputs are left out of lists, whose pages would not fit into an answer."""
_MOST_OUTPUTS = 32 * 1024 * 1024
"""So much of the outputs of a run's nodes is read together, the first ones first."""


def _columns(input_column: str, output_column: str) -> str:
    return f"""id, tenant_id, workflow_id, version, status, mode, trigger, trigger_node_id,
  {input_column}, {output_column}, CAST(response AS text), error, created_at, started_at,
  ended_at, last_sequence, retry_of, parent_run_id, error_of, rerun_from, output_blob"""


def _if_small(column: str, otherwise: str) -> str:
    text = f"CAST({column} AS text)"
    return f"CASE WHEN octet_length({text}) <= {_LARGEST_LISTED} THEN {text} ELSE {otherwise} END"


_GET = sa.text(f"""
SELECT {_columns("CAST(input AS text)", "CAST(output AS text)")}
FROM engine.runs WHERE id = :run_id
""")
MODES = ("live", "test")
STATUSES = ("queued", "running", "waiting", "completed", "failed", "cancelled")


@cache
def _list(size: int, *, of_workflow: bool) -> sa.TextClause:
    """Runs of some modes and statuses, each newest first along the index, merged by id.

    The size is part of the text: where it is a parameter, a plan that is kept expects a tenth of
    the table, and reads it. Each run is read by itself: of all ids at once the planner may think
    that reading a whole tenant is as good.
    """
    workflow = "r.workflow_id = :workflow_id AND" if of_workflow else ""
    return sa.text(f"""
WITH newest AS MATERIALIZED (
  SELECT r.id FROM unnest(CAST(:modes AS text[])) AS m(mode)
  CROSS JOIN unnest(CAST(:statuses AS text[])) AS s(status)
  CROSS JOIN LATERAL (
    SELECT id FROM engine.runs r
    WHERE r.tenant_id = current_setting('flowloom.tenant_id', true) AND {workflow}
      r.mode = m.mode AND r.status = s.status AND r.id COLLATE "C" < :before
    ORDER BY r.id COLLATE "C" DESC LIMIT {size}
  ) AS r
  ORDER BY r.id COLLATE "C" DESC LIMIT {size}
)
SELECT r.* FROM newest CROSS JOIN LATERAL (
  SELECT {_columns(_if_small("input", "''"), _if_small("output", "NULL"))}
  FROM engine.runs WHERE id = newest.id OFFSET 0
) AS r ORDER BY newest.id COLLATE "C" DESC
""")


# Whatever the planner knows of the table, if anything: along the index, as far as the page goes.
_WALK = sa.text("""
SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true),
  set_config('enable_sort', 'off', true)
""")
_BEHIND_ALL = f"run_{'z' * 26}"
_EVENTS = sa.text("""
SELECT sequence, events FROM engine.run_events
WHERE run_id = :run_id AND sequence > :after
ORDER BY sequence LIMIT :at_most
""")
_JOURNAL = sa.text("""
SELECT node_id, iteration, attempt, kind, started_at, at,
  CASE WHEN sum(octet_length(CAST(outputs AS text))) OVER (
    ORDER BY started_at, at ROWS UNBOUNDED PRECEDING
  ) <= :most THEN CAST(outputs AS text) END,
  detail, outputs_blob
FROM engine.journal WHERE run_id = :run_id ORDER BY started_at, at
""")


async def get_run(connection: AsyncConnection, run_id: str) -> StoredRun:
    """One run.

    Raises:
        RunNotFound: There is none, or it is another tenant's.
    """
    if is_id("run", run_id):
        row = (await connection.execute(_GET, {"run_id": run_id})).one_or_none()
        if row is not None:
            return StoredRun(*row)
    raise RunNotFound("There is no such run.")


_TRAIL = sa.text("SELECT request_id, traceparent, tracestate FROM engine.runs WHERE id = :run_id")


async def get_trail(connection: AsyncConnection, run_id: str) -> Trail:
    """Who asked for a run that there is, and in which trace."""
    return Trail(*(await connection.execute(_TRAIL, {"run_id": run_id})).one())


async def list_runs(
    connection: AsyncConnection, page: Page, workflow_id: str = "", status: str = "", mode: str = ""
) -> Sequence[StoredRun]:
    """Runs, newest first: one more than the page holds, when there are more."""
    values: dict[str, object] = {
        "modes": [mode] if mode else list(MODES),
        "statuses": [status] if status else list(STATUSES),
        "before": page.after or _BEHIND_ALL,
    }
    if workflow_id:
        values["workflow_id"] = workflow_id
    await connection.execute(_WALK)
    query = _list(page.size + 1, of_workflow=bool(workflow_id))
    return [StoredRun(*row) for row in await connection.execute(query, values)]


async def read_events(
    connection: AsyncConnection, run_id: str, after: int, at_most: int | None = 200
) -> list[StoredEvent]:
    """The events behind a sequence, of at most so many rows; a row may hold many."""
    values = {"run_id": run_id, "after": after, "at_most": at_most}
    events: list[StoredEvent] = []
    for last, packed in await connection.execute(_EVENTS, values):
        first = last - len(packed) + 1
        events.extend(unpack(run_id, first, packed))
    return [event for event in events if event.sequence > after]


def unpack(run_id: str, first: int, packed: Sequence[JsonObject]) -> list[StoredEvent]:
    """The events of one row."""
    return [
        StoredEvent(run_id, first + place, one["type"], _moment(one["at"]), one["data"])
        for place, one in enumerate(packed)
    ]


async def read_journal(connection: AsyncConnection, run_id: str) -> list[JournalRow]:
    """What each node of a run did, in the order in which it began; not all outputs if too large."""
    rows = await connection.execute(_JOURNAL, {"run_id": run_id, "most": _MOST_OUTPUTS})
    return [JournalRow(*row) for row in rows]


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
