"""What a conversation remembers: the graph's state, checkpointed after every step.

Checkpoints hold plain JSON, so that tomorrow's code can read today's; steps see it as the models
below. A field without a default must never be added: old checkpoints do not have it.
"""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from agent_service.author import Intent
from shared.session_events import (
    Finding,
    Gap,
    Plan,
    PlannedEffect,
    Question,
    SessionEventData,
    WorkflowView,
)
from shared.workflow import JsonObject


class Turn(BaseModel):
    """What began the turn at hand."""

    id: str = ""
    text: str = ""
    answers: dict[str, str] = Field(default_factory=dict[str, str])
    auto: bool = False
    mode: str = "create"
    workflow_id: str = ""
    source_id: str = ""
    started_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


class Outgoing(BaseModel):
    """An event that a step has made and the next one publishes, once the step is checkpointed."""

    key: str
    type: str
    data: JsonObject


class Spent(BaseModel):
    """What model calls have used; `cost_usd` is None once any price was unknown."""

    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: str | None = "0"


class State(BaseModel):
    """The conversation.

    Attributes:
        turn: What began the turn at hand; the fields of `TURN_FIELDS` begin afresh with it.
        said: What the person has said towards the present wish, oldest first.
        answers: By question id, all answers to that wish's questions.
        asked: Ids of the questions asked about it; none is asked twice.
        questions: Those that wait for an answer now.
        workflow: The stored workflow, once there is one.
        spent: What the session's model calls have used.
        definition: The document being written or changed.
        missing: What the author would like to ask.
        base: The document before an edit.
        changes: What the edit changed, in words.
        stuck: Repairing has no more ideas.
        outcome: How the turn ends: delivered, asked or answered.
        ticks: How many steps the turn has taken; with it every event gets its key.
        visits: How often the turn came to each step.
        outbox: Events of the last step, not yet published.
    """

    turn: Turn = Field(default_factory=Turn)
    said: list[str] = Field(default_factory=list[str])
    answers: dict[str, str] = Field(default_factory=dict[str, str])
    asked: list[str] = Field(default_factory=list[str])
    questions: list[Question] = Field(default_factory=list[Question])
    language: str = ""
    workflow: WorkflowView | None = None
    spent: Spent = Field(default_factory=Spent)

    definition: JsonObject | None = None
    intent: Intent | None = None
    missing: list[Question] = Field(default_factory=list[Question])
    show_plan_first: bool = False
    plan: Plan | None = None
    gaps: list[Gap] = Field(default_factory=list[Gap])
    base: JsonObject | None = None
    changes: list[str] = Field(default_factory=list[str])
    assumptions: list[str] = Field(default_factory=list[str])
    unmatched: list[str] = Field(default_factory=list[str])
    valid: bool = False
    findings: list[Finding] = Field(default_factory=list[Finding])
    repairs: int = 0
    stuck: bool = False
    effects: list[PlannedEffect] = Field(default_factory=list[PlannedEffect])
    trial_error: str = ""
    turn_spent: Spent = Field(default_factory=Spent)
    outcome: Literal["", "delivered", "asked", "answered"] = ""

    ticks: int = 0
    visits: dict[str, int] = Field(default_factory=dict[str, int])
    outbox: list[Outgoing] = Field(default_factory=list[Outgoing])


TURN_FIELDS = (
    "definition",
    "intent",
    "missing",
    "show_plan_first",
    "plan",
    "gaps",
    "base",
    "changes",
    "assumptions",
    "unmatched",
    "valid",
    "findings",
    "repairs",
    "stuck",
    "effects",
    "trial_error",
    "turn_spent",
    "outcome",
    "ticks",
    "visits",
    "outbox",
)
"""What is forgotten when a turn begins."""


class Change(BaseModel):
    """What a step has done: new values of some of the state's fields, and what happened."""

    fields: dict[str, Any]
    events: list[SessionEventData]


def changed(*events: SessionEventData, **fields: Any) -> Change:
    """A step's result; the names are fields of `State`."""
    if unknown := fields.keys() - State.model_fields.keys():
        raise TypeError(f"the state has no {', '.join(sorted(unknown))}")
    return Change.model_construct(fields=fields, events=list(events))


def as_json(**fields: Any) -> JsonObject:
    """Values of the state's fields, as checkpoints keep them."""
    known = State.model_construct(**fields)
    return known.model_dump(mode="json", include=set(fields))


def at_start(turn: Turn) -> JsonObject:
    """What the graph is given when a turn begins."""
    fresh = State().model_dump(mode="json", include=set(TURN_FIELDS))
    return {**fresh, **as_json(turn=turn)}
