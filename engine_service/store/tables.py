"""Tenants' tables in PostgreSQL: rows as JSON, chosen by conditions on their fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from engine_service.sdk.tenant_data import Choice, Condition
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
_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


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
    where, values = _where(choice)
    field, descending = order
    way = "DESC" if descending else "ASC"
    plain = not field or field in _OWN
    by = f"{field or 'id'} {way}" if plain else f"fields -> :order_by {way} NULLS LAST, id {way}"
    statement = sa.text(
        f"SELECT {_COLUMNS} FROM engine.table_rows WHERE name = :name AND {where}"
        f" ORDER BY {by} LIMIT :limit"
    )
    given = {**values, "name": table, "limit": limit, **({} if plain else {"order_by": field})}
    return _rows(await connection.execute(statement, given))


async def update_rows(
    connection: AsyncConnection, owner: Owner, choice: Choice, fields: JsonObject
) -> list[JsonObject]:
    """Change some fields of the rows that are chosen."""
    where, values = _where(choice)
    statement = sa.text(
        "UPDATE engine.table_rows SET fields = fields || CAST(:fields AS jsonb), updated_at = :now"
        f" WHERE name = :name AND {where} RETURNING {_COLUMNS}"
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
    where, values = _where(choice)
    statement = sa.text(
        f"DELETE FROM engine.table_rows WHERE name = :name AND {where} RETURNING {_COLUMNS}"
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


def _where(choice: Choice) -> tuple[str, Mapping[str, Any]]:
    """A condition in SQL; names of fields and values are bound, never written into it."""
    values: dict[str, Any] = {}
    parts: list[str] = []
    for place, condition in enumerate(choice.conditions):
        if condition.field not in _OWN:
            values[f"field{place}"] = condition.field
        if condition.operator not in ("empty", "filled"):
            values[f"value{place}"] = _bound(condition)
        parts.append(f"({_one(condition, place)})")
    return (" OR " if choice.any_of else " AND ").join(parts) or "true", values


def _bound(condition: Condition) -> str:
    if condition.operator == "contains":
        return str(condition.value).lower()
    return orjson.dumps(condition.value).decode()


def _one(condition: Condition, place: int) -> str:
    """One condition; a row's own columns can be asked for by their names."""
    there = (
        f"to_jsonb({condition.field})" if condition.field in _OWN else f"fields -> :field{place}"
    )
    value = f"CAST(:value{place} AS jsonb)"
    match condition.operator:
        case "equals":
            return f"coalesce({there}, 'null') = {value}"
        case "not_equals":
            return f"coalesce({there}, 'null') <> {value}"
        case "contains":
            return f"strpos(lower(({there}) #>> '{{}}'), :value{place}) > 0"
        case "empty":
            return f"coalesce({there}, 'null') IN ('null', '\"\"', '[]', '{{}}')"
        case "filled":
            return f"coalesce({there}, 'null') NOT IN ('null', '\"\"', '[]', '{{}}')"
        case _:
            sign = _COMPARED[condition.operator]
            return f"jsonb_typeof({there}) = jsonb_typeof({value}) AND ({there}) {sign} {value}"
