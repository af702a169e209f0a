"""The world as an action sees it: what it may use, each behind a door with a guard.

Here are the doors; who stands behind them is said with each. A node that needs none of them is
pure. Tests put other worlds behind the same doors.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine_service.sdk.blob import Blobs, NoBlobs
from engine_service.sdk.failure import Failed, NodeError
from engine_service.sdk.memory import NO_MEMORY, Memory
from engine_service.sdk.outcome import Callee, ChildRun
from engine_service.sdk.progress import InMind, Progress
from engine_service.sdk.purse import FreePurse, Purse
from engine_service.sdk.tenant_data import NoTenantData, TenantData
from shared.workflow import Item, JsonObject


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
        take: Takes the body of a successful answer, which the response then lacks.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: "bytes | BodyStream | None" = None
    timeout: float = 30.0
    follow_redirects: bool = True
    verify_tls: bool = True
    secret_headers: Sequence[str] = ()
    credential: "Credential | None" = None
    take: "Taking | None" = None


@dataclass(frozen=True, slots=True)
class BodyStream:
    """A body that is sent as it is read; `begin` gives it from its beginning, for every try."""

    size: int
    begin: Callable[[], AsyncIterator[bytes]]


Taking = Callable[["HttpResponse"], AbstractAsyncContextManager[Callable[[bytes], Awaitable[None]]]]
"""Takes in the body behind a successful answer's head, piece by piece; it may be of any size."""


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

    def open_fields(self) -> Mapping[str, Any]:
        """Its fields that are no secrets, such as where its server is."""
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
class ChildEnd:
    """How a run that a node began has ended; `error` is `{"code", "message", "node_id"}`."""

    run_id: str
    status: str
    output: Any
    error: JsonObject | None = None

    def as_json(self) -> JsonObject:
        """As it stands in the answer to a node that waited for it."""
        said = {"run_id": self.run_id, "status": self.status, "output": self.output}
        return {**said, "error": self.error}


class Workflows(Protocol):
    """Other workflows of the tenant, which a node may call; engine_service/running/calls.py."""

    async def find(self, wanted: str) -> Callee:
        """A workflow by its id or name.

        Raises:
            NodeError: There is none, several have the name, or nothing in it can be called.
        """
        ...

    async def compose(self, definition: JsonObject) -> Callee:
        """A workflow that is written out.

        Raises:
            NodeError: It is not valid.
        """
        ...

    def form(self, callee: Callee) -> JsonObject | None:
        """What its trigger's form asks for, as JSON Schema; None when it has none."""
        ...

    def child(self, callee: Callee, items: list[Item]) -> ChildRun:
        """A run of it, not begun: give it to `Waiting`, `start` or `run`.

        Raises:
            NodeError: The items do not fit its trigger's form, or calls are nested too deeply.
        """
        ...

    async def start(self, child: ChildRun, key: str = "") -> str:
        """Begin a run of its own, which nobody waits for; its id.

        Args:
            child: What to begin.
            key: Sets apart the runs that one execution begins. An attempt after a crash that comes
                with the same key gets the same run.
        """
        ...

    async def run(self, child: ChildRun, key: str = "") -> ChildEnd:
        """Begin a run and stay until it has ended; for nodes that cannot wait parked.

        If they are stopped meanwhile the run goes on, and the next attempt finds it by the key.
        """
        ...


class NoWorkflows:
    """Where nothing can be called."""

    async def find(self, wanted: str) -> Callee:
        raise _nothing_to_call(wanted)

    async def compose(self, definition: JsonObject) -> Callee:
        raise _nothing_to_call(definition)

    def form(self, callee: Callee) -> JsonObject | None:
        raise _nothing_to_call(callee)

    def child(self, callee: Callee, items: list[Item]) -> ChildRun:
        return ChildRun(callee, items)

    async def start(self, child: ChildRun, key: str = "") -> str:
        raise _nothing_to_call(child, key)

    async def run(self, child: ChildRun, key: str = "") -> ChildEnd:
        raise _nothing_to_call(child, key)


def _nothing_to_call(*wanted: object) -> NodeError:
    del wanted
    return NodeError(Failed("no_workflows", "No workflow can be called from here."))


def _nothing_attached(kind: str) -> Sequence[Any]:
    del kind
    return ()


@dataclass(frozen=True, slots=True)
class Services:
    """What an action may use.

    Attributes:
        http: Outgoing HTTP, guarded.
        sandbox: Runs user code in a worker process (engine_service/code/sandbox.py).
        models: Language models by `provider:model` name (shared/llms).
        idempotency_key: `run:node:iteration`, the same for every try of this execution.
        emit: Tells watchers of progress (`node.delta` events); never part of the result.
        log: Writes a line to the run's log.
        credentials: What the node's definition refers to, opened when asked for.
        network: Connections for other protocols than HTTP, guarded.
        blobs: Files, which items refer to (engine_service/blobs).
        most_bytes: The largest output a node may give, as JSON.
        workflows: Other workflows, to be called.
        purse: What pays for calls of models.
        progress: Where an action of several steps writes them down.
        attached: What is attached to the node, by kind: each a `node.Attached`.
        data: The tenant's tables, and what it has seen before.
        memory: The tenant's documents and conversations.
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
    workflows: Workflows = field(default_factory=NoWorkflows)
    purse: Purse = field(default_factory=FreePurse)
    progress: Progress = field(default_factory=InMind)
    attached: Callable[[str], Sequence[Any]] = _nothing_attached
    data: TenantData = field(default_factory=NoTenantData)
    memory: Memory = NO_MEMORY
