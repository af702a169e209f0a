"""A collector of traces on loopback: takes OTLP over HTTP, decodes it, and tells what it got."""

import asyncio
import gzip
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from pydantic import SecretStr

from tests.support.http_server import Answer, Seen, Server, serve

SECONDS = 60.0


@dataclass(frozen=True)
class SpanSeen:
    """A span that arrived."""

    service: str
    name: str
    kind: str
    trace_id: str
    id: str
    parent_id: str
    tracestate: str
    seconds: float
    failed: bool
    attributes: dict[str, Any]


@dataclass
class Collector:
    """What a collector got."""

    server: Server
    spans: list[SpanSeen] = field(default_factory=list[SpanSeen])
    bodies: list[bytes] = field(default_factory=list[bytes])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def environment(self) -> dict[str, str]:
        """What tells a service to send its traces here, and soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.server.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def named(self, name: str, trace_id: str = "") -> list[SpanSeen]:
        """The spans of a name, in any trace or in one."""
        return [one for one in self.spans if one.name == name and trace_id in ("", one.trace_id)]

    async def until(self, enough: Callable[[], bool]) -> None:
        """Wait until what has arrived is enough."""
        try:
            async with asyncio.timeout(SECONDS):
                while not enough():
                    self.arrived.clear()
                    await self.arrived.wait()
        except TimeoutError as error:
            told = "\n".join(f"{one.service} {one.name} {one.trace_id}" for one in self.spans)
            raise AssertionError(
                f"What was waited for has not arrived; this has:\n{told}"
            ) from error

    async def one(self, name: str, trace_id: str = "") -> SpanSeen:
        """The one span of a name, once it is there."""
        await self.until(lambda: bool(self.named(name, trace_id)))
        [found] = self.named(name, trace_id)
        return found

    def take(self, seen: Seen) -> Answer:
        """Take what was sent in."""
        assert (seen.method, seen.path) == ("POST", "/v1/traces")
        assert seen.headers["content-type"] == "application/x-protobuf"
        packed = seen.headers.get("content-encoding") == "gzip"
        body = gzip.decompress(seen.body) if packed else seen.body
        self.bodies.append(body)
        for of_one in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {pair.key: pair.value.string_value for pair in of_one.resource.attributes}
            for scope in of_one.scope_spans:
                self.spans += [_seen(about["service.name"], span) for span in scope.spans]
        self.arrived.set()
        answer = ExportTraceServiceResponse().SerializeToString()
        return Answer(headers={"content-type": "application/x-protobuf"}, body=answer)


@dataclass
class _Settings:
    otel_exporter_otlp_endpoint: str
    trace_ratio: float
    otel_exporter_otlp_headers: SecretStr


def tracing_to(endpoint: str, ratio: float = 1.0) -> _Settings:
    """Settings with which a process traces."""
    return _Settings(endpoint, ratio, SecretStr(""))


@asynccontextmanager
async def collecting() -> AsyncGenerator[Collector]:
    """A collector until the block ends."""
    async with serve(lambda seen: collector.take(seen)) as server:
        collector = Collector(server)
        yield collector


def _seen(service: str, span: SentSpan) -> SpanSeen:
    attributes: dict[str, Any] = {}
    for pair in span.attributes:
        which = pair.value.WhichOneof("value")
        attributes[pair.key] = None if which is None else getattr(pair.value, which)
    return SpanSeen(
        service=service,
        name=span.name,
        kind=SentSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        tracestate=span.trace_state,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=attributes,
    )
