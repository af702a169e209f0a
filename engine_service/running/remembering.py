"""Keeps what tenants have nodes remember: documents and conversations, with the limits.

Every write is one transaction of its own. Nothing here has to be undone: a document that is put
again under its id, and a turn that is added again under its key, are the same ones.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.sdk.failure import Failed, NodeError
from engine_service.sdk.memory import (
    Conversation,
    Document,
    Exchange,
    Found,
    Session,
    Shelf,
    Wanted,
)
from engine_service.sdk.tenant_data import Choice
from engine_service.store import conversations as turns
from engine_service.store import documents as store
from shared.clock import Clock
from shared.database import Database
from shared.errors import Unavailable

_LONGEST_SAID = 20_000


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """What a tenant may have remembered."""

    collections: int = 100
    pieces: int = 20_000
    turns: int = 1_000


class ShelfSource(Protocol):
    """Where shelves are; engine_service/running/shelves.py has the real ones."""

    def of(self, tenant_id: str) -> Shelf:
        """A tenant's own."""
        ...


class Memories:
    """What all tenants have remembered.

    Args:
        database: Acts as flowloom_app.
        shelves: None where the operator has none.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        shelves: ShelfSource | None = None,
        limits: MemoryLimits | None = None,
    ) -> None:
        self.database = database
        self.clock = clock
        self.shelves = shelves
        self.limits = limits or MemoryLimits()

    def of(self, tenant_id: str) -> "TenantMemory":
        """One tenant's."""
        return TenantMemory(self, tenant_id)

    @asynccontextmanager
    async def transaction(self, tenant_id: str) -> AsyncGenerator[AsyncConnection]:
        """A transaction of a tenant.

        Raises:
            NodeError: The database is away.
        """
        try:
            async with self.database.transaction(tenant_id) as connection:
                yield connection
        except Unavailable as error:
            raise NodeError(Failed("memory_away", error.message, retryable=True)) from error


class TenantMemory:
    """One tenant's; implements `memory.Memory`."""

    def __init__(self, memories: Memories, tenant_id: str) -> None:
        self._memories = memories
        self._tenant_id = tenant_id

    @property
    def documents(self) -> "TenantDocuments":
        return TenantDocuments(self._memories, self._tenant_id)

    @property
    def conversations(self) -> "TenantConversations":
        return TenantConversations(self._memories, self._tenant_id)

    @property
    def shelf(self) -> Shelf:
        shelves = self._memories.shelves
        if shelves is None:
            message = (
                "The operator has connected no Redis. Give the node a credential of the type "
                "redis.account."
            )
            raise NodeError(Failed("memory_not_configured", message))
        return shelves.of(self._tenant_id)


class TenantDocuments:
    """A tenant's collections; implements `memory.Documents`."""

    def __init__(self, memories: Memories, tenant_id: str) -> None:
        self._memories = memories
        self._tenant_id = tenant_id

    async def known(self, collection: str, model: str, ids: Sequence[str]) -> Mapping[str, bytes]:
        async with self._memories.transaction(self._tenant_id) as connection:
            found = await store.find_collection(connection, collection)
            if found is None:
                return {}
            _check_model(collection, found[0], model)
            return await store.find_digests(connection, collection, ids)

    async def put(
        self,
        collection: str,
        model: str,
        documents: Sequence[Document],
        expires_at: datetime | None = None,
    ) -> None:
        now, place = self._memories.clock.now(), (self._tenant_id, collection)
        changed = [one for one in documents if one.pieces]
        same = [one for one in documents if not one.pieces]
        rows = await asyncio.to_thread(store.rows_of, place, changed, now, expires_at)
        async with self._memories.transaction(self._tenant_id) as connection:
            if same:
                await store.touch(connection, collection, same, now, expires_at)
            if not rows:
                return
            sizes = {len(piece.vector) for one in changed for piece in one.pieces}
            made = await store.make_collection(connection, place, model, min(sizes), now)
            _check_model(collection, made[0], model)
            if sizes != {made[1]}:
                message = f"The vectors in {collection!r} have {made[1]} numbers; some differ."
                raise NodeError(Failed("vector_size_wrong", message))
            await store.replace(connection, collection, [one.id for one in changed], rows)
            await self._check_room(connection, collection)

    async def search(self, collection: str, model: str, wanted: Wanted) -> Sequence[Found]:
        async with self._memories.transaction(self._tenant_id) as connection:
            found = await store.find_collection(connection, collection)
            if found is None:
                return []
            _check_model(collection, found[0], model)
            return await store.search(connection, collection, wanted, self._memories.clock.now())

    async def delete(self, collection: str, ids: Sequence[str], where: Choice) -> int:
        async with self._memories.transaction(self._tenant_id) as connection:
            return await store.delete(connection, collection, ids, where)

    async def _check_room(self, connection: AsyncConnection, collection: str) -> None:
        """What is too much is not kept: the transaction fails with it."""
        limits = self._memories.limits
        pieces, collections = await store.count(connection, collection)
        if pieces > limits.pieces:
            message = f"A collection may have {limits.pieces} pieces at most."
            raise NodeError(Failed("collection_full", message))
        if collections > limits.collections:
            message = f"There may be {limits.collections} collections at most."
            raise NodeError(Failed("too_many_collections", message))


def _check_model(collection: str, there: str, asked: str) -> None:
    if there != asked:
        message = (
            f"The collection {collection!r} was made with the model {there}; vectors of {asked} "
            "cannot be compared with it. Use that model, or clear the collection."
        )
        raise NodeError(Failed("collection_model_differs", message))


class TenantConversations:
    """A tenant's conversations; implements `memory.Conversations`."""

    def __init__(self, memories: Memories, tenant_id: str) -> None:
        self._memories = memories
        self._tenant_id = tenant_id

    async def recall(self, session: Session, most: int) -> Conversation:
        async with self._memories.transaction(self._tenant_id) as connection:
            return await turns.recall(connection, session, most, self._memories.clock.now())

    async def add(self, session: Session, turn: Exchange, key: str, keep: timedelta) -> None:
        now = self._memories.clock.now()
        said = replace(
            turn, question=turn.question[:_LONGEST_SAID], answer=turn.answer[:_LONGEST_SAID]
        )
        async with self._memories.transaction(self._tenant_id) as connection:
            await turns.meet(connection, self._tenant_id, session, now, now + keep)
            await turns.add(connection, self._tenant_id, session, said, key)
            await turns.trim(connection, session, self._memories.limits.turns)

    async def sum_up(self, session: Session, before: Conversation, summary: str, upto: int) -> None:
        async with self._memories.transaction(self._tenant_id) as connection:
            await turns.sum_up(connection, session, before.summed_up_to, summary, upto)
