"""`postgres.account`: an account at a PostgreSQL server."""

from collections.abc import Sequence

from engine_service.protocols.account import places_of
from engine_service.protocols.postgres import PostgresFields, connected, run
from engine_service.sdk.credential import AccountType
from engine_service.sdk.node import Network


class PostgresAccount(AccountType[PostgresFields]):
    """An account at a PostgreSQL server, for one of its databases."""

    Fields = PostgresFields
    type = "postgres.account"
    title = "PostgreSQL account"

    def hosts_of(self, fields: PostgresFields) -> Sequence[str]:
        return places_of(fields)

    async def try_out(self, fields: PostgresFields, network: Network) -> None:
        async with connected(network, fields) as connection:
            await run(connection, "SELECT 1", [], 1)
