"""What PostgreSQL itself allows: the journal's own writes by a bare client, with no engine around.

The statements of `store/` are sent as an engine sends them, many runs to a transaction: a start
that takes its run up at once, then everything that a webhook → set → respond writes, its end
included. What the engine makes of this limit is what deciding, executing and answering cost.
"""

import statistics
import time
from datetime import UTC, datetime

from bench.mesh import Mesh
from bench.table import Figure
from engine_service.running.entry import End, Entry, taken_up, writing_rows
from engine_service.store.journal import send_writing
from engine_service.store.link import Link
from engine_service.store.runs import NewRun, Taken, read_starts, send_starts
from shared.database import Database, DatabaseRole
from shared.ids import new_id
from shared.workflow import JsonObject

_TOGETHER = 64
_TRANSACTIONS = 40
_ROUNDS = 3
_WORKER = "bench"
_LEASE_SECONDS = 60
_NODES = ("hook", "set", "respond")
_ITEMS = '{"main":[{"json":{"total":250}}]}'


async def measure(mesh: Mesh) -> list[Figure]:
    """Write runs to the mesh's own, otherwise idle database."""
    database = Database(mesh.record["database_url"], DatabaseRole.WORKER)
    link = Link(database)
    try:
        rates: list[float] = []
        for _ in range(_ROUNDS):
            begun_at = time.perf_counter()
            for _ in range(_TRANSACTIONS):
                await _write(link)
            rates.append(_TOGETHER * _TRANSACTIONS / (time.perf_counter() - begun_at))
    finally:
        await link.close()
        await database.close()
    rate = statistics.median(rates)
    detail = f"{_TOGETHER} runs in each of two transactions, nothing else"
    return [Figure("the journal's writes by a bare client", f"{rate:,.0f} runs/s", detail)]


async def _write(link: Link) -> None:
    """Begin a batch of runs in one transaction, end them in another."""
    runs = [_run() for _ in range(_TOGETHER)]
    async with link.pipeline() as driver:
        sent = await send_starts(driver, runs, Taken(_WORKER, _LEASE_SECONDS, _TOGETHER))
    begun = await read_starts(driver, runs, sent)
    entries = [
        _entry(run, *one.claim)
        for run, one in zip(runs, begun, strict=True)
        if one is not None and one.claim is not None
    ]
    async with link.pipeline() as driver:
        written = await send_writing(driver, _WORKER, writing_rows(entries))
    assert len(await written.fetchall()) == _TOGETHER


def _run() -> NewRun:
    return NewRun(
        id=new_id("run"),
        tenant_id="bench",
        workflow_id="wf_bench",
        version=1,
        mode="live",
        trigger="trigger.webhook",
        trigger_node_id="hook",
        input=_ITEMS,
        created_at=datetime.now(UTC),
    )


def _entry(run: NewRun, claim: str, task: str) -> Entry:
    now = datetime.now(UTC)
    entry = Entry(taken_up(run, claim, task), 2, status="running", started_at=now)
    entry.events.append({"type": "run.started", "at": now, "data": {}})
    for node_id in _NODES:
        about: JsonObject = {"node_id": node_id, "iteration": "", "attempt": 1}
        told = {**about, "items": {"main": 1}, "failures": 0, "duration_ms": 0.1}
        entry.events.append({"type": "node.completed", "at": now, "data": told})
        fact = {"run_id": run.id, "tenant_id": run.tenant_id, "kind": "finished"}
        entry.facts.append(
            {**about, **fact, "started_at": now, "at": now, "outputs": _ITEMS, "detail": None}
        )
    entry.events.append({"type": "run.completed", "at": now, "data": {}})
    entry.end = End("completed", now, _ITEMS)
    return entry
