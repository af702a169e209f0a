"""Puts documents into a collection: cut into pieces, and embedded unless they are there already."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine_service.ai.embedding import embed
from engine_service.ai.pieces import pieces
from engine_service.sdk.memory import Document, Piece
from engine_service.sdk.node import Services
from shared.llm import Budget
from shared.workflow import JsonObject

_AT_ONCE = 200
"""Pieces that are embedded and kept together: what is kept is not embedded again after a crash."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A document that is to be in a collection."""

    id: str
    digest: bytes
    metadata: JsonObject
    parts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Shelving:
    """Into which collection, by which model, and until when."""

    collection: str
    model: str
    expires_at: datetime | None
    budget: Budget


def draft(name: str, text: str, metadata: JsonObject, longest: int, overlap: int) -> Draft:
    """A text cut into pieces; the digest names it and how it was cut."""
    digest = hashlib.sha256(f"{longest}/{overlap}\n{text}".encode()).digest()
    return Draft(name, digest, metadata, pieces(text, longest, overlap))


async def index(drafts: Sequence[Draft], to: Shelving, services: Services) -> set[str]:
    """Have documents in a collection; the ids of those that had to be embedded.

    Raises:
        NodeError: The collection does not take them.
        AppError: The model failed.
    """
    documents = services.memory.documents
    last = {one.id: one for one in drafts}  # of several with one id the last one counts
    known = await documents.known(to.collection, to.model, list(last))
    new = [one for one in last.values() if known.get(one.id) != one.digest]
    same = [one for one in last.values() if known.get(one.id) == one.digest]
    if same:
        kept = [Document(one.id, one.digest, one.metadata) for one in same]
        await documents.put(to.collection, to.model, kept, to.expires_at)
    for some in _portions(new):
        texts = [part for one in some for part in one.parts]
        made = await embed(texts, to.model, services, to.budget)
        vectors = iter(made.vectors)
        full = [
            Document(one.id, one.digest, one.metadata, [Piece(p, next(vectors)) for p in one.parts])
            for one in some
        ]
        await documents.put(to.collection, to.model, full, to.expires_at)
    return {one.id for one in new}


def _portions(drafts: Sequence[Draft]) -> Iterator[Sequence[Draft]]:
    """Documents that together have not too many pieces; none is divided."""
    some: list[Draft] = []
    count = 0
    for one in drafts:
        if some and count + len(one.parts) > _AT_ONCE:
            yield some
            some, count = [], 0
        some.append(one)
        count += len(one.parts)
    if some:
        yield some
