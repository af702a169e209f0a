"""The servers that all integration tests stand on."""

from collections.abc import Awaitable, Callable

import psycopg
import pytest
import redis.asyncio as redis


async def test_a_new_database_is_empty_owned_and_knows_vectors(
    new_database: Callable[[], Awaitable[str]],
) -> None:
    async with await psycopg.AsyncConnection.connect(await new_database()) as connection:
        tables = await connection.execute(
            "select from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        )
        assert tables.rowcount == 0
        await connection.execute("create table first (embedding vector(2))")
        await connection.execute("create schema another")


async def test_the_modules_database_is_migrated(postgres_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        for schema in ("gateway", "agent", "engine"):
            query = f"select version_num from {schema}.alembic_version"
            assert await (await connection.execute(query.encode())).fetchone()


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_new_database_is_a_fresh_one(
    turn: int, new_database: Callable[[], Awaitable[str]]
) -> None:
    for url in (await new_database(), await new_database()):
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute("create table first (id int)")


async def test_owner_is_no_superuser_yet_may_make_and_become_roles(postgres_url: str) -> None:
    role = f"role_{id(object())}"
    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        cursor = await connection.execute("select rolsuper from pg_roles where rolname = user")
        assert await cursor.fetchone() == (False,)
        await connection.execute(f"create role {role}".encode())
        await connection.execute(f"grant {role} to current_user".encode())
        await connection.execute(f"set local role {role}".encode())
        await connection.rollback()


async def test_redis_database_is_empty_and_writable(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)  # pyright: ignore[reportUnknownMemberType] untyped kwargs
    async with client:
        assert await client.set("key", "value", nx=True)
        assert await client.get("key") == b"value"
