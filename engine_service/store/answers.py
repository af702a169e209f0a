"""What people said to a question, and who handed their part over to whom, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

metadata = sa.MetaData(schema="engine")
answers = sa.Table(
    "approval_answers",
    metadata,
    sa.Column("approval_id", sa.Text, primary_key=True),
    sa.Column("approver", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("answered_by", sa.Text),
    sa.Column("decision", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("form", sa.JSON(none_as_null=True)),
    sa.Column("channel", sa.Text),
    sa.Column("answered_at", sa.DateTime(timezone=True)),
)
delegations = sa.Table(
    "approval_delegations",
    metadata,
    sa.Column("approval_id", sa.Text, primary_key=True),
    sa.Column("approver", sa.Text, primary_key=True),
    sa.Column("delegate", sa.Text),
    sa.Column("tenant_id", sa.Text),
    sa.Column("delegated_by", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("delegated_at", sa.DateTime(timezone=True), primary_key=True),
)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What one person said.

    Attributes:
        approver: Whose answer it is, in lower case.
        answered_by: Who gave it, as they are known.
        decision: approve, reject or submit.
        channel: api or link.
    """

    approval_id: str
    approver: str
    tenant_id: str
    answered_by: str
    decision: str
    comment: str
    form: Any
    channel: str
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class StoredDelegation:
    """Somebody was to answer, and somebody else is now."""

    approval_id: str
    approver: str
    delegate: str
    tenant_id: str
    delegated_by: str
    comment: str
    delegated_at: datetime


async def list_answers(connection: AsyncConnection, approval_id: str) -> list[StoredAnswer]:
    """What was said, in order."""
    query = sa.select(answers).where(answers.c.approval_id == approval_id)
    found = await connection.execute(query.order_by(answers.c.answered_at, answers.c.approver))
    return [StoredAnswer(**row) for row in found.mappings()]


async def insert_answer(connection: AsyncConnection, answer: StoredAnswer) -> None:
    """Keep what somebody said; the caller holds the run, and has seen that it is the first."""
    await connection.execute(answers.insert().values(asdict(answer)))


async def list_delegations(
    connection: AsyncConnection, approval_id: str
) -> Sequence[StoredDelegation]:
    """What was handed over, in order."""
    query = sa.select(delegations).where(delegations.c.approval_id == approval_id)
    found = await connection.execute(query.order_by(delegations.c.delegated_at))
    return [StoredDelegation(**row) for row in found.mappings()]


async def insert_delegation(connection: AsyncConnection, delegation: StoredDelegation) -> None:
    """Keep that a part was handed over."""
    await connection.execute(delegations.insert().values(asdict(delegation)))
