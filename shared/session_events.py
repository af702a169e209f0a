"""What can happen in a session: the particulars of every event type, as the stream publishes them.

The agent writes these, the gateway publishes their JSON Schemas. Whatever a person sees of a turn
is one of them; the last event of a turn is always `turn.completed`, which carries the session and
its workflow whole, so that a client needs no second request.
"""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.workflow import JsonObject


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SessionEventData(_Part):
    """The particulars of one event; `type` names it in the stream."""

    type: ClassVar[str]

    turn_id: str = Field(description="The turn it belongs to")


# --- parts that several events share


class Choice(_Part):
    """One way to answer a question."""

    value: str = Field(description="What is sent back as the answer")
    label: str = Field(description="What a person reads")
    detail: str = Field(default="", description="What speaks for it and against it")


class Question(_Part):
    """Something the consultant must know before it goes on."""

    id: str = Field(description="Key of the answer in `answers`")
    text: str = Field(description="The question, in the person's language")
    choices: list[Choice] = Field(
        default_factory=list[Choice], description="Ways to answer; any text when there are none"
    )
    default: str = Field(default="", description="What is assumed in `auto` mode, if anything")


class PlanStep(_Part):
    """One step of a plan, in plain words."""

    text: str = Field(description="What happens, in the person's language")
    node_type: str = Field(default="", description="The node type that does it; empty for a gap")
    depth: int = Field(default=0, ge=0, description="How deep inside branches it stands")


class Plan(_Part):
    """What the consultant is about to build."""

    title: str = Field(description="The workflow's name")
    trigger: str = Field(description="What begins a run, in plain words")
    steps: list[PlanStep] = Field(description="The steps, in order")
    credentials: list[str] = Field(
        default_factory=list[str], description="Keys and accounts that the steps will need"
    )
    assumptions: list[str] = Field(
        default_factory=list[str], description="What was not said and is taken for granted"
    )
    estimate: str = Field(default="", description="What a run will cost, in plain words")


class Alternative(_Part):
    """One way around a gap."""

    id: str = Field(description="What is sent back to choose it")
    label: str = Field(description="What would be done")
    trade_off: str = Field(description="What speaks for it and against it")


class Gap(_Part):
    """Something that was asked for and that no node type does."""

    id: str = Field(description="Key of the answer that chooses an alternative")
    system: str = Field(description="What is missing, such as `Slack`")
    phrase: str = Field(description="The person's words for it")
    alternatives: list[Alternative] = Field(description="Two or three ways around it")


class Finding(_Part):
    """One thing that is wrong, or suspicious, in a definition."""

    pointer: str = Field(description="JSON Pointer into the definition")
    code: str = Field(description="Stable code")
    severity: Literal["error", "warning"] = Field(description="An error keeps it from running")
    message: str = Field(description="What is wrong")
    suggestion: str = Field(default="", description="What would mend it, when known")


class TriedNode(_Part):
    """What one node did in a trial."""

    node_id: str = Field(description="The node")
    status: str = Field(description="completed, failed or skipped")
    outputs: JsonObject = Field(
        default_factory=dict[str, Any], description="Items by port, as the trial produced them"
    )
    error: str = Field(default="", description="Why it failed, when it did")


class PlannedEffect(_Part):
    """Something a run would do to the world."""

    node_id: str = Field(description="The node")
    type: str = Field(description="The node's type")
    summary: str = Field(description="What it would do, such as `POST https://example.com`")


class SessionView(_Part):
    """A session, as `/v1/sessions` shows it."""

    id: str = Field(description="The session's id")
    title: str = Field(description="What it is about")
    mode: Literal["create", "edit", "copy"] = Field(description="What it is for")
    status: Literal["idle", "working", "asking"] = Field(description="Where it stands")
    workflow_id: str = Field(description="The workflow it works on; empty while there is none")
    last_sequence: int = Field(description="The sequence of its latest event")
    create_time: datetime = Field(description="When it was created")
    update_time: datetime = Field(description="When it last changed")


class WorkflowView(_Part):
    """A workflow, as `/v1/workflows` shows it."""

    id: str = Field(description="The workflow's id")
    name: str = Field(description="What people call it")
    description: str = Field(description="What it is for")
    definition: JsonObject = Field(description="The latest version's definition")
    latest_version: int = Field(description="The latest version's number")
    active_version: int = Field(description="The version whose triggers are live; 0 for none")
    etag: str = Field(description="Changes whenever the workflow does")
    create_time: datetime = Field(description="When it was created")
    update_time: datetime = Field(description="When it last changed")


# --- the events


class TurnStarted(SessionEventData):
    """A person has said something, and the consultant begins to work on it."""

    type: ClassVar[str] = "turn.started"

    message_id: str = Field(description="The person's message")
    text: str = Field(description="What was said")
    answers: dict[str, str] = Field(
        default_factory=dict[str, str], description="Answers to what had been asked"
    )
    auto: bool = Field(default=False, description="Nothing will be asked")


