"""PostgreSQL: connections under the right role, tenant-bound transactions, migrations, hints.

A service connects with one login and at once becomes a role that owns nothing, so row-level
security holds for every statement it will ever send. `flowloom_app` sees the rows of the tenant
that a transaction names; `flowloom_worker` is the engine's own loop, across tenants;
`flowloom_issuer` is the gateway's keeper of accounts.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shared.errors import Unavailable


class DatabaseRole(StrEnum):
    """The roles that services act under; none owns a table or bypasses row-level security."""

    APP = "flowloom_app"
    WORKER = "flowloom_worker"
    ISSUER = "flowloom_issuer"


_SET_TENANT = text("SELECT set_config('flowloom.tenant_id', :tenant_id, true)")


class Database:
    """A pool of connections that act under one role.

    Args:
        url: `postgresql://` URL of a login that may become `role`.
        role: Whom every connection acts as.
        size: Connections kept; half as many again are opened under load.
    """

    def __init__(self, url: str, role: DatabaseRole, size: int = 8) -> None:
        self._url = url
        self._role = role
        self._engine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=size,
            max_overflow=size // 2,
            pool_timeout=10,
            pool_pre_ping=False,
            connect_args={"options": f"-c role={role}", "connect_timeout": 5},
        )

    @asynccontextmanager
    async def transaction(self, tenant_id: str = "") -> AsyncGenerator[AsyncConnection]:
        """One transaction in which only this tenant's rows exist; commits when the block ends.

        Raises:
            Unavailable: PostgreSQL is away or the connection broke; nothing was committed, unless
                it broke during the commit itself.
        """
        try:
            async with self._engine.begin() as connection:
                if tenant_id:
                    await connection.execute(_SET_TENANT, {"tenant_id": tenant_id})
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise Unavailable("The database is away for the moment.") from error

    async def connect(self, **settings: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        """A connection of one's own in autocommit mode, for a loop that keeps it and closes it.

        Args:
            settings: PostgreSQL's run-time settings for its session.

        Raises:
            Unavailable: PostgreSQL is away.
        """
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        try:
            return await psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                options=f"-c role={self._role} {options}",
                connect_timeout=5,
            )
        except psycopg.OperationalError as error:
            raise Unavailable("The database is away for the moment.") from error

    async def listen(self, channel: str) -> AsyncIterator[str]:
        """The payloads of a channel's notifications: hints, which may be lost with the connection.

        Raises:
            Unavailable: The connection could not be made or broke.
        """
        try:
            async with await self.connect() as connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                async for notification in connection.notifies():
                    yield notification.payload
        except psycopg.OperationalError as error:
            raise Unavailable("The database is away for the moment.") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def sqlalchemy_url(url: str) -> str:
    """A `postgresql://` URL with the driver named."""
    scheme, _, rest = url.partition("://")
    return f"{scheme.split('+', maxsplit=1)[0]}+psycopg://{rest}"


_CREATE_ROLES = """
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['flowloom_app', 'flowloom_worker', 'flowloom_issuer'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL;  -- another service was quicker
      END;
    END IF;
    BEGIN
      -- Since PostgreSQL 16 whoever creates a role is a member that may not become it.
      EXECUTE format('SET LOCAL ROLE %I', wanted);
      RESET ROLE;
    EXCEPTION WHEN insufficient_privilege THEN
      EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
    END;
  END LOOP;
END $$
"""
_LOCK_KEY = 7_310_593_858_020_254_069  # "flowloom" as a number: one migration at a time
_PATIENCE_SECONDS = 60


async def migrate(url: str, folder: Path, schema: str) -> None:
    """Bring a service's schema to its latest revision; safe for many processes at once.

    Args:
        url: `postgresql://` URL of the login that owns the schema.
        folder: The service's Alembic folder, with env.py and versions/.
        schema: The service's schema; it is created, and holds the version table.

    Raises:
        Unavailable: PostgreSQL did not answer.
    """
    try:
        await asyncio.to_thread(_migrate, url, folder, schema)
    except OperationalError as error:
        raise Unavailable("The database is away for the moment.") from error


def _migrate(url: str, folder: Path, schema: str) -> None:
    engine = create_engine(sqlalchemy_url(url), connect_args={"connect_timeout": 5})
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE_SECONDS}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            connection.execute(text(_CREATE_ROLES))
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
            config = Config()
            config.set_main_option("script_location", str(folder))
            config.attributes.update(connection=connection, schema=schema)
            command.upgrade(config, "head")
    finally:
        engine.dispose()
