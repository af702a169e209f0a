"""Workflows in PostgreSQL: the row that names a workflow and points at its versions."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import NotFound
from shared.ids import is_id
from shared.pages import Page

metadata = sa.MetaData(schema="engine")
workflows = sa.Table(
    "workflows",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("latest_version", sa.Integer),
    sa.Column("active_version", sa.Integer),
    sa.Column("etag", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("updated_at", sa.DateTime(timezone=True)),
    sa.Column("deleted_at", sa.DateTime(timezone=True)),
)
_living = sa.select(*[column for column in workflows.c if column.name != "deleted_at"]).where(
    workflows.c.deleted_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    """A workflow without its definition; `active_version` is None when no trigger is live."""

    id: str
    tenant_id: str
    name: str
    description: str
    latest_version: int
    active_version: int | None
    etag: str
    created_at: datetime
    updated_at: datetime

    def changed(self, now: datetime, **changes: Any) -> "StoredWorkflow":
        """The workflow after some changes, with a new etag; itself if they change nothing."""
        after = replace(self, **changes)
        return self if after == self else replace(after, etag=new_etag(), updated_at=now)


def new_etag() -> str:
    """A text that no state of a workflow has had before."""
    return secrets.token_hex(8)


async def insert_workflow(connection: AsyncConnection, workflow: StoredWorkflow) -> None:
    """Store a new workflow; its first version follows in the same transaction."""
    await connection.execute(workflows.insert().values(_values(workflow)))


async def get_workflow(connection: AsyncConnection, workflow_id: str) -> StoredWorkflow:
    """One workflow as it is.

    Raises:
        NotFound: There is none, it was deleted, or it is another tenant's.
    """
    return await _get(connection, workflow_id, _living)


async def find_by_name(connection: AsyncConnection, name: str) -> Sequence[StoredWorkflow]:
    """The workflows of exactly this name; of many, the two oldest."""
    query = _living.where(workflows.c.name == name).order_by(workflows.c.id).limit(2)
    found = await connection.execute(query)
    return [StoredWorkflow(**row) for row in found.mappings()]


async def lock_workflow(connection: AsyncConnection, workflow_id: str) -> StoredWorkflow:
    """One workflow, which nobody else changes until the transaction ends.

    Raises:
        NotFound: There is none, it was deleted, or it is another tenant's.
    """
    return await _get(connection, workflow_id, _living.with_for_update(key_share=True))


async def _get(
    connection: AsyncConnection, workflow_id: str, query: "sa.Select[tuple[object, ...]]"
) -> StoredWorkflow:
    if is_id("wf", workflow_id):
        found = await connection.execute(query.where(workflows.c.id == workflow_id))
        row = found.mappings().one_or_none()
        if row is not None:
            return StoredWorkflow(**row)
    raise NotFound("There is no such workflow.", reason="WORKFLOW_NOT_FOUND")


async def list_workflows(
    connection: AsyncConnection, page: Page, name_contains: str = ""
) -> Sequence[StoredWorkflow]:
    """Workflows, newest first: one more than the page holds, when there are more."""
    query = _living.order_by(workflows.c.id.desc()).limit(page.size + 1)
    if name_contains:
        query = query.where(workflows.c.name.icontains(name_contains, autoescape=True))
    if page.after:
        query = query.where(workflows.c.id < page.after)
    found = await connection.execute(query)
    return [StoredWorkflow(**row) for row in found.mappings()]


async def save_workflow(connection: AsyncConnection, workflow: StoredWorkflow) -> None:
    """Store what has changed about a workflow that this transaction has locked."""
    await connection.execute(
        workflows.update().where(workflows.c.id == workflow.id).values(_values(workflow))
    )


async def mark_deleted(connection: AsyncConnection, workflow_id: str, now: datetime) -> None:
    """Take a workflow away; the row stays, because runs refer to it."""
    await connection.execute(
        workflows.update()
        .where(workflows.c.id == workflow_id)
        .values(deleted_at=now, active_version=None)
    )


def _values(workflow: StoredWorkflow) -> dict[str, object]:
    return {name: getattr(workflow, name) for name in StoredWorkflow.__slots__}
