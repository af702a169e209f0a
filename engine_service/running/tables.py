"""Keeps tenants' tables and what they have seen: the limits, and that a write happens once.

Every write is one transaction, with its result under the execution's key; so an execution that
dies after writing and before its end was journalled finds what it did, and does it no second time.
"""

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.sdk.failure import Failed, NodeError
from engine_service.sdk.tenant_data import Choice, Condition
from engine_service.store import sightings
from engine_service.store import tables as rows_of
from engine_service.store.tables import Owner
from shared.clock import Clock
from shared.database import Database
from shared.errors import Unavailable
from shared.workflow import JsonObject

_KEPT_WRITES = timedelta(days=7)
_OWN = frozenset({"id", "created_at", "updated_at"})

Change = Callable[[AsyncConnection, Owner], Awaitable[list[JsonObject]]]


@dataclass(frozen=True, slots=True)
class TableLimits:
    """What a tenant may keep."""

    tables: int = 100
    rows: int = 10_000
    row_bytes: int = 64 * 1024


class Tables:
    """The data of all tenants.

    Args:
        database: Acts as flowloom_app.
    """

    def __init__(self, database: Database, clock: Clock, limits: TableLimits | None = None) -> None:
        self.database = database
        self.clock = clock
        self.limits = limits or TableLimits()

    def of(self, tenant_id: str) -> "TenantTables":
        """One tenant's."""
        return TenantTables(self, tenant_id)


class TenantTables:
    """A tenant's data; implements `tenant_data.TenantData`."""

    def __init__(self, tables: Tables, tenant_id: str) -> None:
        self._tables = tables
        self._tenant_id = tenant_id

    async def find(
        self, table: str, choice: Choice, *, order_by: str, descending: bool, limit: int
    ) -> list[JsonObject]:
        """Rows that are meant, in order."""
        order = (order_by, descending)
        async with self._transaction() as connection:
            return await rows_of.find_rows(connection, table, choice, order, limit)

    async def insert(self, table: str, rows: Sequence[JsonObject], key: str) -> list[JsonObject]:
        """New rows.

        Raises:
            NodeError: A limit is reached, or a row has a field that rows have of their own.
        """
        self._check(rows)

        async def change(connection: AsyncConnection, owner: Owner) -> list[JsonObject]:
            await self._make_room(connection, table, len(rows))
            return await rows_of.insert_rows(connection, owner, rows)

        return await self._once(table, key, change)

    async def upsert(
        self, table: str, match: Sequence[str], rows: Sequence[JsonObject], key: str
    ) -> list[JsonObject]:
        """For each row: change what is the same in the `match` fields, or insert it.

        Raises:
            NodeError: As `insert`.
        """
        self._check(rows)

        async def change(connection: AsyncConnection, owner: Owner) -> list[JsonObject]:
            written: list[JsonObject] = []
            for row in rows:
                same = Choice([Condition(name, "equals", row.get(name)) for name in match])
                found = await rows_of.update_rows(connection, owner, same, row)
                if not found:
                    await self._make_room(connection, table, 1)
                    found = await rows_of.insert_rows(connection, owner, [row])
                written += found
            return written

        return await self._once(table, key, change)

    async def update(
        self, table: str, choice: Choice, fields: JsonObject, key: str
    ) -> list[JsonObject]:
        """Change some fields of the rows that are meant.

        Raises:
            NodeError: A row would be too large, or a field is rows' own.
        """
        self._check([fields])

        async def change(connection: AsyncConnection, owner: Owner) -> list[JsonObject]:
            changed = await rows_of.update_rows(connection, owner, choice, fields)
            self._check([{n: v for n, v in row.items() if n not in _OWN} for row in changed])
            return changed

        return await self._once(table, key, change)

    async def delete(self, table: str, choice: Choice, key: str) -> list[JsonObject]:
        """Remove the rows that are meant, and give them."""

        async def change(connection: AsyncConnection, owner: Owner) -> list[JsonObject]:
            return await rows_of.delete_rows(connection, owner, choice)

        return await self._once(table, key, change)

    async def see(self, scope: str, keys: Sequence[str], key: str, history: int) -> list[bool]:
        """For each of `keys`, whether an earlier execution saw it; now all have been seen."""
        digests = [hashlib.sha256(one.encode()).digest() for one in keys]
        async with self._transaction() as connection:
            distinct = sorted(set(digests))  # in one order, so that two do not wait for each other
            seen = await sightings.see(connection, self._tenant_id, scope, distinct, key)
            await sightings.trim(connection, scope, history)
        return [digest in seen for digest in digests]

    async def rise(self, scope: str, value: float | str, key: str) -> float | str | None:
        """The mark of earlier executions; now it is `value`, unless that is smaller."""
        async with self._transaction() as connection:
            found = await sightings.find_mark(connection, scope)
            kept = None if found is None else found[1] if found[2] == key else found[0]
            before: float | str | None = None if kept is None else orjson.loads(kept)
            raised = orjson.dumps(_larger(before, value)).decode()
            await sightings.set_mark(connection, self._tenant_id, scope, (raised, kept, key))
        return before

    async def forget(self, scope: str) -> int:
        """Forget what was seen in a scope."""
        async with self._transaction() as connection:
            return await sightings.forget(connection, scope)

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection]:
        try:
            async with self._tables.database.transaction(self._tenant_id) as connection:
                yield connection
        except Unavailable as error:
            failure = Failed("tables_away", error.message, retryable=True)
            raise NodeError(failure) from error

    async def _once(self, table: str, key: str, change: Change) -> list[JsonObject]:
        """Make a change, or give what it gave when it was made before."""
        now = self._tables.clock.now()
        owner = Owner(self._tenant_id, table, now)
        async with self._transaction() as connection:
            await rows_of.lock_table(connection, owner)
            before = await rows_of.find_write(connection, key)
            if before is not None:
                return before
            result = await change(connection, owner)
            await rows_of.keep_write(connection, owner, key, result)
            await rows_of.forget_writes(connection, now - _KEPT_WRITES)
        return result

    def _check(self, rows: Sequence[JsonObject]) -> None:
        most = self._tables.limits.row_bytes
        for row in rows:
            if own := sorted(_OWN & row.keys()):
                raise _refused("reserved_field", f"The field {own[0]!r} is every row's own.")
            if len(orjson.dumps(row)) > most:
                raise _refused("row_too_large", f"A row may have {most // 1024} KiB at most.")

    async def _make_room(self, connection: AsyncConnection, table: str, count: int) -> None:
        limits = self._tables.limits
        there = await rows_of.count_rows(connection, table)
        if there + count > limits.rows:
            raise _refused("table_full", f"A table may have {limits.rows} rows at most.")
        if there == 0 and await rows_of.count_others(connection, table) >= limits.tables:
            raise _refused("too_many_tables", f"There may be {limits.tables} tables at most.")


def _larger(before: float | str | None, value: float | str) -> float | str:
    if isinstance(before, str) and isinstance(value, str):
        return max(before, value)
    if isinstance(before, float) and isinstance(value, float):
        return max(before, value)
    return value


def _refused(code: str, message: str) -> NodeError:
    return NodeError(Failed(code, message))
