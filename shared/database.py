"""PostgreSQL: connections under the right role, tenant-bound transactions, schemas, hints.

A service connects with one login and at once becomes a role that owns nothing, so row-level
security holds for every statement it will ever send. `flowloom_app` sees the rows of the tenant
that a transaction names; `flowloom_worker` is the engine's own loop, across tenants;
`flowloom_issuer` is the gateway's keeper of accounts.
"""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shared.errors import Internal, Unavailable


class DatabaseRole(StrEnum):
    """The roles that services act under; none owns a table or bypasses row-level security."""

    APP = "flowloom_app"
    WORKER = "flowloom_worker"
    ISSUER = "flowloom_issuer"


# What a process that hangs has locked must not stay locked for ever.
_PATIENCE = "-c idle_in_transaction_session_timeout=30s"
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
            connect_args={"options": f"-c role={role} {_PATIENCE}", "connect_timeout": 5},
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

    async def listen(self, *channels: str) -> AsyncIterator[tuple[str, str]]:
        """The notifications of channels, each with its payload, over a connection of their own.

        Raises:
            Unavailable: The connection could not be made or broke.
        """
        try:
            async with await self.connect() as connection:
                for channel in channels:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                async for notification in connection.notifies():
                    yield notification.channel, notification.payload
        except psycopg.OperationalError as error:
            raise Unavailable("The database is away for the moment.") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def sqlalchemy_url(url: str) -> str:
    """A `postgresql://` URL with the driver named."""
    scheme, _, rest = url.partition("://")
    return f"{scheme.split('+', maxsplit=1)[0]}+psycopg://{rest}"


async def ensure_schema(url: str, folder: Path, schema: str) -> None:
    """Have a service's schema at its latest revision or a newer one; safe for many at once.

    A newer one is a later release's, which this one works on: schemas are expanded first, and
    contracted only when nobody reads any more what goes. Looking costs one query. What it takes to
    migrate is loaded by a process of its own, because a service would carry it for ever and hardly
    ever use it.

    Args:
        url: `postgresql://` URL of the login that owns the schema.
        folder: The service's Alembic folder; each file in versions/ is named by its revision.
        schema: The service's schema.

    Raises:
        Unavailable: PostgreSQL did not answer.
        Internal: The migration failed; what it said is on standard error.
    """
    try:
        if (await _revision(url, schema) or "") >= latest_revision(folder):
            return
    except psycopg.OperationalError as error:
        raise Unavailable("The database is away for the moment.") from error
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.migrations", str(folder), schema),
        env={**os.environ, "DATABASE_URL": url},
    )
    if await process.wait() != 0:
        raise Internal(f"The schema {schema} could not be migrated.", reason="MIGRATION_FAILED")


def latest_revision(folder: Path) -> str:
    """The last revision that this release knows; revisions begin with a number and sort by it."""
    return max(path.stem for path in (folder / "versions").glob("[0-9]*.py"))


async def _revision(url: str, schema: str) -> str | None:
    table = sql.Identifier(schema, "alembic_version")
    connection = await psycopg.AsyncConnection.connect(url, connect_timeout=5)
    async with connection:
        try:
            found = await connection.execute(sql.SQL("SELECT version_num FROM {}").format(table))
            row = await found.fetchone()
        except psycopg.errors.UndefinedTable:
            await connection.rollback()
            return None
    return row[0] if row else None
