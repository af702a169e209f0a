"""What an author is: whoever reads what a person said and writes plans, definitions and patches.

Steps ask an `Author` and know nothing of how it thinks. `authors/offline` needs no key and no
network, `authors/llm` asks a language model; both see a `Request` and a `Library`, and neither
judges a definition, which is the engine's to do.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from agent_service.catalogue import Catalogue
from shared.llm import Usage
from shared.session_events import Finding, Gap, Plan, Question
from shared.workflow import JsonObject


class Intent(StrEnum):
    """What a message is after."""

    BUILD = "build"
    EDIT = "edit"
    EXPLAIN = "explain"
    DECLINE = "decline"
    TALK = "talk"


@dataclass(frozen=True, slots=True)
class Request:
    """What a person wants, as far as it was said.

    Attributes:
        said: Everything that was said towards this workflow, oldest first; the last is new.
        answers: By question id; what the person said to it.
        language: ISO 639 code of the person's language, once known.
        auto: Nothing may be asked; what is missing is assumed, and said.
        catalogue: What workflows can be made of.
        definition: The workflow to be changed or explained, if there is one.
        asked: Questions that were asked before and are not asked again.
    """

    said: Sequence[str]
    answers: Mapping[str, str]
    language: str
    auto: bool
    catalogue: Catalogue
    definition: JsonObject | None = None
    asked: Sequence[str] = ()

    @property
    def text(self) -> str:
        """All that was said, as one text."""
        return "\n".join(self.said)


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a message is after, and what must be asked before going on.

    Attributes:
        questions: What is essential and missing, worded for the person; may repeat what was
            asked before, which the step then leaves out.
        answers: Answers found in the message's words, by question id.
        is_answer: The message only answers; it adds nothing to the wish.
        show_plan_first: The person wants to see the plan before anything is built.
    """

    intent: Intent
    language: str
    questions: Sequence[Question] = ()
    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_answer: bool = False
    show_plan_first: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan, and what no node type does."""

    plan: Plan
    gaps: Sequence[Gap] = ()
    lexical_only: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A definition, and the ids of placeholder nodes in it."""

    definition: JsonObject
    unmatched: Sequence[str] = ()
    assumptions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to a definition.

    Attributes:
        operations: JSON Patch (RFC 6902) on the definition.
        touches: What the change is about: node ids, `name`, `description`, `settings`.
        changes: What was changed, in the person's words.
        unmatched: Wishes that could not be turned into a change.
    """

    operations: Sequence[JsonObject]
    touches: Sequence[str]
    changes: Sequence[str] = ()
    unmatched: Sequence[str] = ()
    assumptions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """Something known about a node, a practice or an example."""

    kind: str
    name: str
    title: str
    text: str
    similarity: float
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found, best first; `lexical_only` when only words could be compared."""

    passages: Sequence[Passage]
    lexical_only: bool = False


class Library(Protocol):
    """What is known of nodes, practices and example workflows."""

    async def search(self, query: str, kind: str = "", limit: int = 8) -> Found:
        """The passages that fit best."""
        ...


# --- occasions to say something


@dataclass(frozen=True, slots=True)
class Asking:
    """Questions are about to be put."""

    questions: Sequence[Question]
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class NamingGaps:
    """Something asked for is not there; each gap comes with ways around it."""

    gaps: Sequence[Gap]
    asking: bool


@dataclass(frozen=True, slots=True)
class Delivering:
    """A workflow was stored.

    Attributes:
        definition: What was stored.
        created: Whether it is new.
        changes: What an edit changed.
        findings: What the check still finds.
        effects: What a run would send where, a line each.
        trial_error: Why a trial run failed, when it did.
    """

    definition: JsonObject
    created: bool
    changes: Sequence[str]
    assumptions: Sequence[str]
    unmatched: Sequence[str]
    findings: Sequence[Finding]
    effects: Sequence[str]
    trial_error: str


@dataclass(frozen=True, slots=True)
class Declining:
    """The person does not want to go on."""


@dataclass(frozen=True, slots=True)
class NotUnderstanding:
    """Nothing to build was found in what was said, or none of the wished changes."""

    wishes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that did not end well."""

    run_id: str
    node_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Explaining:
    """A workflow is to be explained, and its latest failed run if that was asked for."""

    definition: JsonObject
    failed_run: FailedRun | None


Occasion = Asking | NamingGaps | Delivering | Declining | NotUnderstanding | Explaining


class Author(Protocol):
    """Reads what people say and writes what they mean."""

    @property
    def name(self) -> str:
        """`offline`, or the model's name."""
        ...

    @property
    def streams(self) -> bool:
        """Whether words come one after the other, so that it is worth showing them at once."""
        ...

    @property
    def spent(self) -> Usage:
        """What this author has used since it was made."""
        ...

    async def understand(self, request: Request, questions: Sequence[Question]) -> Understanding:
        """Read the newest message; `questions` are those that it may be answering."""
        ...

    async def plan(self, request: Request, library: Library) -> Proposal:
        """Say in plain words what would be built."""
        ...

    async def draft(self, request: Request, plan: Plan, library: Library) -> Draft:
        """Write the definition."""
        ...

    async def patch(self, request: Request, library: Library) -> Edit:
        """Change `request.definition` as the newest message asks, and nothing else."""
        ...

    async def repair(self, request: Request, findings: Sequence[Finding]) -> JsonObject | None:
        """Mend `request.definition`; None when there is no idea how."""
        ...

    def say(self, occasion: Occasion, language: str) -> AsyncIterator[str]:
        """What to tell the person, piece by piece, in Markdown."""
        ...
