"""What a language model is, whoever serves it: a request goes in, deltas and one reply come out.

Agent steps and LLM nodes know this module only; `shared/llms` holds the providers and
`shared.llms.connect("provider:model", settings)` makes one. Nothing here touches the network.
"""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Protocol, Self, cast

from shared.errors import InvalidInput
from shared.llm_errors import BudgetExhausted, OutputInvalid


class Role(StrEnum):
    """Who says a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model's wish to have a tool run; `arguments` is the JSON text exactly as it wrote it."""

    call_id: str
    name: str
    arguments: str

    def parse(self) -> dict[str, Any]:
        """The arguments as an object.

        Raises:
            OutputInvalid: The model wrote something else.
        """
        try:
            value: object = json.loads(self.arguments or "{}")
        except json.JSONDecodeError as error:
            raise OutputInvalid(
                f"The model called {self.name!r} with arguments that are not JSON: {error}",
                reason="MODEL_TOOL_ARGUMENTS_INVALID",
            ) from error
        if not isinstance(value, dict):
            raise OutputInvalid(
                f"The model called {self.name!r} with arguments that are not an object",
                reason="MODEL_TOOL_ARGUMENTS_INVALID",
            )
        return cast("dict[str, Any]", value)


@dataclass(frozen=True, slots=True)
class Native:
    """A vendor's own form of an assistant message, to be sent back to the same vendor unaltered.

    It carries what the common form has no place for, such as signed thinking.
    """

    provider: str
    content: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. The four constructors below are the way to make one."""

    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    is_error: bool = False
    native: Native | None = None

    @classmethod
    def system(cls, text: str) -> "Message":
        return cls(Role.SYSTEM, text)

    @classmethod
    def user(cls, text: str) -> "Message":
        return cls(Role.USER, text)

    @classmethod
    def assistant(cls, text: str, tool_calls: Sequence[ToolCall] = ()) -> "Message":
        return cls(Role.ASSISTANT, text, tuple(tool_calls))

    @classmethod
    def tool(cls, call_id: str, text: str, *, is_error: bool = False) -> "Message":
        """What a tool answered to the call with this id."""
        return cls(Role.TOOL, text, tool_call_id=call_id, is_error=is_error)


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool the model may call; `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """The JSON Schema of an object that an answer must be; `name` is a slug that vendors want."""

    name: str
    schema: Mapping[str, Any]
    description: str = ""

    def __post_init__(self) -> None:
        if self.schema.get("type") != "object":
            raise InvalidInput("The schema of an answer must be that of an object")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call used.

    Attributes:
        input_tokens: All tokens read, cached ones included.
        output_tokens: All tokens written, reasoning included.
        cached_tokens: The part of the input that was read from the vendor's cache.
        cache_write_tokens: The part of the input that was written to it.
        reasoning_tokens: The part of the output nobody sees.
        cost_usd: None when the model's price is unknown; unknown plus known is unknown.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Usage") -> "Usage":
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            (self.cost_usd or Decimal(0)) + (other.cost_usd or Decimal(0)) if known else None,
        )


class Finish(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer.

    Attributes:
        model: `provider:model` that answered; in a chain, not always the first.
        text: What it says; with an output schema, the JSON text.
        reasoning: What it let us see of its thinking.
        refusal: Why it would not answer, in its words, if it said so.
        data: The value of `text`, parsed and valid, when the request had an output schema.
        raw: The vendor's final message as JSON, for records and tests.
        native: See `Native`; used by `message`.
    """

    model: str
    text: str
    finish: Finish
    usage: Usage
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    refusal: str = ""
    data: Any = None
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any])
    native: Native | None = None

    @property
    def message(self) -> Message:
        """The reply as a message of the conversation's next request."""
        said = Message.assistant(self.text, self.tool_calls)
        return replace(said, native=self.native)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Some more text. All of them joined are `Reply.text`."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """Some more visible thinking. All of them joined are `Reply.reasoning`."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """Some more of the call at `position`; only its first delta names the call and the tool."""

    position: int
    arguments: str
    call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """Always the last event of a stream that did not fail."""

    reply: Reply


Delta = TextDelta | ReasoningDelta | ToolCallDelta | Done


class Budget:
    """What a session, or something else with a name, may still use.

    A call is refused before it could pass the limit. Each call first reserves the most it can use
    and then settles for what it did use, so calls that run at the same time cannot pass the limit
    together either. Settling can pass it only if a vendor ignores the output limit it was given;
    the next call is refused then.

    Args:
        spent: What was used before.
        name: Whose budget it is, in messages.
        within: Budgets that this one is a part of: a call must fit into each of them.
    """

    def __init__(
        self,
        *,
        max_tokens: int | None = None,
        max_cost_usd: Decimal | None = None,
        spent: Usage | None = None,
        name: str = "session",
        within: Sequence["Budget"] = (),
    ) -> None:
        self.max_tokens = max_tokens
        self.max_cost_usd = max_cost_usd
        self.spent = spent or Usage()
        self.name = name
        self._within = tuple(within)
        self._reserved: list[Usage] = []

    def reserve(self, highest: Usage) -> "Reservation":
        """Set aside the most a call can use.

        Raises:
            BudgetExhausted: It does not fit, or there is a money limit and no known price.
        """
        self.check(highest)
        self.hold(highest)
        return Reservation(self, highest)

    def check(self, highest: Usage) -> None:
        """Refuse what does not fit here, or into what this is a part of.

        Raises:
            BudgetExhausted: As `reserve` does.
        """
        total = sum(self._reserved, self.spent) + highest
        if self.max_tokens is not None and total.total_tokens > self.max_tokens:
            raise BudgetExhausted(
                f"The {self.name}'s budget of {self.max_tokens} tokens could be passed by this "
                "call",
                metadata={
                    "max_tokens": str(self.max_tokens),
                    "spent": str(self.spent.total_tokens),
                },
            )
        if self.max_cost_usd is not None:
            self._check_cost(total, self.max_cost_usd)
        for budget in self._within:
            budget.check(highest)

    def _check_cost(self, total: Usage, limit: Decimal) -> None:
        if total.cost_usd is None:
            # Spending without knowing is worse than stopping.
            raise BudgetExhausted(
                f"The {self.name} has a money budget, and this model's price is unknown",
                reason="MODEL_PRICE_UNKNOWN",
            )
        if total.cost_usd > limit:
            raise BudgetExhausted(
                f"The {self.name}'s budget of ${limit} could be passed by this call",
                metadata={"max_cost_usd": str(limit), "spent": str(self.spent.cost_usd)},
            )

    def hold(self, highest: Usage) -> None:
        """Set something aside that was checked."""
        self._reserved.append(highest)
        for budget in self._within:
            budget.hold(highest)

    def settle(self, reserved: Usage, actual: Usage) -> None:
        """Give back what was set aside and charge what was used."""
        self._reserved.remove(reserved)
        self.spent += actual
        for budget in self._within:
            budget.settle(reserved, actual)


class Reservation:
    """What was set aside for a call under way.

    A call that is left unsettled, because it failed or was given up, is charged `at_least`:
    nothing, unless something of its answer had arrived.
    """

    def __init__(self, budget: Budget, highest: Usage) -> None:
        self.at_least = Usage()
        self._budget = budget
        self._highest = highest
        self._settled = False

    def settle(self, actual: Usage) -> None:
        self._settled = True
        self._budget.settle(self._highest, actual)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if not self._settled:
            self._budget.settle(self._highest, self.at_least)


ToolChoice = Literal["auto", "required", "none"]


@dataclass(frozen=True, slots=True)
class Request:
    """All that a model is asked at once.

    Attributes:
        output: Ask for JSON that satisfies this schema; `Reply.data` is then parsed and valid.
        max_output_tokens: Always sent, since a budget can only promise what is bounded.
        timeout_seconds: Bound of the whole call, the SDK's retries and the stream included.
        idempotency_key: Sent as the Idempotency-Key header, so that a repeated effect is one.
        budget: What the call is charged to.
    """

    messages: Sequence[Message]
    tools: Sequence[ToolSpec] = ()
    tool_choice: ToolChoice = "auto"
    output: OutputSchema | None = None
    max_output_tokens: int = 4096
    temperature: float | None = None
    timeout_seconds: float = 120.0
    idempotency_key: str = ""
    budget: Budget | None = None


class Model(Protocol):
    """A language model. Failures are the kinds of `shared.llm_errors`, whoever serves it."""

    @property
    def name(self) -> str:
        """`provider:model`."""
        ...

    async def complete(self, request: Request) -> Reply:
        """The whole answer at once."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        """The answer as it is written; leave early only through `contextlib.aclosing`."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector per text, in the same order."""

    model: str
    vectors: Sequence[Sequence[float]]
    usage: Usage


class Embedder(Protocol):
    """A model that turns texts into vectors."""

    @property
    def name(self) -> str:
        """`provider:model`."""
        ...

    async def embed(self, texts: Sequence[str], *, budget: Budget | None = None) -> Embeddings:
        """Vectors of all texts, asked for in as few calls as the vendor allows."""
        ...

    async def close(self) -> None:
        """Give back the connections."""
        ...
