"""What a tenant remembers in a world of its own: something is done first, and nothing was kept."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self

from engine_service.sdk.memory import (
    Conversation,
    Document,
    Exchange,
    Found,
    Session,
    Wanted,
)
from engine_service.sdk.tenant_data import Choice


class EmptyMemory:
    """Nothing was kept.

    Args:
        before: Awaited before each answer; may hang, or raise.
    """

    def __init__(self, before: Callable[[], Awaitable[None]]) -> None:
        self._before = before

    @property
    def documents(self) -> Self:
        return self

    @property
    def conversations(self) -> Self:
        return self

    @property
    def shelf(self) -> "_EmptyShelf":
        return _EmptyShelf(self._before)

    async def known(self, collection: str, model: str, ids: Sequence[str]) -> Mapping[str, bytes]:
        assert collection
        assert model
        assert all(ids)
        await self._before()
        return {}

    async def put(
        self,
        collection: str,
        model: str,
        documents: Sequence[Document],
        expires_at: datetime | None = None,
    ) -> None:
        assert all(document.pieces for document in documents)
        await self._before()

    async def search(self, collection: str, model: str, wanted: Wanted) -> Sequence[Found]:
        assert wanted.vector
        await self._before()
        return []

    async def delete(self, collection: str, ids: Sequence[str], where: Choice) -> int:
        assert collection
        await self._before()
        return 0

    async def recall(self, session: Session, most: int) -> Conversation:
        assert session.name
        assert most
        await self._before()
        return Conversation()

    async def add(self, session: Session, turn: Exchange, key: str, keep: timedelta) -> None:
        assert key
        await self._before()

    async def sum_up(self, session: Session, before: Conversation, summary: str, upto: int) -> None:
        assert upto > before.summed_up_to
        await self._before()


class _EmptyShelf:
    def __init__(self, before: Callable[[], Awaitable[None]]) -> None:
        self._before = before

    async def read(self, name: str) -> Mapping[str, str]:
        assert name
        await self._before()
        return {}

    async def add(self, name: str, key: str, value: str, seconds: int) -> None:
        assert key
        assert seconds
        await self._before()

    async def remove(self, name: str, keys: Sequence[str]) -> None:
        await self._before()
