"""What a node is: its declaration, what it is given, and what may come of it.

One file in `nodes/` (or `triggers/`) holds everything about one node type: the class attributes
declare it, `Parameters` is its JSON Schema, the class's docstring its documentation, `run` its
behaviour. A node sees data and a few services; it never sees the store, the wire or another node.

Three kinds of node:
- `PureNode`: computed from its input alone. `run` is an ordinary function. It may be computed
  again after a crash, and runs for real in a simulation.
- `ActionNode`: touches the world (or waits). `run` is a coroutine and gets `Services`. Its start
  and its end are journalled; in a simulation it is not run: `plan` says what it would do,
  `sample` what it might have answered. One whose effect is pure only needs a service to compute
  with, and runs for real in a simulation too.
- `AttachedNode`: never runs; it says something to the node that it is attached to (a model, a
  memory). Nodes of the other two kinds can be attached as well, as tools.

A node does not raise for what may happen in business: it returns `Failed`. It raises
`NodeError` only from deep inside, which the executor turns into `Failed`.
"""

import builtins
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from engine_service.blob import Blobs, NoBlobs
from engine_service.failure import Failed, brief
from engine_service.failure import NodeError as NodeError
from shared.workflow import Item, JsonObject
from shared.workflow import Node as NodeDefinition

MAIN = "main"
ERROR = "error"


class Effect(StrEnum):
    """What happens to the world when a node runs, and so what a crash may repeat."""

    PURE = "pure"
    READ = "read"
    KEYED = "keyed"
    UNSAFE = "unsafe"


