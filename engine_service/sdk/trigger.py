"""What a trigger is: a node that begins runs, and how the outside world sets it off.

A trigger is also an ordinary pure node: within a run it hands on the run's input items.
`triggers/` holds one file per kind. A schedule is asked for its next time; a webhook verifies and
shapes an incoming request: both are pure. One that polls looks at its source and says what is new
there. Rows, leases and clocks are the engine's affair.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from engine_service.sdk.node import (
    MAIN,
    Credentials,
    Done,
    HttpClient,
    Network,
    NodeInput,
    Offer,
    Outcome,
    P,
    PureNode,
)
from shared.errors import Violation
from shared.workflow import Item, JsonObject


class Trigger(PureNode[P]):
    """A node that begins runs."""

    inputs: ClassVar[tuple[str, ...]] = ()

    def run(self, given: NodeInput[P]) -> Outcome:
        """Hand on the run's input items, which the engine passes as `main`."""
        return Done({MAIN: given.items})

    def input_schema(self, parameters: P) -> JsonObject | None:
        """The JSON Schema that a run's input must satisfy; None takes any object."""
        del parameters
        return None

    def example(self, parameters: P, now: datetime, timezone: str) -> Item:
        """What it might give, for those who try a workflow out."""
        del parameters, now, timezone
        return {"json": {}}


@dataclass(frozen=True, slots=True)
class TickPolicy:
    """What becomes of ticks that came too late, or while an earlier run is still going.

    Attributes:
        missed_after: A tick later than this is missed; one that is merely late runs.
        catch_up: Of missed ticks, `none`, the `latest` or `all` run.
        overlap: `allow` starts a run anyway, `skip` drops the tick while one is going.
    """

    missed_after: timedelta = timedelta(minutes=1)
    catch_up: Literal["none", "latest", "all"] = "latest"
    overlap: Literal["allow", "skip"] = "allow"


class ClockTrigger(Trigger[P]):
    """A trigger that follows the clock."""

    @abstractmethod
    def next_fire_at(self, parameters: P, after: datetime, timezone: str) -> datetime | None:
        """The first moment strictly later than `after` (aware, UTC) at which it fires, in UTC."""

    def policy(self, parameters: P) -> TickPolicy:
        """What becomes of missed and overlapping ticks."""
        del parameters
        return TickPolicy()

    @abstractmethod
    def tick_item(self, parameters: P, fire_at: datetime, timezone: str) -> Item:
        """The item a run gets for this tick."""

    def example(self, parameters: P, now: datetime, timezone: str) -> Item:
        return self.tick_item(parameters, now, timezone)


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """An HTTP request for a webhook; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: str
    body: bytes
    remote_address: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an incoming request starts nothing: the HTTP status and a line for the caller.

    Attributes:
        violations: What exactly is wrong with it, if that is what is wrong.
    """

    status: int
    message: str
    violations: Sequence[Violation] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """An incoming request that starts a run.

    Attributes:
        item: What the run gets.
        delivery_id: The sender's id of this delivery; a second one with the same id is a repeat.
        response_mode: `at_once`, `last_node` or `respond_node`.
    """

    item: Item
    delivery_id: str | None
    response_mode: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An incoming request from who it should be that starts nothing, and what it is answered.

    Handshakes, and events that nobody asked for, are such.
    """

    body: JsonObject


class WebhookTrigger(Trigger[P]):
    """A trigger that an HTTP request sets off.

    Class attributes:
        door: Which of the gateway's doors leads to it: `hook`, `form` or `chat`.
    """

    door: ClassVar[str] = "hook"

    @abstractmethod
    def path(self, parameters: P) -> str:
        """The path below /v1/hooks/{tenant part}, without slashes at the ends."""

    @abstractmethod
    def receive(
        self, parameters: P, request: IncomingRequest, secret: str, now: datetime
    ) -> Accepted | Answered | Refused:
        """Verify the request (constant time, with tolerance) and shape it into an item."""


class ToolTrigger(Trigger[P]):
    """A trigger by which the workflow is a tool of its tenant's MCP server while it is active."""

    @abstractmethod
    def tool(self, parameters: P) -> Offer:
        """The tool, as clients see it."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What a poll may use."""

    http: HttpClient
    network: Network
    credentials: Credentials
    now: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """Something new at a source: what the source calls it for ever, and what a run gets of it."""

    key: str
    item: Item


@dataclass(frozen=True, slots=True)
class Polled:
    """What a look at a source gave.

    Attributes:
        found: What is new, oldest first.
        cursor: What the next look needs to know; plain JSON, and no secret.
        more: There is more that is new, so look again at once.
    """

    found: Sequence[Found]
    cursor: JsonObject
    more: bool = False


class PollTrigger(Trigger[P]):
    """A trigger that looks for something new itself, again and again."""

    @abstractmethod
    def interval(self, parameters: P) -> timedelta:
        """How long after one look the next one comes."""

    @abstractmethod
    def source(self, parameters: P) -> str:
        """What is looked at: a cursor is worth something there only."""

    @abstractmethod
    def together(self, parameters: P) -> bool:
        """Whether one run gets all that one look finds; otherwise each finding has its own."""

    @abstractmethod
    async def poll(self, parameters: P, cursor: JsonObject | None, outside: Outside) -> Polled:
        """Look at the source, within a minute.

        Args:
            parameters: The node's.
            cursor: What the last look gave; None at the first one, which only finds something if
                the parameters ask for what is there already.
            outside: What to look with.

        Raises:
            NodeError: That did not work.
        """

    async def settle(self, parameters: P, found: Sequence[Found], outside: Outside) -> None:
        """Do at the source what has to be done once the runs are stored.

        Raises:
            NodeError: That did not work; nothing depends on it.
        """
        del parameters, found, outside


class HostedTrigger(WebhookTrigger[P]):
    """A trigger with a page of its own, on which people set it off."""

    @abstractmethod
    def page(
        self, parameters: P, request: IncomingRequest, secret: str, now: datetime
    ) -> JsonObject | Refused:
        """What the page shows to whoever asks for it."""
