"""`data.table`: small tables that a tenant keeps between runs."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from engine_service.values.choosing import RowCondition, choice_of
from shared.workflow import Item, JsonObject

_NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$"
_WRITES_ITEMS = ("insert", "upsert")


class TableParameters(NodeParameters):
    """Which table, and what to do with it."""

    table: str = Field(pattern=_NAME, description="The table's name; it is there when it has rows")
    operation: Literal["insert", "upsert", "get", "update", "delete"] = Field(
        default="insert",
        description="`insert` and `upsert` write the item's fields (or `row`) as a row, `get` "
        "gives rows as items, `update` changes `row`'s fields in the rows that are meant, "
        "`delete` removes them",
    )
    row: dict[str, Any] | None = Field(
        default=None, description="The fields to write; the item's own when it is not there"
    )
    match: list[str] = Field(
        default_factory=list[str],
        max_length=20,
        description="For upsert: a row with the same values in these fields is changed",
    )
    where: list[RowCondition] = Field(
        default_factory=list[RowCondition],
        max_length=50,
        description="For get, update and delete: which rows are meant; all when there is none",
    )
    any_of: bool = Field(default=False, description="Whether one condition of `where` is enough")
    order_by: str = Field(
        default="", description="For get: the field to sort by; by age when empty"
    )
    descending: bool = Field(default=False, description="For get: the largest or newest first")
    limit: int = Field(default=100, ge=1, le=10_000, description="For get: at most this many rows")


class DataTable(ActionNode[TableParameters]):
    """Keeps rows in a small table between runs: insert, upsert, get, update, delete.

    A table belongs to the tenant; every workflow sees the same ones. It needs no definition: rows
    are objects, and a table is there as soon as it has one. Rows come back with `id`,
    `created_at` and `updated_at` beside their own fields.

    `insert` and `upsert` write a row for each item and give it back. `get`, `update` and `delete`
    run for each item, too: use expressions in `where`, or `execute_once` in the node's settings.
    A write happens once, even when the engine dies in the middle of it.

    A tenant may have 100 tables of 10,000 rows of 64 KiB.
    """

    Parameters = TableParameters
    type = "data.table"
    title = "Table"
    effect = Effect.KEYED
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"table": "orders", "operation": "upsert", "match": ["order_id"]},
        {
            "table": "orders",
            "operation": "get",
            "where": [{"field": "total", "operator": "gt", "value": 100}],
            "order_by": "total",
            "descending": True,
        },
        {"table": "visits", "row": {"page": "{{ $json.url }}", "at": "{{ $now }}"}},
    )
    keywords = (
        "table", "data table", "store", "save", "row", "rows", "insert", "upsert", "lookup",
        "remember", "database", "spreadsheet", "表", "数据表", "保存", "记录", "查找",
    )  # fmt: skip

    async def run(self, given: NodeInput[TableParameters], services: Services) -> Outcome:
        kept: list[Item] = []
        for place, rows in await _results(given, services):
            kept += [{"json": row, "paired_item": place} for row in rows]
        return Done({MAIN: kept})

    @classmethod
    def check(cls, parameters: TableParameters) -> Sequence[tuple[str, str, str]]:
        if parameters.operation == "upsert" and not parameters.match:
            return [("/match", "missing", "Say by which fields a row is the same.")]
        if parameters.operation == "update" and parameters.row is None:
            return [("/row", "missing", "Say which fields to change.")]
        return []

    def plan(self, parameters: TableParameters) -> str:
        return f"{parameters.operation} in table {parameters.table}"

    def sample(self, given: NodeInput[TableParameters]) -> Done:
        rows: list[Item] = [
            {"json": {**item["json"], "id": place + 1}, "paired_item": place}
            for place, item in enumerate(given.items)
        ]
        return Done({MAIN: rows})


async def _results(
    given: NodeInput[TableParameters], services: Services
) -> list[tuple[int, list[JsonObject]]]:
    """By item, the rows that its operation gave."""
    first = given.parameters_for(0)
    if first.operation in _WRITES_ITEMS and _is_same_for_all(given):
        rows = await _write(first, [_row(given, at) for at in range(len(given.items))], services)
        places = range(len(given.items)) if len(rows) == len(given.items) else [0] * len(rows)
        return [(place, [row]) for place, row in zip(places, rows, strict=True)]
    return [
        (at, await _operate(given.parameters_for(at), _row(given, at), at, services))
        for at in range(len(given.items))
    ]


def _is_same_for_all(given: NodeInput[TableParameters]) -> bool:
    """Whether all items go to one table in one way, so that one write is enough."""
    first = given.parameters_for(0)
    return all(
        (one.table, one.operation, one.match) == (first.table, first.operation, first.match)
        for one in given.parameters
    )


def _row(given: NodeInput[TableParameters], at: int) -> JsonObject:
    row = given.parameters_for(at).row
    return given.items[at]["json"] if row is None else row


async def _write(
    parameters: TableParameters, rows: list[JsonObject], services: Services
) -> list[JsonObject]:
    key = services.idempotency_key
    if parameters.operation == "insert":
        return await services.data.insert(parameters.table, rows, key)
    return await services.data.upsert(parameters.table, parameters.match, rows, key)


async def _operate(
    parameters: TableParameters, row: JsonObject, at: int, services: Services
) -> list[JsonObject]:
    data, table, key = services.data, parameters.table, f"{services.idempotency_key}#{at}"
    choice = choice_of(parameters.where, parameters.any_of)
    match parameters.operation:
        case "insert":
            return await data.insert(table, [row], key)
        case "upsert":
            return await data.upsert(table, parameters.match, [row], key)
        case "get":
            return await data.find(
                table,
                choice,
                order_by=parameters.order_by,
                descending=parameters.descending,
                limit=parameters.limit,
            )
        case "update":
            return await data.update(table, choice, row, key)
        case "delete":
            return await data.delete(table, choice, key)
