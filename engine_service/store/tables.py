"""Tenants' tables in PostgreSQL: rows as JSON, chosen by conditions on their fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.sdk.tenant_data import Choice
from engine_service.store.choices import where
from shared.workflow import JsonObject

_COLUMNS = "id, fields, created_at, updated_at"
_INSERT = sa.text(f"""
INSERT INTO engine.table_rows (tenant_id, name, fields, created_at, updated_at)
SELECT :tenant_id, :name, value, :now, :now
FROM jsonb_array_elements(CAST(:rows AS jsonb)) WITH ORDINALITY AS given(value, place)
ORDER BY place RETURNING {_COLUMNS}
""")
_COUNT = sa.text("SELECT count(*) FROM engine.table_rows WHERE name = :name")
_OTHERS = sa.text("""
SELECT count(DISTINCT name) FROM engine.table_rows WHERE name <> :name
""")
_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))")
_WRITTEN = sa.text("SELECT result FROM engine.table_writes WHERE key = :key")
_WRITE = sa.text("""
INSERT INTO engine.table_writes (tenant_id, key, result, created_at)
VALUES (:tenant_id, :key, CAST(:result AS jsonb), :now)
""")
_FORGET_WRITES = sa.text("DELETE FROM engine.table_writes WHERE created_at < :before")
_OWN = ("id", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose table it is, and when it is now."""

    tenant_id: str
    table: str
    now: datetime


async def lock_table(connection: AsyncConnection, owner: Owner) -> None:
    """Let one transaction at a time write to a table, so that counts and upserts hold."""
    await connection.execute(_LOCK, {"what": f"{owner.tenant_id}/{owner.table}"})


async def count_rows(connection: AsyncConnection, table: str) -> int:
    """How many rows a table has."""
    return (await connection.execute(_COUNT, {"name": table})).scalar_one()


async def count_others(connection: AsyncConnection, table: str) -> int:
    """How many other tables there are."""
    return (await connection.execute(_OTHERS, {"name": table})).scalar_one()


async def find_write(connection: AsyncConnection, key: str) -> list[JsonObject] | None:
    """What a write gave that was made under this key before."""
    return (await connection.execute(_WRITTEN, {"key": key})).scalar_one_or_none()


async def keep_write(
    connection: AsyncConnection, owner: Owner, key: str, result: Sequence[JsonObject]
) -> None:
    """Keep what a write gave."""
    text = orjson.dumps(result).decode()
    values = {"tenant_id": owner.tenant_id, "key": key, "result": text, "now": owner.now}
    await connection.execute(_WRITE, values)


async def forget_writes(connection: AsyncConnection, before: datetime) -> None:
    """Forget writes that nobody makes again."""
    await connection.execute(_FORGET_WRITES, {"before": before})


async def insert_rows(
    connection: AsyncConnection, owner: Owner, rows: Sequence[JsonObject]
) -> list[JsonObject]:
    """New rows, in their order."""
    values = {
        "tenant_id": owner.tenant_id,
        "name": owner.table,
        "rows": orjson.dumps(rows).decode(),
        "now": owner.now,
    }
    return _rows(await connection.execute(_INSERT, values))


async def find_rows(
    connection: AsyncConnection,
    table: str,
    choice: Choice,
    order: tuple[str, bool],
    limit: int,
) -> list[JsonObject]:
    """Rows of a table: chosen, in order of a field (descending or not) or of their age."""
    chosen, values = where(choice, "fields", _OWN)
    field, descending = order
    way = "DESC" if descending else "ASC"
    plain = not field or field in _OWN
    by = f"{field or 'id'} {way}" if plain else f"fields -> :order_by {way} NULLS LAST, id {way}"
    statement = sa.text(
        f"SELECT {_COLUMNS} FROM engine.table_rows WHERE name = :name AND {chosen}"
        f" ORDER BY {by} LIMIT :limit"
    )
    given = {**values, "name": table, "limit": limit, **({} if plain else {"order_by": field})}
    return _rows(await connection.execute(statement, given))


async def update_rows(
    connection: AsyncConnection, owner: Owner, choice: Choice, fields: JsonObject
) -> list[JsonObject]:
    """Change some fields of the rows that are chosen."""
    chosen, values = where(choice, "fields", _OWN)
    statement = sa.text(
        "UPDATE engine.table_rows SET fields = fields || CAST(:fields AS jsonb), updated_at = :now"
        f" WHERE name = :name AND {chosen} RETURNING {_COLUMNS}"
    )
    given = {
        **values,
        "name": owner.table,
        "fields": orjson.dumps(fields).decode(),
        "now": owner.now,
    }
    return sorted(_rows(await connection.execute(statement, given)), key=lambda row: row["id"])


async def delete_rows(
    connection: AsyncConnection, owner: Owner, choice: Choice
) -> list[JsonObject]:
    """Remove the rows that are chosen."""
    chosen, values = where(choice, "fields", _OWN)
    statement = sa.text(
        f"DELETE FROM engine.table_rows WHERE name = :name AND {chosen} RETURNING {_COLUMNS}"
    )
    given = {**values, "name": owner.table}
    return sorted(_rows(await connection.execute(statement, given)), key=lambda row: row["id"])


def _rows(found: Any) -> list[JsonObject]:
    return [
        {
            **row.fields,
            "id": row.id,
            "created_at": row.created_at.isoformat(),
            "updated_at": row.updated_at.isoformat(),
        }
        for row in found
    ]
