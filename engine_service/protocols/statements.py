"""SQL statements made of tables, columns and values: names are quoted, values stay beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from engine_service.sdk.node import Failed, NodeError


@dataclass(frozen=True, slots=True)
class Statement:
    """What to send: the text with `$1`, `$2` …, and their values."""

    text: sql.Composed | str
    values: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Which table, and which of its columns to give; all of them when none is named."""

    schema: str
    name: str
    columns: Sequence[str] = ()

    @property
    def quoted(self) -> sql.Composable:
        return sql.Identifier(self.schema, self.name) if self.schema else sql.Identifier(self.name)

    @property
    def given(self) -> sql.Composable:
        return _names(self.columns) if self.columns else sql.SQL("*")


@dataclass(slots=True)
class _Values:
    """Values in the order in which a statement names them."""

    held: list[Any] = field(default_factory=list[Any])

    def add(self, value: Any) -> sql.Composable:
        self.held.append(value)
        return sql.SQL("$") + sql.SQL(str(len(self.held)))  # pyright: ignore[reportArgumentType] - a number


def select(
    table: Table, where: Mapping[str, Any], order_by: Sequence[str], limit: int
) -> Statement:
    """Rows that fit, at most so many."""
    values = _Values()
    parts = [sql.SQL("SELECT "), table.given, sql.SQL(" FROM "), table.quoted]
    if where:
        parts += [sql.SQL(" WHERE "), _condition(where, values)]
    if order_by:
        parts += [sql.SQL(" ORDER BY "), sql.SQL(", ").join(map(_direction, order_by))]
    parts += [sql.SQL(" LIMIT "), values.add(limit)]
    return Statement(sql.Composed(parts), values.held)


def insert(table: Table, columns: Mapping[str, Any], conflict_on: Sequence[str] = ()) -> Statement:
    """A new row, or the one that is there already with new values."""
    values = _Values()
    placeholders = sql.SQL(", ").join([values.add(value) for value in columns.values()])
    parts: list[sql.Composable] = [sql.SQL("INSERT INTO "), table.quoted]
    if columns:
        parts += [sql.SQL(" ("), _names(columns), sql.SQL(") VALUES ("), placeholders]
        parts.append(sql.SQL(")"))
    else:
        parts.append(sql.SQL(" DEFAULT VALUES"))
    if conflict_on:
        parts += [sql.SQL(" ON CONFLICT ("), _names(conflict_on), sql.SQL(") DO UPDATE SET ")]
        # Something must be set for the row to be given back, were it only its key.
        others = [name for name in columns if name not in conflict_on] or conflict_on
        taken = sql.SQL("{name} = EXCLUDED.{name}")
        parts.append(sql.SQL(", ").join([taken.format(name=sql.Identifier(n)) for n in others]))
    parts += [sql.SQL(" RETURNING "), table.given]
    return Statement(sql.Composed(parts), values.held)


def update(table: Table, columns: Mapping[str, Any], where: Mapping[str, Any]) -> Statement:
    """New values for the rows that fit.

    Raises:
        NodeError: No condition, or nothing to set.
    """
    _require(columns, "There is nothing to set.")
    values = _Values()
    setting = [
        sql.SQL("{} = {}").format(sql.Identifier(name), values.add(value))
        for name, value in columns.items()
        if name not in where
    ]
    _require(setting, "There is nothing to set but what the rows are found by.")
    parts = [sql.SQL("UPDATE "), table.quoted, sql.SQL(" SET "), sql.SQL(", ").join(setting)]
    return _returning(parts, table, where, values)


def delete(table: Table, where: Mapping[str, Any]) -> Statement:
    """Away with the rows that fit.

    Raises:
        NodeError: No condition.
    """
    return _returning([sql.SQL("DELETE FROM "), table.quoted], table, where, _Values())


def _returning(
    parts: list[sql.Composable], table: Table, where: Mapping[str, Any], values: _Values
) -> Statement:
    _require(where, "Which rows has to be said; all of them would be too many.")
    parts += [sql.SQL(" WHERE "), _condition(where, values)]
    parts += [sql.SQL(" RETURNING "), table.given]
    return Statement(sql.Composed(parts), values.held)


def _condition(where: Mapping[str, Any], values: _Values) -> sql.Composable:
    tests: list[sql.Composable] = []
    for name, value in where.items():
        column = sql.Identifier(name)
        if value is None:
            tests.append(sql.SQL("{} IS NULL").format(column))
        elif isinstance(value, list):
            tests.append(sql.SQL("{} = ANY({})").format(column, values.add(value)))
        else:
            tests.append(sql.SQL("{} = {}").format(column, values.add(value)))
    return sql.SQL(" AND ").join(tests)


def _names(names: Mapping[str, Any] | Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join([sql.Identifier(name) for name in names])


def _direction(name: str) -> sql.Composable:
    column = sql.Identifier(name.removeprefix("-"))
    return column + sql.SQL(" DESC") if name.startswith("-") else column


def _require(there: Any, message: str) -> None:
    if not there:
        raise NodeError(Failed("bad_statement", message))
