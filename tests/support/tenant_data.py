"""A tenant's data as a world of its own would answer: something is done first, then it is empty."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.workflow import JsonObject


class EmptyData:
    """Nothing was kept and nothing seen; what is written is given back.

    Args:
        before: Awaited before each answer; may hang, or raise.
    """

    def __init__(self, before: Callable[[], Awaitable[None]]) -> None:
        self._before = before

    async def find(self, *_: Any, **__: Any) -> list[JsonObject]:
        await self._before()
        return []

    async def insert(self, table: str, rows: Sequence[JsonObject], key: str) -> list[JsonObject]:
        assert table
        assert key
        await self._before()
        return list(rows)

    async def upsert(
        self, table: str, match: Sequence[str], rows: Sequence[JsonObject], key: str
    ) -> list[JsonObject]:
        assert match
        return await self.insert(table, rows, key)

    async def update(self, *_: Any, **__: Any) -> list[JsonObject]:
        return await self.find()

    async def delete(self, *_: Any, **__: Any) -> list[JsonObject]:
        return await self.find()

    async def see(self, scope: str, keys: Sequence[str], key: str, history: int) -> list[bool]:
        assert scope
        assert key
        assert history
        await self._before()
        return [False] * len(keys)

    async def rise(self, scope: str, value: float | str, key: str) -> float | str | None:
        await self.see(scope, [str(value)], key, 1)
        return None

    async def forget(self, scope: str) -> int:
        assert scope
        await self._before()
        return 0
