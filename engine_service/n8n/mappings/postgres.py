"""PostgreSQL: versions 1 and 2 of its node.

What has a counterpart by table and columns becomes that; what compares or writes otherwise becomes
a statement with its values beside it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from engine_service.n8n.sql import Statement, beside, columns_of, condition, quoted
from shared.workflow import JsonObject

_COMMA = re.compile(r",(?![^{]*\}\})")
_BESIDE = "Its values are sent beside the statement ($1, $2 …): none of them can be SQL any more."


def _postgres(node: SourceNode) -> Mapped:
    fields = node.fields
    fields.ignore("resource", "dataMode")
    builds = _FIRST if node.version < 2 else _SECOND
    operation = str(fields.fixed("operation", "insert"))
    if operation not in builds:
        raise CannotMap(f"There is no counterpart of its operation {operation!r} yet.")
    made = builds[operation](fields)
    options = fields.section("options" if node.version >= 2 else "additionalFields")
    batching = options.fixed("queryBatching", "") or options.fixed("mode", "")
    if batching == "transaction":
        made["transaction"] = "all"
    options.ignore("connectionTimeout", "delayClosingIdleConnection", "largeNumbersOutput")
    return Mapped("postgres.query", _filled(made))


def _filled(made: JsonObject) -> JsonObject:
    """Parameters without what nobody wrote."""
    return {name: value for name, value in made.items() if value not in (None, "", [], {})}


# --- version 2


def _query(fields: Fields) -> JsonObject:
    return _statement(fields, fields.section("options").take("queryReplacement"))


def _statement(fields: Fields, given: Any) -> JsonObject:
    sql = str(fields.verbatim("query", ""))
    if sql.startswith("=") and "{{" in sql:
        made = beside(sql[1:])
        if given:
            raise CannotMap("Its statement has both numbered values and expressions.")
        fields.differ(_BESIDE)
        return {"sql": made.text, "values": made.values}
    if isinstance(given, str) and _COMMA.search(given):
        given = [part.strip() for part in _COMMA.split(given)]
    elif isinstance(given, str) and given:
        given = [given]
    return {"sql": sql.removeprefix("="), "values": given}


def _place(fields: Fields) -> JsonObject:
    return {"schema": fields.located("schema", "public"), "table": fields.located("table")}


def _quoted_place(fields: Fields) -> str:
    place = _place(fields)
    if not place["table"]:
        raise CannotMap("It names no table.")
    return quoted(str(place["schema"]), str(place["table"]))


def _conditions(fields: Fields) -> list[tuple[str, str, Any]]:
    return [
        (str(row.fixed("column", "")), str(row.fixed("condition", "equal")), row.take("value"))
        for row in fields.rows("where", "values")
    ]


def _plain(rows: list[tuple[str, str, Any]], joint: str) -> JsonObject | None:
    """Conditions by column, where all are for being equal to one value; None where not."""
    where = {column: value for column, _, value in rows}
    is_plain = all(comparison in ("equal", "=") for _, comparison, _ in rows)
    return (
        where if is_plain and len(where) == len(rows) and (joint != "OR" or not rows[1:]) else None
    )


def _returned(fields: Fields) -> list[str]:
    found: Any = fields.section("options").take("outputColumns")
    listed = cast("list[Any]", found) if isinstance(found, list) else []
    return [str(name) for name in listed if name != "*"]


def _select(fields: Fields) -> JsonObject:
    rows, joint = _conditions(fields), str(fields.fixed("combineConditions", "AND"))
    order = [
        ("-" if row.fixed("direction", "ASC") == "DESC" else "") + str(row.fixed("column", ""))
        for row in fields.rows("sort", "values")
    ]
    limit = 100_000 if fields.flag("returnAll") else int(fields.number("limit", 50))
    where, columns = _plain(rows, joint), _returned(fields)
    if where is not None:
        shown = {"where": where, "order_by": order, "row_limit": limit, "returning": columns}
        return {"operation": "select", **_place(fields), **shown}
    made = Statement()
    parts = [f"SELECT {columns_of(columns)} FROM {_quoted_place(fields)}"]
    parts.append(f"WHERE {condition(rows, joint, made)}")
    if order:
        sorting = [f"{quoted(o.removeprefix('-'))}{' DESC' if o[:1] == '-' else ''}" for o in order]
        parts.append(f"ORDER BY {', '.join(sorting)}")
    parts.append(f"LIMIT {limit}")
    sql = " ".join(parts)
    return {"sql": sql, "values": made.values, "row_limit": limit, "read_only": True}


def _values(fields: Fields) -> tuple[JsonObject, list[str]]:
    """The values by column, none for those of the item, and the columns that find a row."""
    columns = fields.section("columns")
    columns.ignore("schema", "attemptToConvertTypes", "convertFieldsToString")
    rows = fields.rows("valuesToSend", "values")
    if rows or fields.has("columnToMatchOn"):
        key = str(fields.located("columnToMatchOn"))
        values = {str(row.fixed("column", "")): row.take("value") for row in rows}
        if values and key and fields.has("valueToMatchOn"):
            values[key] = fields.take("valueToMatchOn")
        return values, [key] if key else []
    mode = columns.fixed("mappingMode", "autoMapInputData")
    found: Any = columns.take("value", {}) if mode == "defineBelow" else {}
    keys: Any = columns.take("matchingColumns", [])
    values = cast("JsonObject", found) if isinstance(found, dict) else {}
    listed = cast("list[Any]", keys) if isinstance(keys, list) else []
    return values, [str(key) for key in listed]


def _insert(fields: Fields) -> JsonObject:
    values, _ = _values(fields)
    if not fields.section("options").flag("skipOnConflict"):
        return {
            "operation": "insert", **_place(fields), "columns": values,
            "returning": _returned(fields),
        }  # fmt: skip
    if not values:
        raise CannotMap("It passes over rows that are there; name its columns, or use 'upsert'.")
    made = Statement()
    names, places = ", ".join(map(quoted, values)), ", ".join(map(made.add, values.values()))
    sql = f"INSERT INTO {_quoted_place(fields)} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING"
    return {"sql": f"{sql} RETURNING {columns_of(_returned(fields))}", "values": made.values}


def _upsert(fields: Fields) -> JsonObject:
    values, keys = _values(fields)
    shown = {"columns": values, "conflict_on": keys, "returning": _returned(fields)}
    return {"operation": "upsert", **_place(fields), **shown}


def _update(fields: Fields) -> JsonObject:
    values, keys = _values(fields)
    if not keys:
        raise CannotMap("It does not say which rows to update.")
    where = {key: values.get(key, _of_item(key)) for key in keys}
    shown = {"columns": values, "where": where, "returning": _returned(fields)}
    return {"operation": "update", **_place(fields), **shown}


def _of_item(name: str) -> str:
    """The item's field of this name."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{{{ $json["{escaped}"] }}}}'


