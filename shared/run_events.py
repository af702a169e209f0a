"""What can happen in a run: the particulars of every event type, as the stream publishes them.

The engine writes these, the gateway publishes their JSON Schemas. The last event of a run is
`run.completed`, `run.failed` or `run.cancelled`; it carries the run whole: a client needs no
second request. A node that is computed on the spot has no `node.started`: its `node.completed`
says how long it took.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.workflow import JsonObject


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RunEventData(_Part):
    """The particulars of one event; `type` names it in the stream."""

    type: ClassVar[str]


# --- parts that several events share


class EventError(_Part):
    """Why a node failed."""

    code: str = Field(description="Stable, such as `http_status` or `timeout`")
    message: str = Field(description="What happened, for a person; holds no secrets")


class RunErrorResource(EventError):
    """Why a run failed."""

    node_id: str = Field(description="The node that failed; empty when the run failed as a whole")


class RunResource(_Part):
    """A run as `GET /v1/runs/{run}` shows it, without its nodes."""

    id: str
    workflow_id: str
    version: int
    status: Literal["queued", "running", "waiting", "completed", "failed", "cancelled"]
    mode: Literal["live", "test"]
    trigger: str = Field(description="A trigger's type, or `api`")
    input: Any = Field(description="What it was given")
    output: Any = Field(description="What it gave")
    error: RunErrorResource | None
    nodes: list[JsonObject] = Field(description="Always empty here; GET with view=full has them")
    create_time: datetime
    start_time: datetime | None
    end_time: datetime | None
    last_sequence: int
    retry_of: str
    parent_run_id: str
    error_of: str
    rerun_from: str
    output_blob_id: str = Field(
        default="", description="The file that holds the output, when it is too large to be shown"
    )


class NodeEventData(RunEventData):
    """What events about one execution of a node have in common."""

    node_id: str
    iteration: str = Field(
        default="", description="Which pass through the loops around it, such as `2.0`"
    )
    attempt: int = Field(default=1, ge=1, description="Which attempt, from 1")


class ModelUsage(_Part):
    """What calls of language models used."""

    model_calls: int = Field(ge=0)
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)
    cost_usd: float | None = Field(description="Null when some model's price is unknown")


# --- runs


class RunQueued(RunEventData):
    """The run is stored and will be worked on."""

    type = "run.queued"
    workflow_id: str
    version: int
    mode: Literal["live", "test"]
    trigger: str = Field(description="A trigger's type, or `api`")


class RunStarted(RunEventData):
    """An engine has begun it."""

    type = "run.started"


class RunWaiting(RunEventData):
    """Nothing can be done before a moment or an answer comes."""

    type = "run.waiting"
    until: datetime | None = Field(description="When it goes on at the latest, if ever by itself")
    node_ids: list[str] = Field(description="The nodes that wait or will be tried again")


class RunResumed(RunEventData):
    """An engine goes on with it."""

    type = "run.resumed"
    reason: Literal["woken", "takeover"] = Field(
        description="What it waited for came, or another engine takes over from one that is gone"
    )


class RunCompleted(RunEventData):
    """It ended well."""

    type = "run.completed"
    run: RunResource


class RunFailed(RunEventData):
    """It ended with an error."""

    type = "run.failed"
    run: RunResource


class RunCancelled(RunEventData):
    """It was ended by request."""

    type = "run.cancelled"
    reason: str = Field(default="", description="Why, if the request said so")
    run: RunResource


# --- nodes


class NodeStarted(NodeEventData):
    """The node is about to touch the world, or to wait for it."""

    type = "node.started"


class NodeDelta(NodeEventData):
    """A piece of what the node is producing, such as a few words of a model's answer."""

    type = "node.delta"
    delta: JsonObject


class NodeCompleted(NodeEventData):
    """The node has its results."""

    type = "node.completed"
    items: dict[str, int] = Field(description="How many items left by each port that was taken")
    failures: int = Field(default=0, description="How many items it could not handle")
    duration_ms: float = Field(ge=0)
    usage: ModelUsage | None = Field(
        default=None, description="What its calls of language models used, if it made any"
    )


class NodeFailed(NodeEventData):
    """The node could not do its work, and the run fails with it."""

    type = "node.failed"
    error: EventError


class NodeRetrying(NodeEventData):
    """The attempt failed and will be repeated."""

    type = "node.retrying"
    error: EventError
    retry_time: datetime = Field(description="When the next attempt begins")


class NodeSkipped(NodeEventData):
    """Nothing leads to the node: the branch was not taken."""

    type = "node.skipped"


class NodeWaiting(NodeEventData):
    """The node waits for a moment, a person or a callback."""

    type = "node.waiting"
    until: datetime | None = Field(description="When it goes on at the latest, if ever by itself")
    approval_id: str = Field(default="", description="The question, when a person is asked")
    callback: bool = Field(default=False, description="An outside call may be the answer")
    outcome_unknown: bool = Field(
        default=False,
        description="The engine itself asks: a crash left open whether the node had its effect",
    )
    run_ids: list[str] = Field(
        default_factory=list[str], description="The runs that it began and waits for"
    )


class Log(RunEventData):
    """A line that a node wrote to the run's log."""

    type = "log"
    node_id: str
    iteration: str = ""
    level: Literal["debug", "info", "warning", "error"]
    message: str


RUN_EVENTS: Mapping[str, type[RunEventData]] = {
    model.type: model
    for model in (
        RunQueued,
        RunStarted,
        RunWaiting,
        RunResumed,
        RunCompleted,
        RunFailed,
        RunCancelled,
        NodeStarted,
        NodeDelta,
        NodeCompleted,
        NodeFailed,
        NodeRetrying,
        NodeSkipped,
        NodeWaiting,
        Log,
    )
}
"""The model of each type's data."""

TERMINAL = frozenset({RunCompleted.type, RunFailed.type, RunCancelled.type})
"""The types after which a run has no more events."""
