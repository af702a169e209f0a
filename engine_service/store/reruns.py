"""Runs that repeat others from a node on: reading what ended, and copying what is kept."""

from collections.abc import Sequence

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.core.events import Key, iteration_text, parse_iteration

_ENDED = sa.text(
    "SELECT node_id, iteration FROM engine.journal WHERE run_id = :run_id AND kind = 'finished'"
)
_DEFINITION = sa.text("SELECT CAST(definition AS text) FROM engine.runs WHERE id = :run_id")
_COPY = sa.text("""
INSERT INTO engine.journal (run_id, node_id, iteration, attempt, kind, tenant_id, started_at, at,
  outputs, detail, outputs_blob)
SELECT :new_id, j.node_id, j.iteration, j.attempt, j.kind, j.tenant_id, j.started_at, j.at,
  j.outputs, j.detail, j.outputs_blob
FROM json_to_recordset(CAST(:keys AS json)) AS k(node_id text, iteration text)
JOIN engine.journal j ON j.run_id = :old_id AND j.node_id = k.node_id
  AND j.iteration = k.iteration
""")


async def ended_executions(connection: AsyncConnection, run_id: str) -> list[Key]:
    """The executions of a run that have results."""
    rows = await connection.execute(_ENDED, {"run_id": run_id})
    return [(node_id, parse_iteration(iteration)) for node_id, iteration in rows]


async def own_definition(connection: AsyncConnection, run_id: str) -> str | None:
    """The definition of a run whose workflow is stored nowhere, as JSON text."""
    return (await connection.execute(_DEFINITION, {"run_id": run_id})).scalar_one_or_none()


async def copy_journal(
    connection: AsyncConnection, old_id: str, new_id: str, kept: Sequence[Key]
) -> None:
    """Let a new run have these executions of another one of its tenant, with all they came to."""
    keys = [{"node_id": node_id, "iteration": iteration_text(it)} for node_id, it in kept]
    values = {"old_id": old_id, "new_id": new_id, "keys": orjson.dumps(keys).decode()}
    await connection.execute(_COPY, values)
