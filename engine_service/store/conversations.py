"""Conversations in PostgreSQL: turns, and summaries of older ones."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.sdk.memory import Conversation, Exchange, Session

_THERE = "scope = :scope AND session = :session"
_FIND = sa.text(f"""
SELECT summary, summed_up_to FROM engine.conversations WHERE {_THERE} AND expires_at > :now
""")
_TURNS = sa.text(f"""
SELECT question, answer, said_at, place FROM engine.exchanges
WHERE {_THERE} AND place > :after ORDER BY place DESC LIMIT :most
""")
# What is over and not yet cleared away begins anew.
_FORGET = sa.text(f"DELETE FROM engine.conversations WHERE {_THERE} AND expires_at <= :now")
_MEET = sa.text("""
INSERT INTO engine.conversations AS known (tenant_id, scope, session, expires_at)
VALUES (:tenant_id, :scope, :session, :expires_at)
ON CONFLICT (tenant_id, scope, session)
DO UPDATE SET expires_at = greatest(known.expires_at, excluded.expires_at)
""")
_ADD = sa.text("""
INSERT INTO engine.exchanges (tenant_id, scope, session, key, question, answer, said_at)
VALUES (:tenant_id, :scope, :session, :key, :question, :answer, :said_at)
ON CONFLICT (tenant_id, scope, session, key)
DO UPDATE SET question = excluded.question, answer = excluded.answer
""")
_TRIM = sa.text(f"""
DELETE FROM engine.exchanges WHERE {_THERE} AND place <= (
  SELECT place FROM engine.exchanges WHERE {_THERE} ORDER BY place DESC OFFSET :most LIMIT 1)
""")
_SUM_UP = sa.text(f"""
UPDATE engine.conversations SET summary = :summary, summed_up_to = :upto
WHERE {_THERE} AND summed_up_to = :before
""")
_EXPIRE = sa.text("""
DELETE FROM engine.conversations WHERE expires_at < :now AND ctid IN (
  SELECT ctid FROM engine.conversations WHERE expires_at < :now LIMIT :window)
""")


async def recall(
    connection: AsyncConnection, session: Session, most: int, now: datetime
) -> Conversation:
    """A summary, and the newest turns that are not in it."""
    found = await connection.execute(_FIND, {**_there(session), "now": now})
    row = found.one_or_none()
    if row is None:
        return Conversation()
    turns = await connection.execute(
        _TURNS, {**_there(session), "after": row.summed_up_to, "most": most}
    )
    said = [Exchange(**turn) for turn in turns.mappings()]
    return Conversation(said[::-1], row.summary, row.summed_up_to)


async def add(
    connection: AsyncConnection, tenant_id: str, session: Session, turn: Exchange, key: str
) -> None:
    """A turn of a conversation; the same one under the same key."""
    said = {"question": turn.question, "answer": turn.answer, "said_at": turn.said_at}
    values = {**_there(session), "tenant_id": tenant_id, "key": key}
    await connection.execute(_ADD, {**values, **said})


async def meet(
    connection: AsyncConnection,
    tenant_id: str,
    session: Session,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Have a conversation, and keep it for a while."""
    there = {**_there(session), "now": now}
    await connection.execute(_FORGET, there)
    values = {**_there(session), "tenant_id": tenant_id, "expires_at": expires_at}
    await connection.execute(_MEET, values)


async def trim(connection: AsyncConnection, session: Session, most: int) -> None:
    """Forget the oldest turns."""
    await connection.execute(_TRIM, {**_there(session), "most": most})


async def sum_up(
    connection: AsyncConnection, session: Session, before: int, summary: str, upto: int
) -> None:
    """Keep a summary, unless another one has been kept meanwhile."""
    values = {**_there(session), "before": before, "summary": summary, "upto": upto}
    await connection.execute(_SUM_UP, values)


async def delete_expired(connection: AsyncConnection, now: datetime, window: int) -> int:
    """Delete conversations whose time is over, so many at most; how many there were."""
    return (await connection.execute(_EXPIRE, {"now": now, "window": window})).rowcount


def _there(session: Session) -> Mapping[str, Any]:
    return {"scope": session.scope, "session": session.name}
