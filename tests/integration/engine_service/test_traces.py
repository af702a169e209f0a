"""What an engine writes to its log and sends as spans belongs to a request, a run and a node."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from engine_service.catalogue import Catalogue
from engine_service.nodes import NODES
from engine_service.sdk.node import NodeInput, Outcome, Services
from engine_service.store.triggers import LiveTrigger
from engine_service.triggering import scheduler
from engine_service.triggers import TRIGGERS
from engine_service.triggers.schedule import Schedule, ScheduleParameters
from shared import telemetry
from shared.rpc import call
from shared.tracing import spans
from tests.support.definitions import a_set, definition, node
from tests.support.engine import TestEngine, running_engine
from tests.support.nodes import EffectParameters, Read
from tests.support.otlp import Collector, collecting, tracing_to

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ASKED = call.Call(request_id="req_7", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")


class Broken(Read):
    """Breaks in a way that nobody foresaw."""

    type = "test.broken"

    async def run(self, given: NodeInput[EffectParameters], services: Services) -> Outcome:
        raise RuntimeError("nobody foresaw this")


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector, while this process traces."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    async with collecting() as collector:
        spans.switch_on("engine", tracing_to(collector.server.url))
        yield collector
        await asyncio.to_thread(spans.switch_off)


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[TestEngine]:
    catalogue = Catalogue([*NODES, *TRIGGERS, Broken])
    async with running_engine(postgres_url, catalogue=catalogue) as engine:
        yield engine


async def broken_run(engine: TestEngine) -> tuple[str, list[Any]]:
    """Run something that breaks; the run, and what was written to the log meanwhile."""
    workflow = await engine.save(definition([node("a", "test.broken")], "start > a"))
    with capture_logs(processors=[merge_contextvars, telemetry.add_call]) as lines:
        with call.use(ASKED):
            run = await engine.start(workflow)
        await engine.ended(run.id)
    return run.id, [line for line in lines if line["event"] == "node_broke"]


async def test_a_line_says_which_run_node_request_and_trace_it_is_about(
    engine: TestEngine, collector: Collector
) -> None:
    run_id, [line] = await broken_run(engine)
    assert {name: line[name] for name in ("run_id", "node_id", "request_id", "trace_id")} == {
        "run_id": run_id,
        "node_id": "a",
        "request_id": "req_7",
        "trace_id": TRACE,
    }
    assert (await collector.one("node test.broken", TRACE)).failed


async def test_without_a_collector_a_line_still_says_run_node_and_request(
    engine: TestEngine,
) -> None:
    run_id, [line] = await broken_run(engine)
    about = line["run_id"], line["node_id"], line["request_id"]
    assert (about, "trace_id" in line) == ((run_id, "a", "req_7"), False)
    [row] = await engine.query(
        "SELECT request_id, traceparent FROM engine.runs WHERE id = :id", id=run_id
    )
    assert tuple(row) == ("req_7", None)


async def test_each_tick_of_a_clock_begins_a_trace(
    engine: TestEngine, collector: Collector
) -> None:
    workflow_id = await engine.save(definition([a_set("a", x=1)], "start > a"))
    now = datetime.now(UTC)
    row = LiveTrigger(
        id="trg_1",
        tenant_id="ten_test",
        workflow_id=workflow_id,
        version=1,
        node_id="start",
        type="trigger.schedule",
        parameters={},
        timezone="UTC",
        created_at=now,
    )
    parameters = ScheduleParameters.model_validate({"rules": [{"every": 1, "unit": "minutes"}]})
    rhythm = scheduler.Rhythm(Schedule(), parameters, "UTC")
    first, second = (scheduler.begin(row, rhythm, now - timedelta(minutes=n), now) for n in (2, 1))
    await collector.until(lambda: len(collector.named("fire trigger.schedule")) == 2)
    fired = {one.trace_id: one for one in collector.named("fire trigger.schedule")}
    for run in (first, second):
        assert run.trail.traceparent is not None
        span = fired.pop(run.trail.traceparent.split("-")[1])
        assert (span.parent_id, span.id) == ("", run.trail.traceparent.split("-")[2])


async def test_a_share_of_the_traces_that_begin_here_is_recorded_and_all_go_on() -> None:
    spans.switch_on("engine", tracing_to("http://127.0.0.1:1", ratio=0.0))
    try:
        begun = spans.begin("node test.broken", "internal", {})
        with spans.within(begun):
            below = spans.begin("GET", "client", {})
        assert begun.traceparent.endswith(("-00", "-02"))
        assert below.traceparent.split("-")[1] == begun.traceparent.split("-")[1]
        with call.use(ASKED):  # whom the caller has recorded, we record
            assert spans.begin("GET", "client", {}).traceparent.endswith("-01")
    finally:
        await asyncio.to_thread(spans.switch_off)
