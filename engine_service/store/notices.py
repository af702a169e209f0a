"""Notices in PostgreSQL: who is told of which question, how, and when again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.store.answers import answers
from engine_service.store.approvals import StoredApproval, approvals

CHANNEL = "flowloom_notices"
"""Where PostgreSQL tells the engines that there is somebody to tell."""

metadata = sa.MetaData(schema="engine")
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("approval_id", sa.Text),
    sa.Column("approver", sa.Text),
    sa.Column("channel", sa.Text),
    sa.Column("recipient", sa.Text),
    sa.Column("credentials", sa.JSON),
    sa.Column("due_at", sa.DateTime(timezone=True)),
    sa.Column("every_seconds", sa.Float),
    sa.Column("reminders", sa.Integer),
    sa.Column("sent", sa.Integer),
    sa.Column("failures", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Column("sent_at", sa.DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """One person is told of one question.

    Attributes:
        channel: email or slack.
        credentials: What the asking node refers to, by type.
        due_at: When it goes out next; None when it does not.
        every_seconds: Between reminders.
        reminders: How many are left.
        sent: How often it went out.
        failures: How often it did not, since it last did.
        error: Why it last did not.
    """

    id: str
    tenant_id: str
    approval_id: str
    approver: str
    channel: str
    recipient: str
    credentials: dict[str, str]
    due_at: datetime | None
    every_seconds: float | None
    reminders: int
    sent: int = 0
    failures: int = 0
    error: str = ""
    sent_at: datetime | None = None


async def list_notices(connection: AsyncConnection, approval_id: str) -> list[StoredNotice]:
    """How people are told of a question."""
    query = sa.select(notices).where(notices.c.approval_id == approval_id)
    found = await connection.execute(query.order_by(notices.c.id))
    return [StoredNotice(**row) for row in found.mappings()]


async def insert_notices(connection: AsyncConnection, rows: Sequence[StoredNotice]) -> None:
    """Let people be told."""
    if rows:
        await connection.execute(notices.insert(), [asdict(row) for row in rows])


async def stop_notices(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Let nothing of these go out any more."""
    await connection.execute(
        notices.update().where(notices.c.id.in_(ids)).values(due_at=None),
    )


async def take_due(
    connection: AsyncConnection, now: datetime, lease: timedelta, at_most: int
) -> list[tuple[StoredNotice, StoredApproval]]:
    """Notices that are due, each with its question; nobody else gets them before the lease is over.

    What nobody needs to be told any more is due no more.
    """
    due = (
        sa.select(notices.c.id)
        .where(notices.c.due_at <= now)
        .order_by(notices.c.due_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    moot = sa.or_(
        approvals.c.status != "pending",
        sa.exists().where(
            answers.c.approval_id == notices.c.approval_id,
            answers.c.approver == sa.func.lower(notices.c.approver),
        ),
    )
    taken = await connection.execute(
        notices.update()
        .where(notices.c.id.in_(sa.select(due.c.id)), notices.c.approval_id == approvals.c.id)
        .values(due_at=sa.case((moot, None), else_=now + lease))
        .returning(*notices.c)
    )
    rows = [StoredNotice(**row) for row in taken.mappings()]
    wanted = [row for row in rows if row.due_at is not None]
    found = await connection.execute(
        sa.select(approvals).where(approvals.c.id.in_([row.approval_id for row in wanted]))
    )
    asked = {row["id"]: StoredApproval(**row) for row in found.mappings()}
    return [(row, asked[row.approval_id]) for row in wanted]


async def save_notice(connection: AsyncConnection, taken: StoredNotice, now: StoredNotice) -> None:
    """Say what became of a notice that was taken; one that was stopped meanwhile stays stopped."""
    fields = ("due_at", "reminders", "sent", "failures", "error", "sent_at")
    values = {field: getattr(now, field) for field in fields}
    kept = sa.case((notices.c.due_at == taken.due_at, values["due_at"]), else_=notices.c.due_at)
    await connection.execute(
        notices.update().where(notices.c.id == taken.id).values({**values, "due_at": kept})
    )


async def find_next_due_at(connection: AsyncConnection) -> datetime | None:
    """When the next notice is due, if one is."""
    return (await connection.execute(sa.select(sa.func.min(notices.c.due_at)))).scalar()
