"""What outlives its request and its process keeps a trail: who asked for it, and in which trace.

A run and a turn are stored with theirs. Whichever process works on one goes on in the same trace,
because the id of its span follows from its own id; whoever ends it sends that span.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from shared.identity import Principal
from shared.rpc import call
from shared.tracing import spans
from shared.tracing.context import compose, parts


@dataclass(frozen=True, slots=True)
class Trail:
    """Where something comes from; the trace only where the process that stores it traces."""

    request_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None

    def leads(self) -> bool:
        """Whether there is a trace to go on with."""
        return bool(self.traceparent) and spans.is_on()

    def call(self, thing_id: str, principal: Principal | None = None) -> call.Call:
        """The call at hand for whoever works on the thing: its own span's place in the trace."""
        request_id = self.request_id or ""
        if not self.traceparent or not spans.is_on():
            return call.Call(principal, request_id)
        trace_id, _, flags = parts(self.traceparent)
        own = compose(trace_id, span_id_of(thing_id), flags)
        return call.Call(principal, request_id, own, tracestate=self.tracestate or "")

    def end(self, thing_id: str, span: "Ended") -> None:
        """Send the thing's own span, now that it has ended."""
        if not self.traceparent or not spans.is_on():
            return
        above = self.traceparent, self.tracestate or ""
        begun = spans.begin(
            span.name,
            "internal",
            span.attributes,
            parent=above,
            at=span.began_at,
            span_id=span_id_of(thing_id),
        )
        if span.failure:
            begun.fail(span.failure)
        begun.end(span.ended_at)


@dataclass(frozen=True, slots=True)
class Ended:
    """What is told of a thing at its end; `failure` is a code, empty when it went well."""

    name: str
    attributes: spans.Attributes
    began_at: datetime
    ended_at: datetime
    failure: str = ""


NOWHERE = Trail()


def at_hand() -> Trail:
    """The trail of what the call at hand causes."""
    now = call.current()
    if not now.request_id and not now.traceparent:
        return NOWHERE
    if not spans.is_on():
        return Trail(now.request_id or None)
    return Trail(now.request_id or None, now.traceparent or None, now.tracestate or None)


def span_id_of(thing_id: str) -> str:
    """The id of a thing's own span, the same in every process."""
    return blake2b(thing_id.encode(), digest_size=8).hexdigest()
