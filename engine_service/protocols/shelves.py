"""Small things that are kept in Redis for a while: a hash for each name, which expires as a whole.

Whose it is stands before every name. A field is written once, so that whoever does it again changes
nothing. Each call has a connection of its own: they are few, and come between calls of models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine_service.protocols.redis import RedisFields, connected
from engine_service.sdk.node import Network


@dataclass(frozen=True, slots=True)
class RedisShelf:
    """Implements `memory.Shelf` at a Redis server; `prefix` sets it apart from other tenants'."""

    network: Network
    account: RedisFields
    prefix: str

    async def read(self, name: str) -> Mapping[str, str]:
        async with connected(self.network, self.account) as client:
            answer: Sequence[str] = await client.ask("HGETALL", self.prefix + name)
        return dict(zip(answer[::2], answer[1::2], strict=True))

    async def add(self, name: str, key: str, value: str, seconds: int) -> None:
        async with connected(self.network, self.account) as client:
            # Both or neither, so that no name is ever there without an end.
            await client.ask("MULTI")
            await client.ask("HSETNX", self.prefix + name, key, value)
            await client.ask("EXPIRE", self.prefix + name, seconds)
            await client.ask("EXEC")

    async def remove(self, name: str, keys: Sequence[str]) -> None:
        if keys:
            async with connected(self.network, self.account) as client:
                await client.ask("HDEL", self.prefix + name, *keys)
