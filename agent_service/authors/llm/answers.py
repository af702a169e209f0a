"""What a model is asked to answer with, one model for each step; their JSON Schemas go along.

Everything is optional but what a step cannot do without, since models leave out what they may.
"""

from pydantic import BaseModel, ConfigDict, Field

from agent_service.author import Intent
from shared.session_events import Alternative, Choice
from shared.workflow import JsonObject


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")


class AskedQuestion(_Answer):
    """A question for the person."""

    id: str = Field(description="Short slug; the same question always has the same one")
    text: str = Field(description="The question, in the person's language")
    choices: list[Choice] = Field(default_factory=list[Choice])
    default: str = Field(default="", description="What you would assume")


class GivenAnswer(_Answer):
    """An answer found in the newest message."""

    id: str = Field(description="The question's id")
    answer: str = Field(description="What the person answered")


class UnderstandAnswer(_Answer):
    """What the newest message is after."""

    intent: Intent
    language: str = Field(description="ISO 639-1 code of the person's language")
    questions: list[AskedQuestion] = Field(default_factory=list[AskedQuestion])
    answers: list[GivenAnswer] = Field(default_factory=list[GivenAnswer])
    is_answer: bool = Field(default=False, description="The message only answers questions")
    show_plan_first: bool = Field(default=False, description="The person asked to see a plan first")


class PlannedStep(_Answer):
    """One step in plain words."""

    text: str
    node_type: str = Field(default="", description="A node type of the catalogue, or empty")
    depth: int = Field(default=0, ge=0, description="How deep inside branches")


class FoundGap(_Answer):
    """Something no node type does."""

    id: str = Field(description="Short slug, such as gap-slack")
    system: str
    phrase: str = Field(description="The person's own words")
    alternatives: list[Alternative] = Field(min_length=2, max_length=3)


class PlanAnswer(_Answer):
    """What would be built."""

    title: str
    trigger: str
    steps: list[PlannedStep]
    credentials: list[str] = Field(default_factory=list[str])
    assumptions: list[str] = Field(default_factory=list[str])
    estimate: str = ""
    gaps: list[FoundGap] = Field(default_factory=list[FoundGap])


class DraftAnswer(_Answer):
    """A definition."""

    definition: JsonObject = Field(description="The whole workflow definition")
    unmatched: list[str] = Field(
        default_factory=list[str], description="Ids of placeholder nodes (flow.noop)"
    )
    assumptions: list[str] = Field(default_factory=list[str])


class PatchAnswer(_Answer):
    """A change."""

    operations: list[JsonObject] = Field(description="JSON Patch (RFC 6902) on the definition")
    touches: list[str] = Field(
        description="What the change is about: node ids, name, description, settings"
    )
    changes: list[str] = Field(default_factory=list[str], description="What changed, in words")
    unmatched: list[str] = Field(default_factory=list[str], description="Wishes not fulfilled")
    assumptions: list[str] = Field(default_factory=list[str])


class RepairAnswer(_Answer):
    """A mended definition."""

    definition: JsonObject = Field(description="The whole workflow definition")
