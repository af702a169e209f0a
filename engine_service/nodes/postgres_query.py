"""`postgres.query`: reads and writes a PostgreSQL database."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import psycopg
from pydantic import Field

from engine_service.credentials.postgres_account import PostgresAccount
from engine_service.protocols import statements
from engine_service.protocols.account import open_account
from engine_service.protocols.postgres import Connection, PostgresFields, connected, failure, run
from engine_service.protocols.sql_values import to_json
from engine_service.protocols.statements import Statement
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    ItemFailure,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from shared.workflow import Item, JsonObject

Operation = Literal["query", "select", "insert", "update", "upsert", "delete"]
_NAME = r"^[^\x00]*$"


class PostgresParameters(NodeParameters):
    """What to ask the database."""

    operation: Operation = Field(
        default="query",
        description="`query` sends the statement in `sql`; the others make one from `table`, "
        "`columns` and `where`",
    )
    sql: str = Field(
        default="",
        max_length=100_000,
        description="For query: one statement. Values are never written into it: it says `$1`, "
        "`$2` … and `values` holds them. Expressions are not filled here",
    )
    values: list[Any] = Field(
        default_factory=list[Any],
        max_length=10_000,
        description="For query: the values of $1, $2 …; objects go as JSON, lists as arrays",
    )
    schema_name: str = Field(
        default="public", alias="schema", max_length=63, pattern=_NAME, description="The schema"
    )
    table: str = Field(
        default="", max_length=63, pattern=_NAME, description="The table, unless for query"
    )
    columns: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="For insert, update and upsert: the values by column; the item's fields when "
        "empty",
    )
    where: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="For select, update and delete: which rows, as values by column; null finds "
        "nulls, a list finds any of its members. Update and delete need some",
    )
    conflict_on: list[str] = Field(
        default_factory=list[str],
        max_length=32,
        description="For upsert: the columns of the unique key; a row that is there is updated",
    )
    returning: list[str] = Field(
        default_factory=list[str],
        max_length=500,
        description="Which columns to give; all when empty",
    )
    order_by: list[str] = Field(
        default_factory=list[str],
        max_length=32,
        description="For select: columns to sort by; `-name` sorts downwards",
    )
    row_limit: int = Field(
        default=1_000,
        ge=1,
        le=100_000,
        description="The most rows a statement may give; select stops there, others fail",
    )
    read_only: bool = Field(
        default=False, description="Whether the database must refuse to change anything"
    )
    transaction: Literal["item", "all"] = Field(
        default="item",
        description="`item` keeps what worked for each item; `all` keeps everything or nothing",
    )
    timeout: float = Field(
        default=30.0, gt=0, le=600, description="Seconds a statement may take in the database"
    )


class PostgresQuery(ActionNode[PostgresParameters]):
    """Runs a statement in a PostgreSQL database for each item.

    Each row becomes an item; a statement that gives none gives `{"success": true}`.

    **Values.** They never become part of a statement. `query` writes `$1`, `$2` … and lists the
    values beside it; `select`, `insert`, `update`, `upsert` and `delete` take them by column, and
    names of tables and columns are quoted.

    **Safety.** `read_only` makes the database refuse any change. `transaction: all` keeps the
    changes of all items or none. `timeout` ends a statement in the database, and more rows than
    `row_limit` fail it. What only reads is repeated after a crash; what writes is not, unless the
    author allows it.

    **Types.** Numbers that JSON cannot hold exactly come as texts, moments in ISO 8601, bytes in
    base64.
    """

    Parameters = PostgresParameters
    type = "postgres.query"
    title = "PostgreSQL"
    effect = Effect.UNSAFE
    credential_types = (PostgresAccount.type,)
    needs_credential = True
    verbatim = ("sql",)
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {
            "sql": "SELECT id, total FROM orders WHERE customer = $1 AND total > $2",
            "values": ["{{ $json.customer }}", 100],
            "read_only": True,
        },
        {
            "operation": "upsert",
            "table": "customers",
            "columns": {"email": "{{ $json.email }}", "name": "{{ $json.name }}"},
            "conflict_on": ["email"],
            "transaction": "all",
        },
        {
            "operation": "select",
            "table": "orders",
            "where": {"status": ["new", "paid"]},
            "order_by": ["-created_at"],
            "row_limit": 50,
        },
    )
    keywords = (
        "postgres", "postgresql", "database", "sql", "query", "insert row", "table", "upsert",
        "select rows", "数据库", "查询", "写入数据库", "表",
    )  # fmt: skip

    @classmethod
    def effect_of(cls, parameters: JsonObject) -> Effect:
        reads = parameters.get("operation") == "select" or parameters.get("read_only") is True
        return Effect.READ if reads else cls.effect

    async def run(self, given: NodeInput[PostgresParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})
        account = await open_account(services.credentials, PostgresAccount.type, PostgresFields)
        async with connected(services.network, account) as connection:
            if given.parameters_for(0).transaction == "all":
                async with connection.transaction():
                    items = [
                        item
                        for index in range(len(given.items))
                        for item in await _rows(connection, given, index)
                    ]
                return Done({MAIN: items})
            return await _one_by_one(connection, given)

    def plan(self, parameters: PostgresParameters) -> str:
        if parameters.operation == "query":
            return f"PostgreSQL: {' '.join(parameters.sql.split())[:200]}"
        return f"PostgreSQL: {parameters.operation} {parameters.schema_name}.{parameters.table}"

    def sample(self, given: NodeInput[PostgresParameters]) -> Done:
        return Done({MAIN: [_sample(given, index) for index in range(len(given.items))]})

    @classmethod
    def check(cls, parameters: PostgresParameters) -> Sequence[tuple[str, str, str]]:
        return list(_findings(parameters))


def _findings(parameters: PostgresParameters) -> Sequence[tuple[str, str, str]]:
    operation = parameters.operation
    if operation == "query":
        missing = not parameters.sql.strip()
        return [("/sql", "missing", "There is no statement.")] if missing else []
    found: list[tuple[str, str, str]] = []
    if not parameters.table:
        found.append(("/table", "missing", f"A table is needed for {operation}."))
    if operation in ("update", "delete") and not parameters.where:
        found.append(("/where", "missing", f"Which rows to {operation} has to be said."))
    if operation == "upsert" and not parameters.conflict_on:
        found.append(("/conflict_on", "missing", "The columns of the unique key are needed."))
    if parameters.read_only and operation != "select":
        found.append(("/read_only", "contradictory", f"An {operation} cannot only read."))
    return found


async def _one_by_one(connection: Connection, given: NodeInput[PostgresParameters]) -> Outcome:
    """Each item in a transaction of its own."""
    items: list[Item] = []
    failures: list[ItemFailure] = []
    for index in range(len(given.items)):
        try:
            async with connection.transaction():
                rows = await _rows(connection, given, index)
            items.extend(rows)
        except psycopg.Error as error:
            failed = failure(error)
            if len(given.items) == 1 or not failed.outcome_known:
                return failed
            failures.append(ItemFailure(index, failed.code, failed.message))
        except NodeError as error:
            if len(given.items) == 1:
                raise
            failures.append(ItemFailure(index, error.failure.code, error.failure.message))
    if failures and not items:
        return Failed(failures[0].code, failures[0].message)
    return Done({MAIN: items}, failures)


async def _rows(
    connection: Connection, given: NodeInput[PostgresParameters], index: int
) -> list[Item]:
    """The items that one item's statement gives, in the transaction that is open."""
    parameters = given.parameters_for(index)
    milliseconds = str(max(1, int(parameters.timeout * 1000)))
    await connection.execute("SELECT set_config('statement_timeout', $1, true)", [milliseconds])
    if given.parameters_for(0).read_only:
        await connection.execute("SET TRANSACTION READ ONLY")
    made = _statement(parameters, given.items[index]["json"])
    rows = await run(connection, made.text, made.values, parameters.row_limit)
    if not rows:
        empty = parameters.operation == "select" or _gives_rows(parameters)
        return [] if empty else [{"json": {"success": True}, "paired_item": index}]
    shown = await asyncio.to_thread(lambda: [to_json(row) for row in rows])
    return [{"json": row, "paired_item": index} for row in shown]


def _gives_rows(parameters: PostgresParameters) -> bool:
    """Whether no rows mean that there were none."""
    first = parameters.sql.split(maxsplit=1)[:1]
    return parameters.operation == "query" and first[0].lower() in ("select", "with", "values")


def _statement(parameters: PostgresParameters, fields: Mapping[str, Any]) -> Statement:
    columns = parameters.columns or fields
    table = statements.Table(parameters.schema_name, parameters.table, parameters.returning)
    match parameters.operation:
        case "query":
            return Statement(parameters.sql, parameters.values)
        case "select":
            order, limit = parameters.order_by, parameters.row_limit
            return statements.select(table, parameters.where, order, limit)
        case "insert":
            return statements.insert(table, columns)
        case "upsert":
            return statements.insert(table, columns, parameters.conflict_on)
        case "update":
            return statements.update(table, columns, parameters.where)
        case "delete":
            return statements.delete(table, parameters.where)


def _sample(given: NodeInput[PostgresParameters], index: int) -> Item:
    parameters = given.parameters_for(index)
    row = {"id": 1, **parameters.where, **parameters.columns}
    return {"json": row, "paired_item": index}
