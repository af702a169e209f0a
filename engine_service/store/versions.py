"""Versions in PostgreSQL: definitions that never change once they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import NotFound
from shared.pages import Page

metadata = sa.MetaData(schema="engine")
versions = sa.Table(
    "versions",
    metadata,
    sa.Column("workflow_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("definition", sa.Text),
    sa.Column("digest", sa.Text),
    sa.Column("created_by", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("concurrency", sa.Integer),
    sa.Column("priority", sa.SmallInteger),
)
_kept_apart = {"definition", "concurrency", "priority"}
_columns = [column for column in versions.c if column.name not in _kept_apart]


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version; `definition` is its JSON text, empty in lists."""

    workflow_id: str
    number: int
    tenant_id: str
    digest: str
    created_by: str
    note: str
    created_at: datetime
    definition: str = ""


async def insert_version(connection: AsyncConnection, version: StoredVersion) -> None:
    """Store a new version."""
    values: dict[str, object] = {
        name: getattr(version, name) for name in StoredVersion.__slots__ if name != "definition"
    }
    # Text that PostgreSQL checks and stores as JSON, byte for byte.
    settings = orjson.loads(version.definition).get("settings", {})
    values |= {name: settings.get(name) for name in ("concurrency", "priority")}
    values["definition"] = sa.cast(sa.literal(version.definition, sa.Text), sa.JSON)
    await connection.execute(versions.insert().values(values))


async def append_version(connection: AsyncConnection, version: StoredVersion) -> int:
    """Store a version behind the latest one, `version.number`, unless its content is the same.

    Returns:
        The number of the version that is now the latest.
    """
    latest = await find_version(connection, version.workflow_id, version.number)
    if latest is not None and latest.digest == version.digest:
        return latest.number
    await insert_version(connection, replace(version, number=version.number + 1))
    return version.number + 1


async def get_version(connection: AsyncConnection, workflow_id: str, number: int) -> StoredVersion:
    """One version with its definition.

    Raises:
        NotFound: There is none, or it is another tenant's.
    """
    version = await find_version(connection, workflow_id, number)
    if version is None:
        raise NotFound("There is no such version.", reason="VERSION_NOT_FOUND")
    return version


async def find_version(
    connection: AsyncConnection, workflow_id: str, number: int
) -> StoredVersion | None:
    """One version with its definition, if there is one."""
    found = await connection.execute(
        sa.select(*_columns, sa.cast(versions.c.definition, sa.Text).label("definition")).where(
            versions.c.workflow_id == workflow_id, versions.c.number == number
        )
    )
    row = found.mappings().one_or_none()
    return None if row is None else StoredVersion(**row)


async def list_versions(
    connection: AsyncConnection, workflow_id: str, page: Page
) -> Sequence[StoredVersion]:
    """A workflow's versions without definitions, newest first: one more than the page holds."""
    query = (
        sa.select(*_columns)
        .where(versions.c.workflow_id == workflow_id)
        .order_by(versions.c.number.desc())
        .limit(page.size + 1)
    )
    if page.after:
        query = query.where(versions.c.number < page.after_number())
    found = await connection.execute(query)
    return [StoredVersion(**row) for row in found.mappings()]
