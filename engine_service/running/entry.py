"""What a run writes at once: the entry that an activation fills and the journal commits.

Everything in an entry is committed together or not at all. What it becomes in the tables is said
here, in rows; `store/journal.py` has the statements.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto

import orjson

from engine_service.store.journal import ClaimedRun, Writing
from engine_service.store.run_rows import StoredRun
from engine_service.store.runs import NewRun
from shared.workflow import JsonObject


class Written(Enum):
    """What became of an entry."""

    DONE = auto()
    """It is in the journal."""
    AWAKE = auto()
    """It is, but the run does not sleep: an answer has come meanwhile."""
    LOST = auto()
    """It was refused: the run is somebody else's now, or has ended."""
    REFUSED = auto()
    """PostgreSQL will not take what it holds."""
    UNKNOWN = auto()
    """The database went away; what was committed, the journal knows."""


@dataclass(frozen=True, slots=True)
class End:
    """How a run ends; `output` and `response` are JSON text, `output_blob` is a file's id."""

    status: str
    at: datetime
    output: str | None = None
    response: str | None = None
    error: JsonObject | None = None
    output_blob: str | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """How a run parks.

    Attributes:
        event: What wakes it; a name that was never used before.
        seconds: When it wakes by itself; None for never.
        waits: How many of its nodes somebody outside may still answer.
    """

    event: str
    seconds: int | None
    waits: int


@dataclass(slots=True, eq=False)
class Entry:
    """What one run has to write at once. Everything in it is committed together or not at all.

    Attributes:
        first_sequence: The sequence of its first event.
        facts: Rows of the journal.
        waits: Waits that somebody may answer; `approvals` those that are put to a person.
        responded: What a node has answered to whoever waits for the run.
        starts: Runs that begin with it, because a wait is for them or its end gives rise to them.
        release: Give the run back to whoever wants it.
        has_waited: The run may have open waits, which its end closes.
        progress: Rows of steps of its actions.
        used: What its models used, by day; `model_calls` and the like.
        stops_children: It may have begun runs that its end makes pointless.
    """

    run: ClaimedRun
    first_sequence: int
    status: str | None = None
    started_at: datetime | None = None
    facts: list[JsonObject] = field(default_factory=list[JsonObject])
    events: list[JsonObject] = field(default_factory=list[JsonObject])
    waits: list[JsonObject] = field(default_factory=list[JsonObject])
    approvals: list[JsonObject] = field(default_factory=list[JsonObject])
    starts: list[NewRun] = field(default_factory=list[NewRun])
    responded: JsonObject | None = None
    response: str | None = None
    end: End | None = None
    sleep: Sleep | None = None
    release: bool = False
    has_waited: bool = False
    progress: list[JsonObject] = field(default_factory=list[JsonObject])
    used: list[JsonObject] = field(default_factory=list[JsonObject])
    stops_children: bool = False

    @property
    def last_sequence(self) -> int:
        """The sequence of its last event."""
        return self.first_sequence + len(self.events) - 1

    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (
            self.events or self.facts or self.progress or self.end or self.sleep or self.release
        )

    def lets_go(self) -> bool:
        """Whether the claim is over once it is written."""
        return self.release or self.end is not None or self.sleep is not None


def taken_up(run: NewRun, claim: str, task: str) -> ClaimedRun:
    """A run that was taken up in the moment in which it began."""
    return ClaimedRun(
        claim=claim,
        task=task,
        attempt=1,
        id=run.id,
        tenant_id=run.tenant_id,
        workflow_id=run.workflow_id,
        version=run.version,
        mode=run.mode,
        trigger=run.trigger,
        trigger_node_id=run.trigger_node_id,
        input=run.input,
        status="queued",
        last_sequence=1,
        retry_of=run.retry_of,
        created_at=run.created_at,
        started_at=None,
        parent_run_id=run.origin.parent_run_id,
        depth=run.origin.depth,
        error_of=run.origin.error_of,
        rerun_from=run.origin.rerun_from,
        definition=run.origin.definition,
        request_id=run.trail.request_id,
        traceparent=run.trail.traceparent,
        tracestate=run.trail.tracestate,
    )


