"""Data tables, which n8n keeps as a table of its own."""

import re
from typing import Any, cast

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_OPERATORS = {
    "eq": "equals", "neq": "not_equals", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte",
    "like": "contains", "ilike": "contains", "isEmpty": "empty", "isNotEmpty": "filled",
}  # fmt: skip
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")


def _table(node: SourceNode) -> Mapped:
    fields = node.fields
    if fields.fixed("resource", "row") != "row":
        raise CannotMap("It makes or lists tables; here a table is there when it has rows.")
    made: JsonObject = {"table": _name(fields)}
    match fields.fixed("operation", "insert"):
        case "insert":
            made.update(operation="insert", **_row(fields))
        case "upsert":
            made.update(operation="upsert", **_row(fields), match=_equal(fields))
        case "update":
            made.update(operation="update", **_row(fields), **_where(fields))
        case "get":
            limit = 10_000 if fields.flag("returnAll") else int(fields.number("limit", 50))
            made.update(operation="get", **_where(fields), limit=limit)
        case "deleteRows":
            made.update(operation="delete", **_where(fields))
        case operation:
            raise CannotMap(f"There is no counterpart of its operation {operation!r} yet.")
    fields.differ(
        "Its rows are in n8n: bring them along yourself. Times are 'created_at' and so on."
    )
    return Mapped("data.table", made)


def _name(fields: Fields) -> str:
    raw: Any = fields.raw.get("dataTableId")
    seen = cast("JsonObject", raw).get("cachedResultName") if isinstance(raw, dict) else None
    written = str(seen or fields.located("dataTableId"))
    name = _NOT_IN_NAMES.sub("_", written).strip("_-")[:60]
    if "{{" in written or not name:
        raise CannotMap("Which table it means is only known in a run.")
    fields.ignore("dataTableId")
    return name if name[0].isalpha() else f"t_{name}"


def _row(fields: Fields) -> JsonObject:
    columns = fields.section("columns")
    columns.ignore("schema", "matchingColumns", "attemptToConvertTypes", "convertFieldsToString")
    fields.section("options").ignore("optimizeBulk")
    mode = columns.fixed("mappingMode", "defineBelow")
    return {"row": columns.take("value", {})} if mode == "defineBelow" else {}


def _conditions(fields: Fields) -> list[JsonObject]:
    found: list[JsonObject] = []
    for row in fields.rows("filters", "conditions"):
        operator = row.choice("condition", _OPERATORS, "eq")
        one: JsonObject = {"field": row.text("keyName", "id"), "operator": operator}
        if operator not in ("empty", "filled"):
            one["value"] = row.take("keyValue")
        found.append(one)
    return found


def _where(fields: Fields) -> JsonObject:
    any_of = fields.fixed("matchType", "anyCondition") == "anyCondition"
    rows = _conditions(fields)
    return {"where": rows, **({"any_of": True} if any_of and len(rows) > 1 else {})}


def _equal(fields: Fields) -> list[str]:
    """The fields by which a row is the same."""
    fields.ignore("matchType")
    rows = _conditions(fields)
    if not rows or any(row["operator"] != "equals" for row in rows):
        raise CannotMap("Which row it changes is not said by fields that are equal.")
    fields.differ("A row is the same when it has the same values in the fields that are compared.")
    return [str(row["field"]) for row in rows]


MAPPINGS = (NodeMapping(("n8n-nodes-base.dataTable",), _table),)
