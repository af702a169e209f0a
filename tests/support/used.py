"""What tenants have used, as engines count it."""

from datetime import date

from sqlalchemy import text

from shared.database import Database


async def used(worker: Database, tenant: str, day: str, tokens: int, shard: int = 0) -> None:
    """Count 2 runs, 5 nodes and a call of a model that read so many tokens and wrote ten."""
    row = {"tenant": tenant, "day": date.fromisoformat(day), "tokens": tokens, "shard": shard}
    statement = text(
        "INSERT INTO engine.usage VALUES (:tenant, :day, :shard, 2, 5, 1, :tokens, 10, 0.0125, 1)"
    )
    async with worker.transaction() as connection:
        await connection.execute(statement, row)
