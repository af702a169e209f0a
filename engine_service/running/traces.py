"""The spans of a run and of what its nodes do, where somebody collects them.

A run's own span is sent by whoever ends the run; meanwhile every engine that works on it knows its
id, and makes the spans of nodes below it. An attempt that takes time has its span before it begins,
for what it sends out must name it; one that is done on the spot gets its span afterwards.
"""

from collections.abc import Awaitable
from datetime import datetime

from engine_service.core.events import NodeFailed, NodeFinished, NodeWaited, iteration_text
from engine_service.running.attempt import Call
from engine_service.running.entry import Entry
from engine_service.running.execute import Result
from engine_service.store.journal import ClaimedRun
from engine_service.store.run_rows import StoredRun
from shared.tracing import spans, trail
from shared.tracing.spans import Span, Value
from shared.tracing.trail import Ended, Trail


async def traced(call: Call, work: Awaitable[Result]) -> Result:
    """Make an attempt in a span of its own; runs that begin because of it have that as parent."""
    with spans.span(_name(call), "internal", _attributes(call)) as span:
        result = await work
        result.trail = trail.at_hand()
        _tell(span, result)
        return result


def done_at_once(call: Call, result: Result) -> None:
    """The span of an attempt that is over already."""
    span = spans.begin(_name(call), "internal", _attributes(call), at=call.now)
    _tell(span, result)
    span.end(result.fact.at)


def run_ended(entry: Entry) -> None:
    """The span of a run, now that the entry that ends it is stored."""
    run, end = entry.run, entry.end
    assert end is not None
    code = "" if end.error is None else str(end.error["code"])
    tell_run(run, run.trail, end.status, end.at, code)


def tell_run(
    run: ClaimedRun | StoredRun, way: Trail, status: str, at: datetime | None, code: str = ""
) -> None:
    """The span of a run that has ended."""
    assert at is not None
    attributes: dict[str, Value] = {
        "flowloom.run.id": run.id,
        "flowloom.run.mode": run.mode,
        "flowloom.run.status": status,
        "flowloom.run.trigger": run.trigger,
        "flowloom.workflow.id": run.workflow_id,
        "flowloom.workflow.version": run.version,
    }
    way.end(run.id, Ended("run", attributes, run.created_at, at, code))


def _name(call: Call) -> str:
    return f"node {call.node.type.type}"


def _attributes(call: Call) -> dict[str, Value]:
    execution = call.execution
    return {
        "flowloom.run.id": call.run.id,
        "flowloom.node.id": execution.step.id,
        "flowloom.node.type": call.node.type.type,
        "flowloom.node.iteration": iteration_text(execution.iteration),
        "flowloom.node.attempt": max(execution.attempt, 1),
    }


def _tell(span: Span, result: Result) -> None:
    match result.fact:
        case NodeFinished():
            span.set("flowloom.node.outcome", "finished")
        case NodeFailed() as failed:
            span.set("flowloom.node.outcome", "failed" if failed.retry_at is None else "retrying")
            span.fail(failed.code)
        case NodeWaited():
            span.set("flowloom.node.outcome", "waiting")
