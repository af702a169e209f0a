"""Spans made with OpenTelemetry and sent as OTLP over HTTP. Loaded only where traces are wanted.

Parents are given in words, not taken from OpenTelemetry's own context: the call at hand is the one
place where the mesh keeps its trace. Sending is a thread's work; what cannot be sent is dropped,
and the log says so.
"""

import logging
import os
import socket
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.util.re import parse_env_headers

from shared.tracing.context import compose, members, parts
from shared.tracing.spans import Beginning, TraceSettings, Value

_KINDS: Mapping[str, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
}
_SEND_SECONDS = 3.0
_LONGEST_REASON = 300

log = structlog.get_logger()


class Exporting:
    """Makes spans and sends them; implements `spans.Tracer`."""

    def __init__(self, service: str, settings: TraceSettings) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
            resource=Resource.create(
                {
                    "service.name": f"flowloom-{service}",
                    "service.version": version("flowloom"),
                    "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
                }
            ),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        headers = settings.otel_exporter_otlp_headers.get_secret_value()
        exporter = OTLPSpanExporter(
            endpoint=f"{settings.otel_exporter_otlp_endpoint.rstrip('/')}/v1/traces",
            headers=parse_env_headers(headers, liberal=True),
            timeout=_SEND_SECONDS,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        complaints = logging.getLogger("opentelemetry")
        complaints.handlers, complaints.propagate = [_Complaints(logging.WARNING)], False
        self._tracer = self._provider.get_tracer("flowloom")

    def begin(self, beginning: Beginning) -> "_Span":
        """Begin a span."""
        self._ids.next_span_id = int(beginning.span_id, 16) if beginning.span_id else None
        span = self._tracer.start_span(
            beginning.name,
            context=_context(*beginning.parent),
            kind=_KINDS[beginning.kind],
            attributes=beginning.attributes,
            start_time=_nanoseconds(beginning.at),
            record_exception=False,
            set_status_on_exception=False,
        )
        return _Span(span, beginning.parent[1])

    def close(self) -> None:
        """Send what is left, within a few seconds."""
        self._provider.force_flush(int(_SEND_SECONDS * 1000))
        self._provider.shutdown()


class _Complaints(logging.Handler):
    """Says in our log what OpenTelemetry complains of."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("traces_not_sent", reason=record.getMessage()[:_LONGEST_REASON])


class _Span:
    """A span of OpenTelemetry behind the few words that the mesh has for it."""

    def __init__(self, span: OtelSpan, tracestate: str) -> None:
        self._span = span
        own = span.get_span_context()
        trace_id, span_id = f"{own.trace_id:032x}", f"{own.span_id:016x}"
        self.traceparent = compose(trace_id, span_id, own.trace_flags)
        self.tracestate = tracestate
        self._failed = False

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def fail(self, kind: str) -> None:
        if not self._failed:
            self._failed = True
            self._span.set_attribute("error.type", kind)
            self._span.set_status(Status(StatusCode.ERROR))

    def end(self, at: datetime | None = None) -> None:
        self._span.end(_nanoseconds(at))


class _Ids(RandomIdGenerator):
    """Random ids, save where a span's is known beforehand."""

    next_span_id: int | None = None

    def generate_span_id(self) -> int:
        wanted, self.next_span_id = self.next_span_id, None
        return super().generate_span_id() if wanted is None else wanted


def _context(traceparent: str, tracestate: str) -> Context:
    """What OpenTelemetry takes for a parent; nothing for a trace that begins."""
    if not traceparent:
        return Context()
    trace_id, span_id, flags = parts(traceparent)
    above = SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(flags),
        trace_state=TraceState(members(tracestate)),
    )
    return set_span_in_context(NonRecordingSpan(above), Context())


def _nanoseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1_000_000) * 1_000
