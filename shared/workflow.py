"""The workflow language: what a person or a model writes, as one JSON document.

Pydantic models give its shape; `parse` turns text into them or says what is malformed, and
`digest` names a definition by its content. What the shape cannot say (unknown node types, missing
inputs, cycles) is the engine's to check, because it knows the catalogue.
"""

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from shared.attachments import ATTACHMENTS
from shared.errors import InvalidInput, Violation

type_pattern = r"^[a-z][a-z0-9]*(\.[a-z][a-z0-9_]*)+$"
NodeId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
PlainText = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Text without NUL, which PostgreSQL does not store."""
JsonObject = dict[str, Any]
Item = dict[str, Any]
"""`{"json": {...}, "binary"?: {name: reference}, "paired_item"?: index or {item, input}}`."""

MAX_NODES = 500


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Retry(_Strict):
    """How often and when a failed node is tried again."""

    max_attempts: int = Field(
        default=3, ge=1, le=20, description="Tries in all, the first included"
    )
    backoff: float = Field(
        default=1.0, ge=0, le=3600, description="Seconds before the second try, doubling"
    )
    max_delay: float = Field(
        default=60.0, ge=0, le=86_400, description="No pause is longer, seconds"
    )
    on: list[str] = Field(
        default_factory=list, description="Error codes to retry; every retryable one when empty"
    )


class NodeSettings(_Strict):
    """How the engine treats a node, whatever its type."""

    retry: Retry | None = None
    timeout: float | None = Field(default=None, gt=0, le=86_400, description="Seconds for one try")
    on_error: Literal["stop", "continue", "error_port"] = Field(
        default="stop",
        description="stop fails the run; continue passes the input on; error_port sends the "
        "failing items out of the port `error`",
    )
    always_output: bool = Field(default=False, description="Emits one empty item instead of none")
    execute_once: bool = Field(default=False, description="Runs for the first item only")


class Node(_Strict):
    """One step of a workflow."""

    id: NodeId
    name: str = Field(min_length=1, max_length=120)
    type: str = Field(pattern=type_pattern, max_length=80)
    version: int = Field(default=1, ge=1)
    parameters: JsonObject = Field(default_factory=dict[str, Any])
    credentials: dict[str, str] = Field(
        default_factory=dict[str, str], description="Credential type to credential id"
    )
    position: tuple[float, float] | None = None
    disabled: bool = False
    notes: str = Field(default="", max_length=10_000)
    settings: NodeSettings = Field(default_factory=lambda: NodeSettings())


class Connection(_Strict):
    """An edge: what leaves `from` by `port` arrives at `to` by `input`."""

    source: NodeId = Field(alias="from")
    port: str = Field(default="main", min_length=1, max_length=80)
    target: NodeId = Field(alias="to")
    input: str = Field(default="main", min_length=1, max_length=80)
    index: int = Field(default=0, ge=0, description="Order among edges into the same input")

    @property
    def attaches(self) -> bool:
        """Whether it attaches `from` to `to`, instead of letting items flow."""
        return self.input in ATTACHMENTS


class BudgetLimits(_Strict):
    """What language models may use; a call that could pass it is refused."""

    max_tokens: int | None = Field(default=None, ge=1, description="Tokens read and written")
    max_cost_usd: Decimal | None = Field(default=None, gt=0, description="US dollars")


class WorkflowSettings(_Strict):
    """What holds for a whole workflow."""

    timezone: str = Field(default="UTC", description="IANA zone for dates and schedules")
    timeout: float | None = Field(default=None, gt=0, description="Seconds a run may take in all")
    concurrency: int | None = Field(
        default=None, ge=1, le=100_000, description="Runs at once; further ones wait their turn"
    )
    priority: int | None = Field(
        default=None, ge=0, le=9, description="The highest goes first when runs wait; 5 is normal"
    )
    budget: BudgetLimits | None = Field(
        default=None, description="What the language models of a run may use in all"
    )
    most_passes: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="How often a run goes round a circle of connections before it fails",
    )
    error_workflow: PlainText = Field(
        default="",
        max_length=200,
        description="Id or name of the workflow that runs when a live run of this one fails",
    )


class StickyNote(_Strict):
    """A text that lies beside the nodes, for people."""

    text: PlainText = Field(max_length=20_000)
    position: tuple[float, float] | None = None
    size: tuple[float, float] | None = None


class Workflow(_Strict):
    """A definition: nodes and the edges between them."""

    name: PlainText = Field(default="Untitled workflow", min_length=1, max_length=200)
    description: PlainText = Field(default="", max_length=2_000)
    nodes: list[Node] = Field(default_factory=list[Node], max_length=MAX_NODES)
    connections: list[Connection] = Field(default_factory=list[Connection], max_length=5_000)
    settings: WorkflowSettings = Field(default_factory=lambda: WorkflowSettings())
    pinned: dict[NodeId, list[Item]] = Field(
        default_factory=dict[NodeId, list[Item]],
        description="Items by node, with which a simulation answers in its place",
    )
    notes: list[StickyNote] = Field(default_factory=list[StickyNote], max_length=MAX_NODES)

    def node(self, node_id: str) -> Node | None:
        """The node with this id, if there is one."""
        return next((node for node in self.nodes if node.id == node_id), None)

    def to_json(self) -> JsonObject:
        """The document as a person would write it: aliases, nothing that is merely a default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def parse(document: bytes | str) -> Workflow:
    """Read a definition.

    Raises:
        InvalidInput: It is not JSON, or not of the language's shape; one violation per finding,
            each with the JSON Pointer of the place.
    """
    try:
        # Not model_validate_json, which lets NaN and Infinity through, and those are not JSON.
        return Workflow.model_validate(from_json(document, allow_inf_nan=False))
    except ValidationError as error:
        raise InvalidInput(
            "The workflow definition is malformed.",
            reason="MALFORMED_DEFINITION",
            violations=violations_of(error),
        ) from error
    except ValueError as error:
        raise InvalidInput(
            "The workflow definition is not JSON.",
            reason="MALFORMED_DEFINITION",
            violations=[Violation("", "json_invalid", str(error))],
        ) from error


def violations_of(error: ValidationError) -> tuple[Violation, ...]:
    """What a Pydantic model refused, with JSON Pointers into the document."""
    return tuple(
        Violation(pointer(finding["loc"]), finding["type"], finding["msg"])
        for finding in error.errors(include_url=False, include_input=False, include_context=False)
    )


def pointer(path: Sequence[str | int]) -> str:
    """A path of keys and indexes as a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def digest(workflow: Workflow) -> str:
    """SHA-256 of the canonical document: equal definitions have equal digests."""
    canonical = json.dumps(
        workflow.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()