class StageChanged(SessionEventData):
    """The turn has reached another step."""

    type: ClassVar[str] = "stage.changed"

    stage: str = Field(description="understand, clarify, plan, gap, alternatives, draft, …")
    round: int = Field(default=1, ge=1, description="Which time this turn reaches it")


class MessageDelta(SessionEventData):
    """Some more of a message that is being written.

    A message whose `message.completed` never comes was cut off by a restart and written anew.
    """

    type: ClassVar[str] = "message.delta"

    message_id: str = Field(description="The message it continues")
    text: str = Field(description="The words to append")


class MessageCompleted(SessionEventData):
    """The consultant has said something; the whole text."""

    type: ClassVar[str] = "message.completed"

    message_id: str = Field(description="The message")
    text: str = Field(description="What was said, in Markdown")


class QuestionAsked(SessionEventData):
    """The consultant needs answers; the turn ends and the next message gives them."""

    type: ClassVar[str] = "question.asked"

    questions: list[Question] = Field(description="One bundle; each is asked only once")


class PlanProposed(SessionEventData):
    """What will be built."""

    type: ClassVar[str] = "plan.proposed"

    plan: Plan = Field(description="The plan")
    lexical_only: bool = Field(
        default=False,
        description="What is known was searched by words alone: the embedding model was away",
    )


class GapFound(SessionEventData):
    """Something was asked for that no node type does."""

    type: ClassVar[str] = "gap.found"

    gaps: list[Gap] = Field(description="Each with ways around it")


class WorkflowDraft(SessionEventData):
    """A definition has been written."""

    type: ClassVar[str] = "workflow.draft"

    definition: JsonObject = Field(description="The whole definition")
    unmatched: list[str] = Field(
        default_factory=list[str],
        description="Ids of placeholder nodes: what was asked there could not be mapped",
    )


class WorkflowPatch(SessionEventData):
    """An existing definition is being changed."""

    type: ClassVar[str] = "workflow.patch"

    patch: list[JsonObject] = Field(description="JSON Patch (RFC 6902), as small as can be")
    definition: JsonObject = Field(description="The definition after it")


class ValidationReport(SessionEventData):
    """The engine has checked the definition."""

    type: ClassVar[str] = "validation.report"

    valid: bool = Field(description="Whether it could run")
    findings: list[Finding] = Field(description="What is wrong or suspicious")


class RepairStarted(SessionEventData):
    """The definition is being mended."""

    type: ClassVar[str] = "repair.started"

    round: int = Field(ge=1, description="Which round")
    findings: list[Finding] = Field(description="What is to be mended")


class SimulationReport(SessionEventData):
    """The engine has tried the definition without touching the world."""

    type: ClassVar[str] = "simulation.report"

    status: str = Field(description="How the run would end: completed or failed")
    nodes: list[TriedNode] = Field(description="What each node did")
    effects: list[PlannedEffect] = Field(description="What would have been sent where")
    unreached: list[str] = Field(default_factory=list[str], description="Nodes never reached")
    error: str = Field(default="", description="Why it would fail, when it would")


class WorkflowSaved(SessionEventData):
    """The workflow is stored."""

    type: ClassVar[str] = "workflow.saved"

    workflow_id: str = Field(description="The workflow")
    name: str = Field(description="What people call it")
    version: int = Field(description="The version that was written")
    created: bool = Field(description="Whether the workflow is new")


class UsageReported(SessionEventData):
    """What the turn's model calls used; absent when no model was called."""

    type: ClassVar[str] = "usage"

    model: str = Field(description="`provider:model` of the last call")
    input_tokens: int = Field(description="Tokens read by the turn's calls")
    output_tokens: int = Field(description="Tokens written by them")
    cost_usd: str | None = Field(description="Their cost as a decimal; null when unknown")


class ErrorHappened(SessionEventData):
    """The turn could not go on; `turn.completed` follows with outcome `failed`."""

    type: ClassVar[str] = "error"

    code: str = Field(description="Stable code, such as UNAVAILABLE")
    message: str = Field(description="What happened, for a person")
    retryable: bool = Field(description="Whether saying it again may help")


class TurnCompleted(SessionEventData):
    """The turn is over; nothing follows in this turn."""

    type: ClassVar[str] = "turn.completed"

    outcome: Literal["delivered", "asked", "answered", "failed", "cancelled"] = Field(
        description="delivered: a workflow was stored; asked: answers are needed; answered: "
        "nothing was to be built; failed: see the `error` event; cancelled: by request"
    )
    session: SessionView = Field(description="The session")
    workflow: WorkflowView | None = Field(description="Its workflow, once there is one")


SESSION_EVENTS: dict[str, type[SessionEventData]] = {
    event.type: event
    for event in (
        TurnStarted,
        StageChanged,
        MessageDelta,
        MessageCompleted,
        QuestionAsked,
        PlanProposed,
        GapFound,
        WorkflowDraft,
        WorkflowPatch,
        ValidationReport,
        RepairStarted,
        SimulationReport,
        WorkflowSaved,
        UsageReported,
        ErrorHappened,
        TurnCompleted,
    )
}
"""Every event type of a session, in the order in which they tend to happen."""
