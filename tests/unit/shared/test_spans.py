"""Spans: made where a collector is named; elsewhere nothing is made, and nothing loaded."""

import asyncio
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from shared.errors import NotFound
from shared.rpc import call
from shared.tracing import spans, trail
from shared.tracing.trail import Trail
from tests.support.http_server import Answer, serve
from tests.support.otlp import tracing_to

ASKED = call.Call(request_id="req_7", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
PROGRAM = """
import sys
from pydantic import SecretStr
from shared.tracing import spans
class Settings:
    otel_exporter_otlp_endpoint = ""
    otel_exporter_otlp_headers = SecretStr("key=a%20secret")
    trace_ratio = 1.0
heavy = lambda: {"opentelemetry.sdk", "requests", "shared.tracing.exporting"} & set(sys.modules)
spans.switch_on("engine", Settings())
print(spans.is_on(), len(heavy()))
Settings.otel_exporter_otlp_endpoint = "http://127.0.0.1:1"
spans.switch_on("engine", Settings())
print(spans.is_on(), len(heavy()))
"""


def test_opentelemetry_is_loaded_for_a_collector_only() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["False", "0", "True", "3"]


async def test_what_cannot_be_sent_is_dropped_and_the_log_says_so() -> None:
    async with serve(lambda _: Answer(status=400)) as server:
        with capture_logs() as lines:
            spans.switch_on("engine", tracing_to(server.url))
            spans.begin("GET", "client", {}).end()
            await asyncio.to_thread(spans.switch_off)
    assert len(server.seen) == 1
    assert {line["event"] for line in lines} == {"traces_not_sent"}
    assert all("400" in line["reason"] for line in lines)


def test_without_a_collector_a_block_runs_as_if_there_were_no_span() -> None:
    with call.use(ASKED), spans.span("GET", "client", {}) as span:
        assert span is spans.SILENCE
        assert call.current() is ASKED
    with pytest.raises(NotFound), spans.span("GET", "client", {}):
        raise NotFound("There is nothing.")


def test_a_trail_without_traces_keeps_the_request() -> None:
    with call.use(ASKED):
        assert trail.at_hand() == Trail("req_7")
    assert trail.at_hand() is trail.NOWHERE
    assert Trail("req_7").call("run_1") == call.Call(request_id="req_7")


def test_a_things_span_has_the_same_id_in_every_process() -> None:
    assert trail.span_id_of("run_1") == trail.span_id_of("run_1") != trail.span_id_of("run_2")
    assert len(trail.span_id_of("run_1")) == 16
