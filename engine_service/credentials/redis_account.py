"""`redis.account`: an account at a Redis or Valkey server."""

from collections.abc import Sequence

from engine_service.protocols.account import places_of
from engine_service.protocols.redis import RedisFields, connected
from engine_service.sdk.credential import AccountType
from engine_service.sdk.node import Network


class RedisAccount(AccountType[RedisFields]):
    """An account at a Redis server, or one that speaks like it (Valkey, KeyDB)."""

    Fields = RedisFields
    type = "redis.account"
    title = "Redis account"

    def hosts_of(self, fields: RedisFields) -> Sequence[str]:
        return places_of(fields)

    async def try_out(self, fields: RedisFields, network: Network) -> None:
        async with connected(network, fields) as client:
            await client.ask("PING")
