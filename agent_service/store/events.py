"""A session's history in PostgreSQL: appended under the session's lock, read by whoever follows.

Every event has a key that is unique within its turn. Appending a key again does nothing, which is
how a step that runs twice is heard once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from agent_service.store.sessions import metadata
from shared.workflow import JsonObject

CHANNEL = "agent_session_events"

session_events = sa.Table(
    "session_events",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("turn_id", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("type", sa.Text),
    sa.Column("data", sa.JSON),
    sa.Column("created_at", sa.DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something to be appended: its key within the turn, its type and its particulars."""

    key: str
    type: str
    data: JsonObject


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """Something that happened, with its place in the session's history."""

    session_id: str
    sequence: int
    type: str
    data: dict[str, Any]
    created_at: datetime


async def new_keys(
    connection: AsyncConnection, turn_id: str, events: Sequence[NewEvent]
) -> Sequence[NewEvent]:
    """Those events of a turn that have not been appended yet."""
    known = await connection.execute(
        sa.select(session_events.c.key).where(
            session_events.c.turn_id == turn_id,
            session_events.c.key.in_([event.key for event in events]),
        )
    )
    seen = set(known.scalars())
    return [event for event in events if event.key not in seen]


async def insert_events(
    connection: AsyncConnection,
    turn: tuple[str, str, str],
    first_sequence: int,
    events: Sequence[NewEvent],
    now: datetime,
) -> None:
    """Append events, and hint to whoever follows once the transaction commits.

    Args:
        connection: Its transaction has locked the session.
        turn: Tenant, session and turn.
        first_sequence: The first event's place; the others follow without gaps.
        events: What happened; none of the keys is there yet.
        now: When.
    """
    tenant_id, session_id, turn_id = turn
    rows = [
        {
            "session_id": session_id,
            "sequence": first_sequence + place,
            "tenant_id": tenant_id,
            "turn_id": turn_id,
            "key": event.key,
            "type": event.type,
            "data": event.data,
            "created_at": now,
        }
        for place, event in enumerate(events)
    ]
    await connection.execute(session_events.insert(), rows)
    await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, session_id)))


async def list_events(
    connection: AsyncConnection, session_id: str, after: int, limit: int
) -> Sequence[StoredEvent]:
    """A session's events behind a place, in order."""
    query = (
        sa.select(
            session_events.c.session_id,
            session_events.c.sequence,
            session_events.c.type,
            session_events.c.data,
            session_events.c.created_at,
        )
        .where(session_events.c.session_id == session_id, session_events.c.sequence > after)
        .order_by(session_events.c.sequence)
        .limit(limit)
    )
    found = await connection.execute(query)
    return [StoredEvent(**row) for row in found.mappings()]
