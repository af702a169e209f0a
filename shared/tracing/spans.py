"""Spans as the mesh makes them: begun under the call at hand, which is theirs while they last.

Names and attributes come from the code or from bounded lists: methods, routes, types, ids. What
people write, send or hide is in none of them, and neither is an error's message.
"""

import importlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol

from pydantic import SecretStr

from shared import interpreter
from shared.errors import AppError
from shared.rpc import call

Kind = Literal["internal", "server", "client", "producer"]
Value = str | int | float | bool
Attributes = Mapping[str, Value]


class Span(Protocol):
    """Something that takes time.

    Attributes:
        traceparent: Its own place in the trace; whatever it causes has it as its parent.
        tracestate: What other systems wrote along, as it came.
    """

    traceparent: str
    tracestate: str

    def rename(self, name: str) -> None:
        """Give it another name, where that is known only at its end."""
        ...

    def set(self, name: str, value: Value) -> None:
        """Say something about it."""
        ...

    def fail(self, kind: str) -> None:
        """It went wrong: a code or a class's name, never a message. The first word counts."""
        ...

    def end(self, at: datetime | None = None) -> None:
        """It is over."""
        ...


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a span begins.

    Attributes:
        parent: Traceparent and tracestate of what it belongs to; empty begins a trace.
        at: When it began, if not now.
        span_id: Its id, where several processes must know it; else a random one.
    """

    name: str
    kind: Kind
    parent: tuple[str, str]
    attributes: Attributes
    at: datetime | None = None
    span_id: str = ""


class Tracer(Protocol):
    """What makes spans; shared/tracing/exporting.py is the real one."""

    def begin(self, beginning: Beginning) -> Span:
        """Begin a span."""
        ...

    def close(self) -> None:
        """Send what is left, within a few seconds."""
        ...


class _Silence:
    """The span of a process that traces nothing."""

    traceparent = ""
    tracestate = ""

    def rename(self, name: str) -> None: ...

    def set(self, name: str, value: Value) -> None: ...

    def fail(self, kind: str) -> None: ...

    def end(self, at: datetime | None = None) -> None: ...


SILENCE: Span = _Silence()


class TraceSettings(Protocol):
    """The settings that say whether and where traces go; shared/settings.py has them."""

    @property
    def otel_exporter_otlp_endpoint(self) -> str: ...

    @property
    def otel_exporter_otlp_headers(self) -> SecretStr: ...

    @property
    def trace_ratio(self) -> float: ...


_tracer: Tracer | None = None


def is_on() -> bool:
    """Whether this process traces."""
    return _tracer is not None


def switch_on(service: str, settings: TraceSettings) -> None:
    """Trace from now on, if the settings name a collector."""
    if settings.otel_exporter_otlp_endpoint:
        # OpenTelemetry needs twelve megabytes, which only those pay who want it: services leave it
        # out, or libraries would load it that merely could use it.
        interpreter.let_in("opentelemetry.sdk")
        use(importlib.import_module("shared.tracing.exporting").Exporting(service, settings))


def use(tracer: Tracer | None) -> None:
    """Have spans made by a tracer; by nobody when None."""
    global _tracer  # as with logs, a process has one
    _tracer = tracer


def switch_off() -> None:
    """Send what is left, and trace no more; takes a few seconds at most."""
    if _tracer is not None:
        _tracer.close()
        use(None)


def begin(
    name: str,
    kind: Kind,
    attributes: Attributes,
    *,
    parent: tuple[str, str] | None = None,
    at: datetime | None = None,
    span_id: str = "",
) -> Span:
    """Begin a span under the call at hand, or under another parent; `end` is up to the caller."""
    if _tracer is None:
        return SILENCE
    at_hand = call.current()
    above = (at_hand.traceparent, at_hand.tracestate) if parent is None else parent
    return _tracer.begin(Beginning(name, kind, above, attributes, at, span_id))


@contextmanager
def span(name: str, kind: Kind, attributes: Attributes) -> Generator[Span]:
    """A span around a block, which is the call's place in the trace meanwhile."""
    if _tracer is None:
        yield SILENCE
        return
    begun = begin(name, kind, attributes)
    try:
        with within(begun):
            yield begun
    except AppError as error:
        begun.fail(error.code)
        raise
    except Exception as error:
        begun.fail(type(error).__name__)
        raise
    finally:
        begun.end()


@contextmanager
def within(begun: Span) -> Generator[None]:
    """Make a span the call's place in the trace for the duration of a block."""
    if begun is SILENCE:
        yield
        return
    at_hand = call.current()
    with call.use(replace(at_hand, traceparent=begun.traceparent, tracestate=begun.tracestate)):
        yield
