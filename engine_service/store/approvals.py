"""Approvals in PostgreSQL: the questions of runs, and their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import NotFound
from shared.ids import is_id
from shared.pages import Page
from shared.workflow import JsonObject

metadata = sa.MetaData(schema="engine")
approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("run_id", sa.Text),
    sa.Column("workflow_id", sa.Text),
    sa.Column("node_id", sa.Text),
    sa.Column("iteration", sa.Text),
    sa.Column("title", sa.Text),
    sa.Column("message", sa.Text),
    sa.Column("approvers", pg.ARRAY(sa.Text)),
    sa.Column("form_schema", sa.JSON(none_as_null=True)),
    sa.Column("status", sa.Text),
    sa.Column("answered_by", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("form", sa.JSON(none_as_null=True)),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("answered_at", sa.DateTime(timezone=True)),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
    sa.Column("kind", sa.Text),
    sa.Column("quorum", sa.Integer),
    sa.Column("first_rejection_decides", sa.Boolean),
)


@dataclass(frozen=True, slots=True)
class StoredApproval:
    """A question that a run puts to a person, answered or not.

    Attributes:
        iteration: Which pass through the surrounding loops asks.
        approvers: Who may answer, by e-mail address or user id; any operator when empty.
        status: pending, approved, rejected, submitted, expired or cancelled.
        kind: approval, or form.
        quorum: How many must say yes.
    """

    id: str
    tenant_id: str
    run_id: str
    workflow_id: str
    node_id: str
    iteration: str
    title: str
    message: str
    approvers: Sequence[str]
    form_schema: JsonObject | None
    status: str
    answered_by: str
    comment: str
    form: Any
    created_at: datetime
    answered_at: datetime | None
    expires_at: datetime | None
    kind: str = "approval"
    quorum: int = 1
    first_rejection_decides: bool = True


async def get_approval(connection: AsyncConnection, approval_id: str) -> StoredApproval:
    """One approval as it is.

    Raises:
        NotFound: There is none, or it is another tenant's.
    """
    if is_id("apr", approval_id):
        found = await connection.execute(sa.select(approvals).where(approvals.c.id == approval_id))
        row = found.mappings().one_or_none()
        if row is not None:
            return StoredApproval(**row)
    raise NotFound("There is no such approval.", reason="APPROVAL_NOT_FOUND")


async def list_approvals(
    connection: AsyncConnection, page: Page, status: str = "", run_id: str = ""
) -> Sequence[StoredApproval]:
    """Approvals, newest first: one more than the page holds, when there are more."""
    query = sa.select(approvals).order_by(approvals.c.id.desc()).limit(page.size + 1)
    if status:
        query = query.where(approvals.c.status == status)
    if run_id:
        query = query.where(approvals.c.run_id == run_id)
    if page.after:
        query = query.where(approvals.c.id < page.after)
    found = await connection.execute(query)
    return [StoredApproval(**row) for row in found.mappings()]


async def save_answer(connection: AsyncConnection, answered: StoredApproval) -> None:
    """Store the answer to an approval whose run this transaction has woken."""
    fields = ("status", "answered_by", "comment", "form", "answered_at")
    await connection.execute(
        approvals.update()
        .where(approvals.c.id == answered.id)
        .values({field: getattr(answered, field) for field in fields})
    )


async def save_approvers(
    connection: AsyncConnection, approval_id: str, approvers: Sequence[str]
) -> None:
    """Say who may answer from now on."""
    await connection.execute(
        approvals.update().where(approvals.c.id == approval_id).values(approvers=list(approvers))
    )
