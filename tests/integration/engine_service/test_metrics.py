"""An engine counts what it does, and tells it on a port of its own."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from engine_service.running.housekeeping import look_around, tell_lag
from engine_service.running.worker import WorkerOptions
from shared.metrics import serve_metrics
from tests.support.definitions import a_set, definition, node
from tests.support.engine import TestEngine, running_engine
from tests.support.nodes import WORLD, catalogue

QUICK = WorkerOptions(lease_seconds=2, poll_seconds=0.1)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"flowloom_engine_{name}", labels) or 0.0


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[TestEngine]:
    async with running_engine(postgres_url, catalogue=catalogue(), options=QUICK) as engine:
        yield engine


async def test_runs_and_nodes_are_counted(engine: TestEngine) -> None:
    names = {"type": "data.set"}
    before = value("node_seconds_count", **names), value("runs_total", status="completed")
    began = value("activation_latency_seconds_count")
    await engine.finish(await engine.save(definition([a_set("a", x=1)], "start > a")))
    assert value("node_seconds_count", **names) == before[0] + 1
    assert value("runs_total", status="completed") == before[1] + 1
    assert value("activation_latency_seconds_count") == began + 1


async def test_the_line_is_counted_and_only_what_no_limit_holds_up_lags(
    engine: TestEngine,
) -> None:
    WORLD.begin(held=True)
    workflow = await engine.save(definition([node("a", "test.keyed")], "start > a", concurrency=1))
    runs = [(await engine.start(workflow)).id for _ in range(3)]
    await engine.until(runs[0], "node.started")
    await look_around(engine.databases.worker)
    assert value("line_runs") == 2
    assert value("queue_lag_seconds") == 0
    WORLD.gate.set()
    for run_id in runs:
        await engine.ended(run_id)


async def test_the_log_says_how_far_behind_the_queue_is(engine: TestEngine) -> None:
    with capture_logs() as lines:
        await tell_lag(engine.databases.worker)
    expected = {"event": "queue_lag", "log_level": "info", "lag_seconds": 0, "line_runs": 0}
    assert lines == [expected]


async def test_recovery_is_measured_from_the_last_sign_of_life(postgres_url: str) -> None:
    before = value("recovery_seconds_count"), value("recovery_seconds_sum")
    WORLD.begin(held=True)
    async with running_engine(postgres_url, catalogue=catalogue(), options=QUICK) as doomed:
        workflow = await doomed.save(definition([node("a", "test.keyed")], "start > a"))
        run = await doomed.start(workflow)
        await WORLD.reached.wait()
    WORLD.gate.set()
    async with running_engine(postgres_url, catalogue=catalogue(), options=QUICK) as heir:
        await heir.ended(run.id)
    assert value("recovery_seconds_count") == before[0] + 1
    assert value("recovery_seconds_sum") - before[1] >= QUICK.lease_seconds


async def test_prometheus_reads_them_on_their_own_port() -> None:
    server = serve_metrics(0, "127.0.0.1")
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    try:
        with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
            text = answer.read().decode()
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
    assert "flowloom_engine_queue_lag_seconds" in text