class NodeParameters(BaseModel):
    """The base of every node's parameters: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


P = TypeVar("P", bound=NodeParameters)


# --- what may come of a node


@dataclass(frozen=True, slots=True)
class Response:
    """What a responding node answers to whoever is waiting for the run (a webhook's caller)."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """One input item that a node could not handle, while the others went through."""

    index: int
    code: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", brief(self.message))


@dataclass(frozen=True, slots=True)
class Done:
    """The node has its results: a list of items for each port; an absent port is an untaken one.

    A port with an empty list was not taken either, unless the node's settings say `always_output`.
    """

    outputs: Mapping[str, list[Item]]
    failures: Sequence[ItemFailure] = ()
    response: Response | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What a waiting node puts to a person; the engine makes an approval of it."""

    title: str
    message: str = ""
    approvers: Sequence[str] = ()
    form_schema: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """The node needs time, a person or a callback. The run parks and the node runs again later.

    Attributes:
        until: When to run again at the latest; None waits for the answer for ever.
        question: Set when a person must answer.
        callback: True when an outside call to the run's callback address is the answer.
    """

    until: datetime | None = None
    question: Question | None = None
    callback: bool = False


Outcome = Done | Failed | Waiting


# --- what a node is given


@dataclass(frozen=True, slots=True)
class Resumption:
    """Why a waiting node runs again: the answer, or None when its time ran out."""

    answer: JsonObject | None
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class NodeInput(Generic[P]):
    """What a node computes from.

    Attributes:
        definition: The node as the author wrote it.
        parameters: Filled parameters: one for each item of the first input when the node maps over
            items and some expression depends on the item; otherwise a single one for all.
        inputs: Items by input name; every declared input is there, maybe empty.
        arrived: The inputs that live branches lead to; a merge tells an empty from an untaken one.
        run: `{"id", "mode", "workflow_id", "workflow_name", "trigger"}`.
        now: The moment this node runs, aware, in the workflow's time zone.
        resumption: Set when the node had returned `Waiting` before.
        scope: Gives what the node's expressions see (engine_service.expressions.Scope), for nodes
            that run an author's code; made only when it is asked for.
    """

    definition: NodeDefinition
    parameters: Sequence[P]
    inputs: Mapping[str, list[Item]]
    arrived: frozenset[str]
    run: Mapping[str, str]
    now: datetime
    resumption: Resumption | None = None
    scope: Callable[[], Any] | None = None

    @property
    def items(self) -> list[Item]:
        """The items of the input `main`."""
        return self.inputs.get(MAIN, [])

    def parameters_for(self, index: int) -> P:
        """The parameters as filled for the item at `index`."""
        return self.parameters[index if len(self.parameters) > 1 else 0]


class HttpClient(Protocol):
    """Outgoing HTTP behind the SSRF guard; engine_service/web/outgoing.py is the real one."""

    async def send(self, request: "HttpRequest") -> "HttpResponse":
        """Send one request.

        Raises:
            NodeError: Refused by the guard, not connected, timed out, or too large.
        """
        ...


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One outgoing request.

    Attributes:
        timeout: Seconds for the whole exchange, redirects included.
        secret_headers: Names of headers that must not follow a redirect to another origin;
            Authorization and Cookie never do.
        credential: Put on by the client wherever the request goes that the credential is bound to;
            a request that begins elsewhere is refused, a redirect elsewhere goes without it.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    timeout: float = 30.0
    follow_redirects: bool = True
    verify_tls: bool = True
    secret_headers: Sequence[str] = ()
    credential: "Credential | None" = None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back; `url` is where redirects ended."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where something listens, checked: its host in the one spelling, and all addresses it has."""

    host: str
    port: int
    addresses: Sequence[str]


class Network(Protocol):
    """Connections for protocols other than HTTP, behind the same guard.

    engine_service/web/network.py is the real one. A library that takes a connected socket gets one
    from `connect`; one that connects by itself is told an address of `reach`, never the name.
    """

    async def reach(self, host: str, port: int) -> Place:
        """Where a host is, resolved once.

        Raises:
            NodeError: Refused by the guard, or it has no address.
        """
        ...

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connection to a checked address of a host; it does not block, and is the caller's.

        Raises:
            NodeError: Refused by the guard, or not connected.
        """
        ...

    def tls(self, *, verify: bool = True) -> ssl.SSLContext:
        """How TLS is spoken; the host's name is what a certificate must be for."""
        ...


class NoNetwork:
    """Where nothing is to be reached."""

    async def reach(self, host: str, port: int) -> Place:
        raise NodeError(Failed("address_refused", f"{host}:{port} cannot be reached from here."))

    async def connect(self, host: str, port: int) -> socket.socket:
        await self.reach(host, port)
        raise AssertionError("it is never reached")

    def tls(self, *, verify: bool = True) -> ssl.SSLContext:
        raise NodeError(Failed("address_refused", f"Nothing is reached, with {verify=} or not."))


class Credential(Protocol):
    """An opened credential; `HttpRequest.credential` is where a node puts it."""

    @property
    def type(self) -> str:
        """Its type, such as `http.bearer`."""
        ...

    def covers(self, scheme: str, host: str, port: int) -> bool:
        """Whether it may be shown there."""
        ...

    async def sign(self, request: HttpRequest) -> HttpRequest:
        """The request with the credential on it, for the wire and nothing else.

        Raises:
            NodeError: It cannot be used: not connected, expired for good, or its issuer is away.
        """
        ...

    async def renew(self) -> bool:
        """Get a new token after the present one was refused; whether there is one."""
        ...

    def hide(self, text: str) -> str:
        """A text without the credential's secrets."""
        ...

    def reveal(self) -> Mapping[str, Any]:
        """Its fields, secrets included, for protocols other than HTTP: check `covers` first."""
        ...


class Credentials(Protocol):
    """The credentials that a node's definition refers to."""

    async def find(self, *types: str) -> Credential | None:
        """The first one of these types (of any, when none is named); None if there is no such.

        Raises:
            NodeError: The definition names one that is not there, or that cannot be opened.
        """
        ...

    def hide(self, text: str) -> str:
        """A text without the secrets of all that were found so far."""
        ...


class NoCredentials:
    """Where nothing is referred to."""

    async def find(self, *types: str) -> Credential | None:
        del types
        return None

    def hide(self, text: str) -> str:
        return text


@dataclass(frozen=True, slots=True)
class Services:
    """What an action may use.

    Attributes:
        http: Outgoing HTTP, guarded.
        sandbox: Runs user code in a worker process (engine_service/sandbox.py).
        models: Language models by `provider:model` name (shared/llms).
        idempotency_key: `run:node:iteration`, the same for every try of this execution.
        emit: Tells watchers of progress (`node.delta` events); never part of the result.
        log: Writes a line to the run's log.
        credentials: What the node's definition refers to, opened when asked for.
        network: Connections for other protocols than HTTP, guarded.
        blobs: Files, which items refer to (engine_service/blobs).
        most_bytes: The largest output a node may give, as JSON.
    """

    http: HttpClient
    sandbox: Any
    models: Any
    idempotency_key: str
    emit: Callable[[JsonObject], Awaitable[None]]
    log: Callable[[str, str], Awaitable[None]]
    credentials: Credentials = field(default_factory=NoCredentials)
    network: Network = field(default_factory=NoNetwork)
    blobs: Blobs = field(default_factory=NoBlobs)
    most_bytes: int = 10 * 1024 * 1024


# --- what a node declares


_NO_TOOLS = frozenset({"flow", "human", "trigger"})
"""Families whose nodes steer a run or wait, which a tool cannot."""


class NodeType(ABC, Generic[P]):
    """A kind of node. Subclass `PureNode`, `ActionNode` or `AttachedNode`, not this.

    Class attributes:
        type: Its name in definitions, `family.name`.
        title: Its name for people.
        Parameters: The Pydantic model of its parameters; every field has a description.
        inputs: Names of its inputs; () for a trigger.
        outputs: Names of its outputs, apart from those that follow from parameters.
        per_item: True when parameters are filled for each item; False when the node works on the
            whole list and they are filled once, with the first item in scope.
        needs_all_inputs: True when it waits for every live input (a merge); False runs on any.
        effect: What it does to the world.
        examples: Parameter objects that are valid and instructive; at least one.
        keywords: Words by which people ask for it, in English and Chinese, for retrieval.
        verbatim: Names of parameters in which braces are the author's own and nothing is filled.
        credential_types: Types of credentials it can use, any one of them.
        needs_credential: It can do nothing without one.
        attachments: What it takes from nodes that are attached to it: how many at most, by kind
            (`shared.attachments`).
    """

    Parameters: ClassVar[builtins.type[NodeParameters]]
    type: ClassVar[str]
    version: ClassVar[int] = 1
    title: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = (MAIN,)
    outputs: ClassVar[tuple[str, ...]] = (MAIN,)
    per_item: ClassVar[bool] = True
    needs_all_inputs: ClassVar[bool] = False
    effect: ClassVar[Effect] = Effect.PURE
    examples: ClassVar[tuple[JsonObject, ...]]
    keywords: ClassVar[tuple[str, ...]] = ()
    verbatim: ClassVar[tuple[str, ...]] = ()
    credential_types: ClassVar[tuple[str, ...]] = ()
    needs_credential: ClassVar[bool] = False
    attachments: ClassVar[Mapping[str, int]] = {}

    @classmethod
    def attaches_as(cls) -> tuple[str, ...]:
        """As what it can be attached: a node that makes items from items serves as a tool."""
        is_tool = cls.inputs == (MAIN,) and cls.family() not in _NO_TOOLS
        return ("tool",) if is_tool else ()

    @classmethod
    def family(cls) -> str:
        """The first part of the type's name."""
        return cls.type.partition(".")[0]

    @classmethod
    def ports(cls, parameters: JsonObject) -> tuple[str, ...]:
        """The outputs of a node with these parameters (as written, expressions unfilled)."""
        del parameters
        return cls.outputs

    @classmethod
    def input_names(cls, parameters: JsonObject) -> tuple[str, ...]:
        """The inputs of a node with these parameters (as written, expressions unfilled)."""
        del parameters
        return cls.inputs

    @classmethod
    def check(cls, parameters: P) -> Sequence[tuple[str, str, str]]:
        """Findings beyond the schema: (pointer below /parameters, code, message)."""
        del parameters
        return ()


class PureNode(NodeType[P]):
    """A node that is computed from its input alone."""

    @abstractmethod
    def run(self, given: NodeInput[P]) -> Outcome:
        """Compute; no I/O, no clock, no randomness but what `given` holds."""


class AttachedNode(NodeType[P]):
    """A node that never runs: another one, to which it is attached, uses what it says."""

    inputs: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[str]

    @classmethod
    def attaches_as(cls) -> tuple[str, ...]:
        return (cls.kind,)


class ActionNode(NodeType[P]):
    """A node that touches the world, or waits for it."""

    @abstractmethod
    async def run(self, given: NodeInput[P], services: Services) -> Outcome:
        """Do the work; cancellation may come at any await."""

    @abstractmethod
    def plan(self, parameters: P) -> str:
        """What it would do, in a line, without secrets: `POST https://example.com/orders`."""

    def address(self, parameters: P) -> str:
        """The URL it would send a request to first; empty when it sends none."""
        del parameters
        return ""

    @abstractmethod
    def sample(self, given: NodeInput[P]) -> Done:
        """A plausible result for a simulation, shaped like the real one."""
