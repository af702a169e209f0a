"""Messages in PostgreSQL: what was said in a session, for reading it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from agent_service.store.sessions import metadata
from shared.pages import Page

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("session_id", sa.Text),
    sa.Column("author", sa.Text),
    sa.Column("text", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message; `author` is user or consultant."""

    id: str
    tenant_id: str
    session_id: str
    author: str
    text: str
    created_at: datetime


async def insert_messages(connection: AsyncConnection, said: Sequence[StoredMessage]) -> None:
    """Store messages; one that is already there stays as it is."""
    rows = [{name: getattr(one, name) for name in StoredMessage.__slots__} for one in said]
    await connection.execute(insert(messages).on_conflict_do_nothing(), rows)


async def list_messages(
    connection: AsyncConnection, session_id: str, page: Page
) -> Sequence[StoredMessage]:
    """A session's messages, oldest first: one more than the page holds, when there are more."""
    query = (
        sa.select(messages)
        .where(messages.c.session_id == session_id)
        .order_by(messages.c.id)
        .limit(page.size + 1)
    )
    if page.after:
        query = query.where(messages.c.id > page.after)
    found = await connection.execute(query)
    return [StoredMessage(**row) for row in found.mappings()]
