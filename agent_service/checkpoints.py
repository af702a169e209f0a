"""Where conversations are kept: LangGraph's checkpoints in PostgreSQL, one thread per session.

The checkpointer knows neither tenants nor leases. Its pool sees to both: every connection it hands
out is bound to the tenant of the call at hand, and while a turn is worked on, what the checkpointer
does happens in a transaction that holds the turn's lease. A process that was taken for dead cannot
write over its successor's checkpoints.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import psycopg
import structlog
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from agent_service.store.turns import Lease, LeaseLost
from shared.database import DatabaseRole

log = structlog.get_logger()

_lease: ContextVar[Lease | None] = ContextVar("flowloom_lease", default=None)
_tenant: ContextVar[str] = ContextVar("flowloom_checkpoint_tenant")

_SET_TENANT = "SELECT set_config('flowloom.tenant_id', %s, false)"
_HOLD = """
SELECT id FROM agent.turns
WHERE id = %s AND lease_owner = %s AND status = 'running' FOR SHARE
"""

_Connection = AsyncConnection[DictRow]


@contextmanager
def under(lease: Lease) -> Generator[None]:
    """Keep checkpoints under a turn's lease for the duration of a block."""
    token = _lease.set(lease)
    try:
        yield
    finally:
        _lease.reset(token)


class _TenantPool(AsyncConnectionPool[_Connection]):
    """Connections that see one tenant's rows, and write only under a lease if there is one."""

    @asynccontextmanager
    async def connection(  # the pool's own signature
        self,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncGenerator[_Connection]:
        lease = _lease.get()
        tenant_id = lease.tenant_id if lease else _tenant.get()
        async with super().connection(timeout) as connection:
            await connection.execute(_SET_TENANT, [tenant_id])
            if lease is None:
                yield connection
                return
            async with connection.transaction():
                held = await connection.execute(_HOLD, [lease.turn_id, lease.owner])
                if await held.fetchone() is None:
                    raise LeaseLost("The turn is no longer this process's.")
                yield connection


class Checkpoints:
    """The conversations' checkpoints.

    Attributes:
        saver: What the graph keeps them with; used only inside `under`.
    """

    def __init__(self, url: str) -> None:
        self._pool = _TenantPool(
            url,
            min_size=0,
            max_size=4,
            open=False,
            timeout=10,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 0,
                "row_factory": dict_row,
                "options": f"-c role={DatabaseRole.APP} -c search_path=agent",
                "connect_timeout": 5,
            },
        )
        # The state is plain JSON; nothing else is ever read back from the database.
        serializer = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
        self.saver = AsyncPostgresSaver(self._pool, serde=serializer)

    async def open(self) -> None:
        """Begin to hand out connections."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def prune(self, tenant_id: str, session_id: str) -> None:
        """Forget all but a conversation's latest checkpoint.

        Called while the session's turn is held, so that the next turn has not begun. It cannot be
        done under the lease: the checkpointer chooses the isolation of its transaction itself.
        """
        with _acting_for(tenant_id):
            try:
                await self.saver.aprune([session_id], strategy="keep_latest")
            except psycopg.Error as error:
                # Whoever took the turn over meanwhile prunes at its end.
                log.info("prune_postponed", session_id=session_id, reason=type(error).__name__)

    async def delete(self, tenant_id: str, session_id: str) -> None:
        """Forget a conversation."""
        with _acting_for(tenant_id):
            await self.saver.adelete_thread(session_id)


@contextmanager
def _acting_for(tenant_id: str) -> Generator[None]:
    """Act outside any lease for the duration of a block."""
    tenant, lease = _tenant.set(tenant_id), _lease.set(None)
    try:
        yield
    finally:
        _lease.reset(lease)
        _tenant.reset(tenant)
