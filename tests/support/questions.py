"""Questions that runs have put to people, for tests of how they are answered."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from engine_service.store.approvals import approvals
from engine_service.store.runs import NewRun, insert_runs
from shared.database import Database
from shared.ids import new_id

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def ask(worker: Database, **fields: Any) -> str:
    """A run that waits for an answer, and its approval's id."""
    run = NewRun(new_id("run"), "ten_a", new_id("wf"), 1, "live", "api", "start", "{}", NOW)
    values: dict[str, Any] = {
        "id": new_id("apr"),
        "tenant_id": run.tenant_id,
        "run_id": run.id,
        "workflow_id": run.workflow_id,
        "node_id": "ask",
        "iteration": "2.0",
        "title": "May I?",
        "message": "",
        "approvers": [],
        "form_schema": None,
        "created_at": NOW,
        **fields,
    }
    async with worker.transaction() as connection:
        await insert_runs(connection, [run])
        await connection.execute(
            text("INSERT INTO engine.waits VALUES (:id, 'ask', '2.0', 1, :tenant)"),
            {"id": run.id, "tenant": run.tenant_id},
        )
        await connection.execute(approvals.insert().values(values))
    return str(values["id"])


async def signals(worker: Database, run_id: str) -> list[dict[str, Any]]:
    """The answers that reached a run."""
    async with worker.transaction() as connection:
        found = await connection.execute(
            text("SELECT answer FROM engine.signals WHERE run_id = :id"), {"id": run_id}
        )
        return list(found.scalars())
