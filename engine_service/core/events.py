"""PURE. What can have happened to a node in a run: the kinds of row a journal holds, and answers.

A fact is keyed by what it is about: the node, the iteration of the surrounding loops, the attempt.
One attempt of one execution begins at most once and ends in exactly one way.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.workflow import Item, JsonObject

Iteration = tuple[int, ...]
"""Which pass through each surrounding loop, the outermost first; () outside of loops."""

Key = tuple[str, Iteration]
"""One execution of one node: the node's id and the iteration."""


def iteration_text(iteration: Iteration) -> str:
    """An iteration as it stands in the journal and in events: `2.0`."""
    return ".".join(map(str, iteration))


def parse_iteration(text: str) -> Iteration:
    """The iteration that a text stands for."""
    return tuple(map(int, text.split("."))) if text else ()


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened in one attempt of one execution of a node."""

    node_id: str
    iteration: Iteration
    attempt: int
    at: datetime

    @property
    def key(self) -> Key:
        """Which execution it is about."""
        return self.node_id, self.iteration


@dataclass(frozen=True, slots=True)
class NodeStarted(Fact):
    """An effect is about to happen."""


@dataclass(frozen=True, slots=True)
class NodeFinished(Fact):
    """The node has its results.

    Attributes:
        outputs: Items by port; an absent or empty port is an untaken one.
        failures: `{"index", "code", "message"}` of each input item that could not be handled.
        response: What a responding node answers: `{"status", "headers", "body"}`.
        blob: The file that holds the outputs, when they are too large for the journal.
    """

    outputs: dict[str, list[Item]]
    failures: tuple[JsonObject, ...] = ()
    response: JsonObject | None = None
    blob: str | None = None


@dataclass(frozen=True, slots=True)
class NodeFailed(Fact):
    """The attempt did not work; without `retry_at` the run fails with it."""

    code: str
    message: str
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NodeWaited(Fact):
    """The node needs time or an answer.

    Attributes:
        until: When it runs again at the latest; None waits for the answer for ever.
        answerable: Somebody outside may answer.
        outcome_unknown: The engine asks, not the node: a crash left open whether the effect
            happened. The answer says whether to repeat it.
        children: It waits for so many runs that it began; the end of the last one is the answer.
    """

    until: datetime | None
    answerable: bool = False
    outcome_unknown: bool = False
    children: int = 0


@dataclass(frozen=True, slots=True)
class NodeAnswered(Fact):
    """The wait of this attempt is over: with an answer, or without one when its time ran out."""

    answer: dict[str, Any] | None


AnyFact = NodeStarted | NodeFinished | NodeFailed | NodeWaited | NodeAnswered
