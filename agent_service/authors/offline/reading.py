"""What was understood of a request: a trigger and a tree of steps, each with its own words.

Everything here is data. Recognizers make it, the planner words it, `compose` turns it into nodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.workflow import JsonObject

# --- values that steps use


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that was said: a text, a number, true, false."""

    value: Any


@dataclass(frozen=True, slots=True)
class FieldOf:
    """A field by name, such as `customer.email`; where it comes from follows from its place."""

    path: str


class Source(StrEnum):
    """Whole data that a step may pass on."""

    SUBJECT = "subject"
    """What the request is about just there: the latest data that some step made or brought."""
    INPUT = "input"
    """What the trigger brought."""


Value = Constant | FieldOf | Source


# --- triggers


@dataclass(frozen=True, slots=True)
class ManualStart:
    """By hand, with named inputs; `said` is False when no trigger was mentioned at all."""

    phrase: str = ""
    inputs: Sequence[str] = ()
    said: bool = True


@dataclass(frozen=True, slots=True)
class WebhookStart:
    """By an HTTP request; `subject` is what it is said to bring, such as `order`."""

    phrase: str
    path: str = ""
    methods: Sequence[str] = ()
    subject: str = ""
    fields: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ScheduleStart:
    """By the clock: rules of `trigger.schedule`; `open_time` when the time of day was not said."""

    phrase: str
    rules: Sequence[JsonObject]
    timezone: str = ""
    open_time: bool = False
    assumed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ForeignStart:
    """By something that no trigger here follows, such as a new row in a sheet."""

    phrase: str
    system: str


Start = ManualStart | WebhookStart | ScheduleStart | ForeignStart


# --- conditions


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison, in the words of `flow.if`."""

    left: Value
    type: str
    operator: str
    right: Any = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether what was done just before went well, as in `if it fails`.

    Attributes:
        state: The word that was said, such as `ok`, for where nothing was done before and a field
            must have been meant.
        opposite: That word was denied: `not ok`.
    """

    well: bool
    state: str = ""
    opposite: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """A question of meaning, such as `the message is a complaint`, that a model must answer."""

    question: str


@dataclass(frozen=True, slots=True)
class Approved:
    """Whether the approval just before was given."""


@dataclass(frozen=True, slots=True)
class Unread:
    """Words that state a condition and that no rule understood."""

    phrase: str


Test = Comparison | Outcome | Judgement | Approved | Unread


@dataclass(frozen=True, slots=True)
class Condition:
    """What a branch depends on; `negated` swaps its ways."""

    phrase: str
    tests: Sequence[Test]
    any_of: bool = False
    negated: bool = False


# --- steps


@dataclass(frozen=True, slots=True)
class Http:
    """An HTTP request.

    Attributes:
        url: None when it was not said.
        body: What is sent, if anything.
        point: Id of the question after its address.
    """

    phrase: str
    method: str
    url: str | None
    body: Value | Mapping[str, Value] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    purpose: str = ""
    point: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A person must agree."""

    phrase: str
    title: str
    approvers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ai:
    """A language model writes or judges; `task` is such as summarize, classify or translate."""

    phrase: str
    task: str
    instruction: str
    labels: Sequence[str] = ()
    fields: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class SetFields:
    """Fields are added or changed; `only` drops the others."""

    phrase: str
    fields: Mapping[str, Value]
    only: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Time passes."""

    phrase: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """The webhook's caller is answered."""

    phrase: str
    what: Value | Mapping[str, Value]
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """The run fails."""

    phrase: str
    message: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """This way ends here, quietly."""

    phrase: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Only items that meet a condition go on."""

    phrase: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Code:
    """A script; `source` is None when only its purpose was said."""

    phrase: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """A list becomes items; `path` is the list's field, or empty when it is the data itself."""

    phrase: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Arrange:
    """All items are sorted, cut down, freed of duplicates, collected or renamed, by one node.

    Attributes:
        fields: What the node's `fields` says of each field; `name` is its path.
        given: Its other parameters.
    """

    phrase: str
    node_type: str
    fields: Sequence[Mapping[str, str]] = ()
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail is sent; what it says is what the run has come to, unless a text was given."""

    phrase: str
    to: Sequence[str]
    subject: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Something that only another system's node could do."""

    phrase: str
    system: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Connect:
    """An operation of a system that there is a node for.

    Attributes:
        credential: The type of credential that it needs.
        given: Parameters that were said.
        says: The parameter that takes a text, if it takes one.
        text: That text; the data that is there when it was not said.
        row: The parameter that takes the data as fields, if it takes one.
    """

    phrase: str
    system: str
    node_type: str
    credential: str
    given: Mapping[str, str]
    says: str = ""
    text: str = ""
    row: str = ""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Words that no rule understood."""

    phrase: str


@dataclass(frozen=True, slots=True)
class Branch:
    """One of two ways is taken."""

    phrase: str
    condition: Condition
    then: list["Step"]
    otherwise: list["Step"]


@dataclass(frozen=True, slots=True)
class Case:
    """One way of a choice; `value` is what the deciding field equals."""

    value: Any
    steps: list["Step"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of many ways is taken, by the value of a field."""

    phrase: str
    by: Value
    cases: Sequence[Case]
    default: list["Step"]


@dataclass(frozen=True, slots=True)
class Loop:
    """Steps are repeated, batch by batch."""

    phrase: str
    batch_size: int
    steps: list["Step"]


@dataclass(frozen=True, slots=True)
class Fan:
    """Several things happen side by side."""

    phrase: str
    ways: Sequence[list["Step"]]


@dataclass(frozen=True, slots=True)
class Together:
    """Branches before are brought together."""

    phrase: str


Step = (
    Http
    | Ask
    | Ai
    | SetFields
    | Pause
    | Answer
    | Stop
    | Ignore
    | Keep
    | Code
    | Split
    | Arrange
    | Mail
    | Foreign
    | Connect
    | Unmatched
    | Branch
    | Choice
    | Loop
    | Fan
    | Together
)


@dataclass(frozen=True, slots=True)
class Open:
    """Something essential that was not said.

    Attributes:
        id: Key of the answer; follows from the place of the step it belongs to.
        kind: `url`, `time`, `condition`, `request`, …: selects the question's words.
        about: The person's own words.
        default: What is assumed when nobody can be asked.
        said: The answer that did not fit, when it is asked again.
    """

    id: str
    kind: str
    about: str = ""
    default: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A request as it was understood; `remarks` tell how things are and ask for nothing."""

    language: str
    title: str
    start: Start
    steps: list[Step]
    open: Sequence[Open] = ()
    assumptions: Sequence[str] = ()
    remarks: Sequence[str] = ()
    timezone: str = ""
    show_plan_first: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it that could be built."""
        silent = isinstance(self.start, ManualStart) and not self.start.said
        return silent and all(isinstance(step, Unmatched) for step in self.steps)


def walk(steps: Sequence[Step]) -> list[Step]:
    """Every step, depth first, in the order in which it was said."""
    found: list[Step] = []
    for step in steps:
        found.append(step)
        match step:
            case Branch():
                found += walk(step.then) + walk(step.otherwise)
            case Choice():
                for case in step.cases:
                    found += walk(case.steps)
                found += walk(step.default)
            case Loop():
                found += walk(step.steps)
            case Fan():
                for way in step.ways:
                    found += walk(way)
            case _:
                pass
    return found
