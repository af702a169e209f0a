"""`python -m bench.capacity`: what a run costs, and what a multiple of today's load would take.

What docs/capacity.md reckons with: processor time of a run in each part, its transactions, its
share of PostgreSQL's log and disk. Processor time hardly depends on what else the machine does, so
the figures hold on a busy one, too; the rates of `make bench` do not.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from bench import runs, workflows
from bench.load import send
from bench.mesh import Mesh, running
from bench.table import Figure, show

_IN_FLIGHT = 50
_WARM_UP = 200
_TIMES = (1, 10, 100, 1000)
_BUSY = 0.6
"""The share of a processor that one plans with; scaling aims at it."""
_DAY = 86_400
_COUNTERS = (
    "SELECT pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn, "
    "(SELECT sum(xact_commit) FROM pg_stat_database)"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run costs.

    Attributes:
        seconds: Processor time by part of the mesh.
    """

    seconds: Mapping[str, float]
    disk_bytes: float
    log_bytes: float
    transactions: float


async def measure(requests: int) -> dict[str, Cost]:
    """The cost of each kind of run."""
    with tempfile.TemporaryDirectory(prefix="flowloom-bench-", ignore_cleanup_errors=True) as made:
        state = Path(made) / "state"
        async with (
            runs.answering() as url,
            running(state, allowed_hosts=urlsplit(url).netloc) as mesh,
        ):
            kinds: dict[str, dict[str, Any]] = {
                "webhook → set → respond": workflows.webhook_set_respond("trivial"),
                "10 pure nodes": workflows.pure_nodes("pure", 10),
                "1 HTTP effect": workflows.http_effects("one", 1, url),
                "5 HTTP effects": workflows.http_effects("five", 5, url),
            }
            return {what: await _cost(mesh, kind, requests) for what, kind in kinds.items()}


async def _cost(mesh: Mesh, definition: dict[str, Any], requests: int) -> Cost:
    hook = await mesh.hook_url(await mesh.create_workflow(definition, activate=True))

    async def load(count: int) -> None:
        done = await send(
            hook,
            requests=count,
            in_flight=_IN_FLIGHT,
            method="POST",
            headers={"content-type": "application/json"},
            body=b'{"amount": 250}',
        )
        if set(done.statuses) != {200}:
            raise RuntimeError(f"{definition['name']} was answered with {done.statuses}")

    await load(_WARM_UP)
    counted, spent = await _counters(mesh), _spent(mesh)
    await load(requests)
    counted_after, spent_after = await _counters(mesh), _spent(mesh)
    disk, log, transactions = (
        (after - before) / requests for before, after in zip(counted, counted_after, strict=True)
    )
    seconds = {part: (spent_after[part] - spent[part]) / requests for part in spent}
    return Cost(seconds, disk, log, transactions)


def _spent(mesh: Mesh) -> dict[str, float]:
    """Processor seconds that the parts have used so far, ended children included."""
    return {
        # Children first: whoever ends meanwhile is found in its parent's figures.
        part: sum(_seconds(process) for process in reversed(processes))
        for part, processes in mesh.processes().items()
        if part != "flowloom up"
    }


def _seconds(process: psutil.Process) -> float:
    try:
        times: Any = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


async def _counters(mesh: Mesh) -> tuple[float, ...]:
    url = mesh.record["database_url"]
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        row = await (await connection.execute(_COUNTERS)).fetchone()
    assert row is not None
    return tuple(float(value) for value in row)


def figures(costs: Mapping[str, Cost], base: str, rate: float) -> list[Figure]:
    """What was measured, and what it comes to."""
    shown = [
        Figure(
            what,
            f"{1000 * sum(cost.seconds.values()):.1f} ms",
            ", ".join(f"{part} {1000 * spent:.2f}" for part, spent in cost.seconds.items())
            + f"; {cost.transactions:.1f} transactions, {cost.log_bytes / 1024:.1f} KiB of log, "
            f"{cost.disk_bytes / 1024:.1f} KiB on disk",
        )
        for what, cost in costs.items()
    ]
    cost = costs[base]
    for part in ("gateway", "engine", "postgres"):
        able = _BUSY / cost.seconds[part]
        shown.append(
            Figure(f"a processor of {part}", f"{able:.0f} runs/s", f"of {base}, 60 % busy")
        )
    return [*shown, *(_at(cost, times * rate) for times in _TIMES)]


def _at(cost: Cost, rate: float) -> Figure:
    processors = {
        part: rate * cost.seconds[part] / _BUSY for part in ("gateway", "engine", "postgres")
    }
    return Figure(
        f"{rate:,.0f} runs/s",
        f"{sum(processors.values()):,.1f} processors",
        ", ".join(f"{part} {count:,.1f}" for part, count in processors.items())
        + f"; {rate * cost.transactions:,.0f} transactions/s, "
        f"{rate * cost.log_bytes / 1024**2:,.1f} MiB/s of log, "
        f"{rate * cost.disk_bytes * _DAY / 1024**3:,.0f} GiB a day",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.capacity")
    parser.add_argument("--requests", type=int, default=2000, help="of each kind")
    parser.add_argument("--rate", type=float, default=10.0, help="today's runs a second")
    parser.add_argument("--kind", default="1 HTTP effect", help="which run is the usual one")
    asked = parser.parse_args()
    measured = asyncio.run(measure(asked.requests))
    show("What a run costs", figures(measured, asked.kind, asked.rate))
