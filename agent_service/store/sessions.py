"""Sessions in PostgreSQL: the row that a conversation hangs on, and where it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.errors import NotFound
from shared.ids import is_id
from shared.pages import Page

SessionMode = Literal["create", "edit", "copy"]
SessionStatus = Literal["idle", "working", "asking"]

metadata = sa.MetaData(schema="agent")
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("title", sa.Text),
    sa.Column("mode", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("workflow_id", sa.Text),
    sa.Column("source_id", sa.Text),
    sa.Column("last_sequence", sa.BigInteger),
    sa.Column("created_by", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("updated_at", sa.DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session. `source_id` is the workflow that a copying session starts from."""

    id: str
    tenant_id: str
    title: str
    mode: SessionMode
    status: SessionStatus
    workflow_id: str | None
    source_id: str | None
    last_sequence: int
    created_by: str
    created_at: datetime
    updated_at: datetime


async def insert_session(connection: AsyncConnection, session: StoredSession) -> None:
    """Store a new session."""
    await connection.execute(sessions.insert().values(_values(session)))


async def get_session(connection: AsyncConnection, session_id: str) -> StoredSession:
    """One session as it is.

    Raises:
        NotFound: There is none, or it is another tenant's.
    """
    return await _get(connection, session_id, sa.select(sessions))


async def lock_session(connection: AsyncConnection, session_id: str) -> StoredSession:
    """One session, to which nobody else appends until the transaction ends.

    Raises:
        NotFound: There is none, or it is another tenant's.
    """
    return await _get(connection, session_id, sa.select(sessions).with_for_update())


async def _get(
    connection: AsyncConnection, session_id: str, query: "sa.Select[tuple[object, ...]]"
) -> StoredSession:
    if is_id("ses", session_id):
        found = await connection.execute(query.where(sessions.c.id == session_id))
        row = found.mappings().one_or_none()
        if row is not None:
            return StoredSession(**row)
    raise NotFound("There is no such session.", reason="SESSION_NOT_FOUND")


async def list_sessions(connection: AsyncConnection, page: Page) -> Sequence[StoredSession]:
    """Sessions, newest first: one more than the page holds, when there are more."""
    query = sa.select(sessions).order_by(sessions.c.id.desc()).limit(page.size + 1)
    if page.after:
        query = query.where(sessions.c.id < page.after)
    found = await connection.execute(query)
    return [StoredSession(**row) for row in found.mappings()]


async def save_session(connection: AsyncConnection, session: StoredSession) -> None:
    """Store what has changed about a session that this transaction has locked."""
    await connection.execute(
        sessions.update().where(sessions.c.id == session.id).values(_values(session))
    )


async def delete_session(connection: AsyncConnection, session_id: str) -> None:
    """Delete a session with its turns, events and messages."""
    await connection.execute(sessions.delete().where(sessions.c.id == session_id))


def _values(session: StoredSession) -> dict[str, object]:
    return {name: getattr(session, name) for name in StoredSession.__slots__}
