"""What a memory is to the agent that it is attached to: it recalls, and it remembers.

Before the agent asks its model, each memory says what it knows of the conversation; when there is
an answer, each is told. What was recalled is written into the agent's transcript, so that an
attempt after a crash goes on with the same; what is remembered stands under the execution's key, so
that it is remembered once.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeVar, cast

from pydantic import Field

from engine_service.ai.asking import ModelParameters
from engine_service.sdk.memory import Session
from engine_service.sdk.node import (
    Attached,
    AttachedNode,
    Failed,
    NodeError,
    NodeParameters,
    Services,
)
from shared.llm import Budget, Message, Model
from shared.workflow import JsonObject

_SESSION_FIELDS = ("session_id", "sessionId")


@dataclass(frozen=True, slots=True)
class Talk:
    """A question on its way to an answer.

    Attributes:
        index: Which of the agent's items asks.
        item: Its fields.
        key: Of the execution, and of the item in it.
        model: Whom the agent asks, `terms` how, `budget` who pays.
    """

    index: int
    item: JsonObject
    question: str
    run: Mapping[str, str]
    now: datetime
    key: str
    model: Model
    terms: ModelParameters
    budget: Budget


@dataclass(frozen=True, slots=True)
class Recollection:
    """What memories know: earlier questions with their answers, and notes in words."""

    turns: Sequence[tuple[str, str]] = ()
    notes: str = ""

    def messages(self, system: str) -> Sequence[Message]:
        """The beginning of a conversation with a model, which goes on with a question.

        Notes hold what users said, so they are not given the weight of the author's words.
        """
        said = [Message.system(system)] if system else []
        if self.notes:
            said.append(Message.user(self.notes))
        for question, answer in self.turns:
            said += [Message.user(question), Message.assistant(answer)]
        return said


class SessionParameters(NodeParameters):
    """Whose conversation it is."""

    session: str = Field(
        default="",
        max_length=500,
        coerce_numbers_to_str=True,
        description="What tells one conversation from others, usually an expression such as "
        "`{{ $json.user_id }}`; when empty, the item's `session_id`, which a chat gives",
    )
    scope: Literal["workflow", "tenant"] = Field(
        default="workflow", description="Whether workflows know each other's conversations"
    )

    def session_of(self, talk: Talk, kind: str) -> Session:
        """The conversation that a question belongs to, as a kind of memory keeps it.

        Runs that only try something have conversations of their own.

        Raises:
            NodeError: Nothing says which.
        """
        name = self.session or next(
            (str(found) for field in _SESSION_FIELDS if (found := talk.item.get(field))), ""
        )
        if not name:
            message = (
                "Nothing says whose conversation it is: the item has no `session_id`. Write an "
                "expression into the memory's parameter `session`."
            )
            raise NodeError(Failed("session_missing", message))
        place = talk.run["workflow_id"] if self.scope == "workflow" else "*"
        return Session(f"{kind}/{talk.run['mode']}/{place}", name[:500])


M = TypeVar("M", bound=NodeParameters)


class MemoryNode(AttachedNode[M]):
    """A memory. `services` are its own: its credentials, and what is attached to it."""

    kind: ClassVar[str] = "memory"

    @abstractmethod
    async def recall(self, parameters: M, talk: Talk, services: Services) -> Recollection:
        """What it knows that has to do with a question.

        Raises:
            NodeError: It cannot say.
            AppError: A model that it asked failed.
        """

    @abstractmethod
    async def remember(self, parameters: M, talk: Talk, answer: str, services: Services) -> None:
        """Keep a question and its answer; raises what `recall` does."""


async def recall_all(memories: Sequence[Attached], talk: Talk) -> Recollection:
    """What all memories know together."""
    found: list[Recollection] = []
    for one in memories:
        parameters = await one.fill(talk.index)
        found.append(await _type_of(one).recall(parameters, talk, one.services))
    return _together(found)


async def remember_all(memories: Sequence[Attached], talk: Talk, answer: str) -> None:
    """Have all memories keep a question and its answer."""
    for one in memories:
        parameters = await one.fill(talk.index)
        await _type_of(one).remember(parameters, talk, answer, one.services)


def _type_of(one: Attached) -> MemoryNode[Any]:
    return cast("MemoryNode[Any]", one.type)


def _together(found: Iterable[Recollection]) -> Recollection:
    turns: list[tuple[str, str]] = []
    notes: list[str] = []
    for one in found:
        turns += one.turns
        notes += [one.notes] if one.notes else []
    return Recollection(turns, "\n\n".join(notes))
