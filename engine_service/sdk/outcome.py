"""What may come of a node: results, a failure, or a wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine_service.sdk.failure import Failed, brief
from engine_service.sdk.question import Question as Question
from shared.workflow import Item


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
class Callee:
    """A workflow that can be called, as `Services.workflows` finds it.

    Attributes:
        version: Which one of it runs; 0 when it is stored nowhere.
        trigger_node_id: Where its runs begin.
        definition: All of it, as JSON text, when it is stored nowhere.
    """

    workflow_id: str
    name: str
    version: int
    trigger_node_id: str
    definition: str | None = None


@dataclass(frozen=True, slots=True)
class ChildRun:
    """A run that a node wants begun, checked: `Services.workflows.child` makes it."""

    callee: Callee
    items: list[Item]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The node needs time, a person or a callback. The run parks and the node runs again later.

    Attributes:
        until: When to run again at the latest; None waits for the answer for ever.
        question: Set when a person must answer.
        callback: True when an outside call to the run's callback address is the answer.
        children: Runs that begin with the wait. The answer comes when the last has ended:
            `{"children": [{"run_id", "status", "output", "error"}, ...]}`, in this order.
    """

    until: datetime | None = None
    question: Question | None = None
    callback: bool = False
    children: Sequence[ChildRun] = ()


Outcome = Done | Failed | Waiting
