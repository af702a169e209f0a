"""Variables in PostgreSQL: what expressions see as `$vars`."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import Conflict, LimitReached, NotFound
from shared.ids import is_id
from shared.pages import Page

MOST = 1_000
"""As many variables a tenant may have: every run that speaks of one reads them all."""

metadata = sa.MetaData(schema="engine")
variables = sa.Table(
    "variables",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("value", sa.JSON(none_as_null=False)),
    sa.Column("description", sa.Text),
    sa.Column("etag", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("updated_at", sa.DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class StoredVariable:
    """A variable; its value is any JSON."""

    id: str
    tenant_id: str
    name: str
    value: Any
    description: str
    etag: str
    created_at: datetime
    updated_at: datetime

    def changed(self, now: datetime, **changes: Any) -> "StoredVariable":
        """The variable after some changes, with a new etag."""
        return replace(self, **changes, etag=secrets.token_hex(8), updated_at=now)


async def insert_variable(connection: AsyncConnection, variable: StoredVariable) -> None:
    """Store a new variable.

    Raises:
        Conflict: The tenant has one of this name.
        LimitReached: The tenant has as many as it may.
    """
    count = await connection.execute(sa.select(sa.func.count()).select_from(variables))
    if count.scalar_one() >= MOST:
        message = f"There are {MOST} variables already; more cannot be kept."
        raise LimitReached(message, reason="TOO_MANY_VARIABLES")
    stored = await connection.execute(
        pg.insert(variables)
        .values(_values(variable))
        .on_conflict_do_nothing(index_elements=[variables.c.tenant_id, variables.c.name])
        .returning(variables.c.id)
    )
    if stored.scalar() is None:
        raise _name_taken(variable.name)


async def get_variable(connection: AsyncConnection, variable_id: str) -> StoredVariable:
    """One variable.

    Raises:
        NotFound: There is none, or it is another tenant's.
    """
    return await _get(connection, variable_id, sa.select(variables))


async def lock_variable(connection: AsyncConnection, variable_id: str) -> StoredVariable:
    """One variable, which nobody else changes until the transaction ends.

    Raises:
        NotFound: There is none, or it is another tenant's.
    """
    return await _get(connection, variable_id, sa.select(variables).with_for_update())


async def list_variables(connection: AsyncConnection, page: Page) -> Sequence[StoredVariable]:
    """Variables, newest first: one more than the page holds, when there are more."""
    query = sa.select(variables).order_by(variables.c.id.desc()).limit(page.size + 1)
    if page.after:
        query = query.where(variables.c.id < page.after)
    found = await connection.execute(query)
    return [StoredVariable(**row) for row in found.mappings()]


async def save_variable(connection: AsyncConnection, variable: StoredVariable) -> None:
    """Store what has changed about a variable that this transaction has locked.

    Raises:
        Conflict: Another one of the tenant has its name.
    """
    changing = variables.update().where(variables.c.id == variable.id)
    try:
        await connection.execute(changing.values(_values(variable)))
    except IntegrityError as error:
        raise _name_taken(variable.name) from error


async def delete_variable(connection: AsyncConnection, variable_id: str) -> None:
    """Take a variable away."""
    await connection.execute(variables.delete().where(variables.c.id == variable_id))


async def read_variables(connection: AsyncConnection, tenant_id: str) -> Mapping[str, Any]:
    """All values of a tenant by name, for the engine's own loop, which sees every tenant's."""
    query = sa.select(variables.c.name, variables.c.value)
    found = await connection.execute(query.where(variables.c.tenant_id == tenant_id))
    return {row.name: row.value for row in found}


async def find_names(connection: AsyncConnection, names: Sequence[str]) -> set[str]:
    """Those of the names under which there is a variable."""
    if not names:
        return set()
    query = sa.select(variables.c.name).where(variables.c.name.in_(list(names)))
    return set((await connection.execute(query)).scalars())


async def _get(
    connection: AsyncConnection, variable_id: str, query: "sa.Select[tuple[object, ...]]"
) -> StoredVariable:
    if is_id("var", variable_id):
        found = await connection.execute(query.where(variables.c.id == variable_id))
        row = found.mappings().one_or_none()
        if row is not None:
            return StoredVariable(**row)
    raise NotFound("There is no such variable.", reason="VARIABLE_NOT_FOUND")


def _values(variable: StoredVariable) -> dict[str, object]:
    return {name: getattr(variable, name) for name in StoredVariable.__slots__}


def _name_taken(name: str) -> Conflict:
    return Conflict(f"There is a variable {name!r} already.", reason="VARIABLE_NAME_TAKEN")