def _delete(fields: Fields) -> JsonObject:
    command = fields.fixed("deleteCommand", "truncate")
    options = fields.section("options")
    if command in ("truncate", "drop"):
        sql = f"{'TRUNCATE' if command == 'truncate' else 'DROP'} TABLE {_quoted_place(fields)}"
        if command == "truncate" and fields.flag("restartSequences"):
            sql += " RESTART IDENTITY"
        return {"sql": f"{sql} CASCADE" if options.flag("cascade") else sql}
    rows, joint = _conditions(fields), str(fields.fixed("combineConditions", "AND"))
    where = _plain(rows, joint)
    if where:
        return {"operation": "delete", **_place(fields), "where": where}
    made = Statement()
    sql = f"DELETE FROM {_quoted_place(fields)}"
    if rows:
        sql += f" WHERE {condition(rows, joint, made)}"
    return {"sql": f"{sql} RETURNING *", "values": made.values}


_SECOND: Mapping[str, Callable[[Fields], JsonObject]] = {
    "executeQuery": _query,
    "select": _select,
    "insert": _insert,
    "upsert": _upsert,
    "update": _update,
    "deleteTable": _delete,
}


# --- version 1


def _names(fields: Fields, name: str) -> list[str]:
    return [each.strip() for each in fields.text(name).split(",") if each.strip()]


def _old_query(fields: Fields) -> JsonObject:
    names = fields.section("additionalFields").text("queryParams").split(",")
    return _statement(fields, [_of_item(name.strip()) for name in names if name.strip()])


def _old_place(fields: Fields) -> JsonObject:
    return {
        "schema": fields.text("schema", "public"),
        "table": fields.text("table"),
        "returning": [name for name in _names(fields, "returnFields") if name != "*"],
    }


def _old_insert(fields: Fields) -> JsonObject:
    columns = {name: _of_item(name) for name in _names(fields, "columns")}
    return {"operation": "insert", **_old_place(fields), "columns": columns}


def _old_update(fields: Fields) -> JsonObject:
    keys = _names(fields, "updateKey") or ["id"]
    columns = {name: _of_item(name) for name in _names(fields, "columns")}
    where = {key: _of_item(key) for key in keys}
    return {"operation": "update", **_old_place(fields), "columns": columns, "where": where}


_FIRST: Mapping[str, Callable[[Fields], JsonObject]] = {
    "executeQuery": _old_query,
    "insert": _old_insert,
    "update": _old_update,
}

MAPPINGS = (NodeMapping(("n8n-nodes-base.postgres",), _postgres),)
