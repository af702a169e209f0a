"""Turns in PostgreSQL: what is being worked on, by whom, and for how much longer.

A turn belongs to the process whose name is on its lease. Writing for a turn means locking its row
under that name first; a process that was taken for dead finds another name there and stops.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from agent_service.store.sessions import metadata
from shared.errors import Conflict
from shared.identity import Principal
from shared.tracing.trail import Trail

turns = sa.Table(
    "turns",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text),
    sa.Column("session_id", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("request", JSONB),
    sa.Column("principal", JSONB),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("first_sequence", sa.BigInteger),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", sa.DateTime(timezone=True)),
    sa.Column("attempt", sa.Integer),
    sa.Column("created_at", sa.DateTime(timezone=True)),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("request_id", sa.Text),
    sa.Column("traceparent", sa.Text),
    sa.Column("tracestate", sa.Text),
)


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn. `first_sequence` is its `turn.started`; `attempt` counts who has worked on it."""

    id: str
    tenant_id: str
    session_id: str
    status: str
    outcome: str | None
    request: dict[str, Any]
    principal: dict[str, Any]
    idempotency_key: str | None
    first_sequence: int
    lease_owner: str
    lease_until: datetime
    attempt: int
    created_at: datetime
    ended_at: datetime | None
    request_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def trail(self) -> Trail:
        """Who asked for it, and in which trace."""
        return Trail(self.request_id, self.traceparent, self.tracestate)

    def on_behalf_of(self) -> Principal:
        """The caller whose turn it is."""
        return Principal.model_validate(self.principal)


class LeaseLost(Conflict):
    """The turn has ended, or another process works on it; whoever meets this stops."""

    reason = "TURN_LEASE_LOST"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a turn, as long as its row says so."""

    tenant_id: str
    session_id: str
    turn_id: str
    owner: str


async def insert_turn(connection: AsyncConnection, turn: StoredTurn) -> None:
    """Store a new turn; the session is locked and has none under way."""
    values = {name: getattr(turn, name) for name in StoredTurn.__slots__}
    await connection.execute(turns.insert().values(values))


async def find_turn_by_key(
    connection: AsyncConnection, session_id: str, idempotency_key: str
) -> StoredTurn | None:
    """The turn that was begun under a key, if there is one."""
    return await _find(
        connection,
        turns.c.session_id == session_id,
        turns.c.idempotency_key == idempotency_key,
    )


async def find_running_turn(connection: AsyncConnection, session_id: str) -> StoredTurn | None:
    """The session's turn under way, if there is one."""
    return await _find(connection, turns.c.session_id == session_id, turns.c.status == "running")


async def find_latest_turn(connection: AsyncConnection, session_id: str) -> StoredTurn | None:
    """The session's latest turn, if there has been any."""
    query = sa.select(turns).where(turns.c.session_id == session_id)
    found = await connection.execute(query.order_by(turns.c.first_sequence.desc()).limit(1))
    row = found.mappings().one_or_none()
    return StoredTurn(**row) if row else None


async def _find(
    connection: AsyncConnection, *conditions: "sa.ColumnElement[bool]"
) -> StoredTurn | None:
    found = await connection.execute(sa.select(turns).where(*conditions))
    row = found.mappings().one_or_none()
    return StoredTurn(**row) if row else None


async def hold(connection: AsyncConnection, lease: Lease) -> None:
    """Make sure that the turn stays ours until this transaction ends.

    Raises:
        LeaseLost: It is not ours.
    """
    query = sa.select(turns.c.id).where(
        turns.c.id == lease.turn_id,
        turns.c.status == "running",
        turns.c.lease_owner == lease.owner,
    )
    found = await connection.execute(query.with_for_update(read=True))
    if found.scalar_one_or_none() is None:
        raise LeaseLost("The turn is no longer this process's.")


async def end_turn(connection: AsyncConnection, turn_id: str, outcome: str, now: datetime) -> None:
    """Close a turn; its lease is worth nothing from then on."""
    await connection.execute(
        turns.update()
        .where(turns.c.id == turn_id, turns.c.status == "running")
        .values(status="ended", outcome=outcome, ended_at=now)
    )


async def extend_leases(
    connection: AsyncConnection, owner: str, turn_ids: Sequence[str], seconds: float
) -> set[str]:
    """Prolong a process's leases in one statement; the ids of the turns that are still its own."""
    extended = await connection.execute(
        turns.update()
        .where(turns.c.id.in_(turn_ids), turns.c.status == "running", turns.c.lease_owner == owner)
        .values(lease_until=sa.func.now() + timedelta(seconds=seconds))
        .returning(turns.c.id)
    )
    return set(extended.scalars())


async def take_over(
    connection: AsyncConnection, owner: str, seconds: float, limit: int
) -> Sequence[StoredTurn]:
    """Claim turns whose lease has run out: their process is dead or deaf."""
    expired = (
        sa.select(turns.c.id)
        .where(turns.c.status == "running", turns.c.lease_until < sa.func.now())
        .order_by(turns.c.lease_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = await connection.execute(
        turns.update()
        .where(turns.c.id.in_(expired.scalar_subquery()))
        .values(
            lease_owner=owner,
            lease_until=sa.func.now() + timedelta(seconds=seconds),
            attempt=turns.c.attempt + 1,
        )
        .returning(turns)
    )
    return [StoredTurn(**row) for row in claimed.mappings()]


async def release_leases(connection: AsyncConnection, owner: str) -> None:
    """Give up a stopping process's leases, so that another takes its turns over at once."""
    await connection.execute(
        turns.update()
        .where(turns.c.status == "running", turns.c.lease_owner == owner)
        .values(lease_until=sa.func.now() - timedelta(seconds=1))
    )
