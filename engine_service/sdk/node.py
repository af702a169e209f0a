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

What may come of a node is in `outcome.py`, what it may use in `outside.py`; both can be had from
here.

A node does not raise for what may happen in business: it returns `Failed`. It raises
`NodeError` only from deep inside, which the executor turns into `Failed`.
"""

import builtins
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from engine_service.sdk.failure import Failed as Failed
from engine_service.sdk.failure import NodeError as NodeError
from engine_service.sdk.model_argument import ModelArgument
from engine_service.sdk.offer import Asked as Asked
from engine_service.sdk.offer import Offer as Offer
from engine_service.sdk.outcome import Callee as Callee
from engine_service.sdk.outcome import ChildRun as ChildRun
from engine_service.sdk.outcome import Done as Done
from engine_service.sdk.outcome import ItemFailure as ItemFailure
from engine_service.sdk.outcome import Outcome as Outcome
from engine_service.sdk.outcome import Question as Question
from engine_service.sdk.outcome import Response as Response
from engine_service.sdk.outcome import Waiting as Waiting
from engine_service.sdk.outside import BodyStream as BodyStream
from engine_service.sdk.outside import ChildEnd as ChildEnd
from engine_service.sdk.outside import Credential as Credential
from engine_service.sdk.outside import Credentials as Credentials
from engine_service.sdk.outside import HttpClient as HttpClient
from engine_service.sdk.outside import HttpRequest as HttpRequest
from engine_service.sdk.outside import HttpResponse as HttpResponse
from engine_service.sdk.outside import Network as Network
from engine_service.sdk.outside import NoCredentials as NoCredentials
from engine_service.sdk.outside import NoNetwork as NoNetwork
from engine_service.sdk.outside import NoWorkflows as NoWorkflows
from engine_service.sdk.outside import Place as Place
from engine_service.sdk.outside import Services as Services
from engine_service.sdk.outside import Workflows as Workflows
from engine_service.sdk.shape import UNKNOWN, Shape
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

    @classmethod
    def described(cls) -> Mapping[str, str]:
        """The names that may be written, each with what it means."""
        return {
            field.alias or name: field.description or "" for name, field in cls.model_fields.items()
        }


P = TypeVar("P", bound=NodeParameters)


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
        asked: Set when it runs as a tool that it had offered to a model.
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
    asked: Asked | None = None
    scope: Callable[[], Any] | None = None

    @property
    def items(self) -> list[Item]:
        """The items of the input `main`."""
        return self.inputs.get(MAIN, [])

    def parameters_for(self, index: int) -> P:
        """The parameters as filled for the item at `index`."""
        return self.parameters[index if len(self.parameters) > 1 else 0]


class Attached(Protocol):
    """A node that is attached to the one that runs, and belongs to it."""

    @property
    def definition(self) -> NodeDefinition:
        """The node as the author wrote it."""
        ...

    @property
    def type(self) -> "NodeType[Any]":
        """Its type."""
        ...

    @property
    def asks_for(self) -> Sequence[ModelArgument]:
        """What its parameters ask a model for."""
        ...

    @property
    def services(self) -> "Services":
        """What it may use itself: its own credentials, and what is attached to it."""
        ...

    async def offers(self, index: int) -> Sequence[Offer]:
        """The tools that it offers of its own, for an item of the node that it is attached to.

        Raises:
            NodeError: Nobody can tell, or its parameters cannot be filled.
        """
        ...

    async def fill(self, index: int) -> NodeParameters:
        """Its parameters, filled for an item of the node that it is attached to.

        Raises:
            NodeError: They cannot be filled.
        """
        ...

    async def run(
        self,
        index: int,
        arguments: JsonObject,
        call: str,
        resumption: Resumption | None = None,
        offer: str | None = None,
    ) -> Outcome:
        """Run it as a tool, with what a model said.

        Args:
            index: The item of the node that it is attached to.
            arguments: Values by name; the tool's item has them over that item's fields.
            call: Which call it is: part of its idempotency key.
            resumption: Set when it had returned `Waiting`.
            offer: Which of its offers is meant; then the arguments are for that one alone, and its
                item has none of them.
        """
        ...


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
        offers_tools: It knows itself what it takes from a model: `offers` says it.
        attachments: What it takes from nodes that are attached to it: how many at most, by kind
            (`shared.attachments`).
        hands_on: What leaves it are the items that came.
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
    offers_tools: ClassVar[bool] = False
    attachments: ClassVar[Mapping[str, int]] = {}
    hands_on: ClassVar[bool] = False

    @classmethod
    def attaches_as(cls) -> tuple[str, ...]:
        """As what it can be attached: a node that makes items from items serves as a tool."""
        is_tool = cls.inputs == (MAIN,) and cls.family() not in _NO_TOOLS
        return ("tool",) if is_tool else ()

    async def offers(self, parameters: P, services: Services) -> Sequence[Offer]:
        """The tools that a node with these parameters offers to a model.

        Raises:
            NodeError: Nobody can tell.
        """
        del parameters, services
        return ()

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
    def effect_of(cls, parameters: JsonObject) -> Effect:
        """What a node with these parameters (as written, expressions unfilled) does to the world.

        Never more than `effect` says.
        """
        del parameters
        return cls.effect

    @classmethod
    def gives(cls, parameters: JsonObject, given: Shape) -> Shape:
        """What is known of its items with these parameters (as written, expressions unfilled)."""
        del parameters
        return given if cls.hands_on else UNKNOWN

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


class ToolSource(AttachedNode[P]):
    """A node that is a source of tools for the agent it is attached to, and nothing else."""

    kind = "tool"
    offers_tools = True

    @abstractmethod
    async def offers(self, parameters: P, services: Services) -> Sequence[Offer]: ...

    @abstractmethod
    async def run(self, given: NodeInput[P], services: Services) -> Outcome:
        """Do what `given.asked` says; cancellation may come at any await."""


class ActionNode(NodeType[P]):
    """A node that touches the world, or waits for it.

    Class attributes:
        rehearses: All it does is call workflows; so a simulation lets it, and simulates those.
    """

    rehearses: ClassVar[bool] = False

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
