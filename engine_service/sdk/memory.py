"""What a tenant has nodes remember, as they see it: documents, conversations, and a shelf.

Documents are found by meaning and by words; conversations are kept turn by turn; a shelf holds
little things for a while. Whoever writes again under the same id or key changes nothing, so a node
may be repeated. How and where all this is kept is no business of nodes; engine_service/running/
remembering.py has the real ones. Everything here may raise `NodeError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn, Protocol

from engine_service.sdk.failure import Failed, NodeError
from engine_service.sdk.tenant_data import Choice
from shared.workflow import JsonObject

Vector = Sequence[float]


# --- documents


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a document, with what a model makes of it."""

    text: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class Document:
    """A text with an id, in pieces.

    Attributes:
        digest: Names the text; the same digest means that nothing has to be embedded again.
        pieces: Empty where the text is known already, and only what stands beside it changes.
    """

    id: str
    digest: bytes
    metadata: JsonObject
    pieces: Sequence[Piece] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for in a collection.

    Attributes:
        text: The question in words, as the model was asked for `vector`.
        ranking: `cosine` goes by nearness alone; `hybrid` also by words in common, and by the
            places that a piece has in both rankings.
        where: Conditions on fields of the metadata.
        least: Pieces that are less near are not meant, unless words found them.
    """

    text: str
    vector: Vector
    limit: int
    ranking: Literal["cosine", "hybrid"] = "hybrid"
    where: Choice = field(default_factory=Choice)
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Found:
    """A piece that fits; `similarity` is the cosine, `score` what pieces are ranked by."""

    document_id: str
    piece: int
    text: str
    metadata: JsonObject
    similarity: float
    score: float


class Documents(Protocol):
    """A tenant's collections; all vectors in one are of the model that came first."""

    async def known(self, collection: str, model: str, ids: Sequence[str]) -> Mapping[str, bytes]:
        """The digests of those documents that are there.

        Raises:
            NodeError: The collection's vectors are another model's.
        """
        ...

    async def put(
        self,
        collection: str,
        model: str,
        documents: Sequence[Document],
        expires_at: datetime | None = None,
    ) -> None:
        """New documents, or new contents of old ones.

        Raises:
            NodeError: The vectors do not fit the collection, or there is no room for more.
        """
        ...

    async def search(self, collection: str, model: str, wanted: Wanted) -> Sequence[Found]:
        """What fits best, best first; nothing where there is no such collection."""
        ...

    async def delete(self, collection: str, ids: Sequence[str], where: Choice) -> int:
        """Removes documents: those with these ids that meet the conditions; how many.

        No ids mean any; no conditions mean all.
        """
        ...


# --- conversations


@dataclass(frozen=True, slots=True)
class Session:
    """Which conversation: of whom, and among which workflows it is known."""

    scope: str
    name: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer; `place` grows from turn to turn."""

    question: str
    answer: str
    said_at: datetime
    place: int = 0


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is known of one: older turns summed up, and turns after those, in order."""

    turns: Sequence[Exchange] = ()
    summary: str = ""
    summed_up_to: int = 0


class Conversations(Protocol):
    """A tenant's conversations."""

    async def recall(self, session: Session, most: int) -> Conversation:
        """The summary, and the newest turns that are not in it."""
        ...

    async def add(self, session: Session, turn: Exchange, key: str, keep: timedelta) -> None:
        """A turn, once for each key; the conversation is kept for so long after it."""
        ...

    async def sum_up(self, session: Session, before: Conversation, summary: str, upto: int) -> None:
        """A summary of all turns up to a place, unless somebody has summed up since `before`."""
        ...


# --- a shelf


class Shelf(Protocol):
    """Small things under a name, each with a key; all under one name are forgotten together."""

    async def read(self, name: str) -> Mapping[str, str]:
        """What lies under a name, by key."""
        ...

    async def add(self, name: str, key: str, value: str, seconds: int) -> None:
        """Put something there, once for each key; the name is kept for so long from now."""
        ...

    async def remove(self, name: str, keys: Sequence[str]) -> None:
        """Take something away."""
        ...


class Memory(Protocol):
    """All of it."""

    @property
    def documents(self) -> Documents: ...

    @property
    def conversations(self) -> Conversations: ...

    @property
    def shelf(self) -> Shelf:
        """The operator's.

        Raises:
            NodeError: There is none.
        """
        ...


class NoMemory:
    """Where nothing is remembered, as in a simulation."""

    @property
    def documents(self) -> NoReturn:
        raise _nothing()

    @property
    def conversations(self) -> NoReturn:
        raise _nothing()

    @property
    def shelf(self) -> NoReturn:
        raise _nothing()


NO_MEMORY: Any = NoMemory()


def _nothing() -> NodeError:
    return NodeError(Failed("no_memory", "Nothing is remembered here."))