def ended_run(entry: Entry) -> StoredRun:
    """A run as the entry that ends it leaves it."""
    run, end = entry.run, entry.end
    assert end is not None
    return StoredRun(
        id=run.id,
        tenant_id=run.tenant_id,
        workflow_id=run.workflow_id,
        version=run.version,
        status=end.status,
        mode=run.mode,
        trigger=run.trigger,
        trigger_node_id=run.trigger_node_id,
        input=run.input,
        output=end.output,
        response=end.response,
        error=end.error,
        created_at=run.created_at,
        started_at=entry.started_at or run.started_at,
        ended_at=end.at,
        last_sequence=entry.last_sequence,
        retry_of=run.retry_of,
        parent_run_id=run.parent_run_id,
        error_of=run.error_of,
        rerun_from=run.rerun_from,
        output_blob=end.output_blob,
    )


def writing_rows(entries: Sequence[Entry]) -> Writing:
    """What entries write, as rows; later entries of a run add to its earlier ones."""
    claims: dict[str, JsonObject] = {}
    moves: dict[str, JsonObject] = {}
    for entry in entries:
        run_id = entry.run.id
        ends = entry.end is not None
        claims[run_id] = {**claim_row(entry), "run_id": run_id, "ends": ends}
        if ends:
            claims[run_id]["parent"] = entry.run.parent_run_id
        said = {name: value for name, value in _move(entry).items() if value is not None}
        moves[run_id] = {**moves.get(run_id, {}), **said}
    return Writing(
        claims=list(claims.values()),
        facts=[row for entry in entries for row in entry.facts],
        events=[_packed(entry) for entry in entries if entry.events],
        moves=list(moves.values()),
        waits=[row for entry in entries for row in entry.waits],
        approvals=[row for entry in entries for row in entry.approvals],
        closing=[{"run_id": e.run.id} for e in entries if e.end is not None and e.has_waited],
        progress=[row for entry in entries for row in entry.progress],
        usage=[row for entry in entries for row in _counted(entry)],
    )


def claim_row(entry: Entry) -> JsonObject:
    """The claim under which an entry is written."""
    return {"claim": entry.run.claim, "task": entry.run.task}


def slot_row(entry: Entry) -> JsonObject:
    """Whose slot is perhaps free once an entry is written."""
    return {"run_id": entry.run.id, "claim": entry.run.claim}


def _packed(entry: Entry) -> JsonObject:
    """The events of an entry as one row, named by the last of them."""
    return {
        "run_id": entry.run.id,
        "sequence": entry.last_sequence,
        "tenant_id": entry.run.tenant_id,
        "events": orjson.dumps(entry.events).decode(),
    }


_UNUSED = {
    "runs": 0,
    "nodes": 0,
    "model_calls": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "cost_usd": "0",
    "unpriced": 0,
}


def _counted(entry: Entry) -> Iterator[JsonObject]:
    """What an entry adds to its tenant's usage."""
    about: JsonObject = {**_UNUSED, "run_id": entry.run.id, "tenant_id": entry.run.tenant_id}
    for used in entry.used:
        yield {**about, **used}
    nodes = [fact for fact in entry.facts if fact["kind"] == "finished"]
    if entry.end is not None or nodes:
        at: datetime = entry.end.at if entry.end is not None else nodes[-1]["at"]
        day = at.astimezone(UTC).date()
        yield {**about, "day": day, "runs": int(entry.end is not None), "nodes": len(nodes)}


def _move(entry: Entry) -> JsonObject:
    """What changes in the run's row; None leaves it as it is."""
    end = entry.end or End("", entry.run.created_at)
    return {
        "run_id": entry.run.id,
        "status": end.status or entry.status,
        "last_sequence": entry.last_sequence if entry.events else None,
        "started_at": entry.started_at,
        "output": end.output,
        "output_blob": end.output_blob,
        "response": end.response or entry.response,
        "error": None if end.error is None else orjson.dumps(end.error).decode(),
        "wake_event": entry.sleep.event if entry.sleep else None,
        "ended_at": end.at if entry.end else None,
    }


def sleep_row(entry: Entry) -> JsonObject:
    """How the run of an entry parks."""
    assert entry.sleep is not None
    return {
        "run_id": entry.run.id,
        "task": entry.run.task,
        "claim": entry.run.claim,
        "event": entry.sleep.event,
        "seconds": entry.sleep.seconds,
        "waits": entry.sleep.waits,
    }
